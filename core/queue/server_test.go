package queue

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// server is a NATS server that has as much of JetStream as the queue uses, in memory
// and without a cluster. What servers do when they fail, or lose the lead, is tested on
// real ones.
type server struct {
	addr string

	mu        sync.Mutex
	clients   []net.Conn
	seq       uint64
	streams   map[string]*jetstream.StreamConfig
	stored    []*stored // in order
	known     map[string]bool
	batches   map[string][]*stored
	consumers map[string]*jetstream.ConsumerConfig // by stream and name
	lost      map[string]bool                      // subjects of jobs that it keeps and gives to none
	kept      map[uint64]bool                      // messages that cannot be deleted
	resets    []string
	refuse    func(subject string) *jetstream.APIError // of a write; nil: none
	silent    func(subject string) bool                // it answers nothing to a write; nil: it does
	leader    string                                   // "": it is in no cluster
	size      uint64                                   // bytes it says it has
}

// stored is a message in a stream.
type stored struct {
	subject string
	header  nats.Header
	data    []byte
	seq     uint64
	time    time.Time
	given   bool
}

func startServer(t testing.TB) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{
		addr: "nats://" + l.Addr().String(), streams: map[string]*jetstream.StreamConfig{}, known: map[string]bool{},
		batches: map[string][]*stored{}, consumers: map[string]*jetstream.ConsumerConfig{}, lost: map[string]bool{},
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.clients = append(s.clients, c)
			s.mu.Unlock()
			conns.Go(func() { s.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		conns.Wait() // clients have closed theirs
	})
	return s
}

// open makes a queue on the server; its gateway is gw1 and takes IDs from 1.
func (s *server) open(t testing.TB, change func(*Config)) *Queue {
	t.Helper()
	next := 0
	c := Config{
		Servers: []string{s.addr}, Name: "q", Replicas: 1, MaxSize: 1 << 20, AcceptUnsynced: true, CommitTimeout: time.Second,
		Instance: "gw1", Owner: "me", Host: "here", Log: slog.New(slog.DiscardHandler),
		NextID: func() (string, string, error) {
			next++
			return fmt.Sprint(next), fmt.Sprintf("gw1-%08d", next), nil
		},
	}
	if change != nil {
		change(&c)
	}
	q, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	if err := q.Ready(); err != nil {
		t.Fatal(err)
	}
	return q
}

// hangUp ends all connections; new ones are served.
func (s *server) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.clients {
		c.Close()
	}
	s.clients = nil
}

func (s *server) serve(c net.Conn) {
	defer c.Close()
	var writing sync.Mutex
	sids := map[string]string{} // by subject
	send := func(to, as, reply, header string, data []byte) {
		writing.Lock()
		defer writing.Unlock()
		for subject, sid := range sids {
			switch {
			case !matches(subject, to):
			case header == "":
				fmt.Fprintf(c, "MSG %s %s %s %d\r\n%s\r\n", as, sid, reply, len(data), data)
			default:
				fmt.Fprintf(c, "HMSG %s %s %s %d %d\r\n%s%s\r\n", as, sid, reply, len(header), len(header)+len(data), header, data)
			}
		}
	}
	fmt.Fprint(c, "INFO {\"server_id\":\"X\",\"server_name\":\"mq1\",\"version\":\"2.14.0\",\"max_payload\":1048576,\"headers\":true,\"jetstream\":true}\r\n")
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		f := strings.Fields(line)
		switch f[0] {
		case "PING":
			writing.Lock()
			fmt.Fprint(c, "PONG\r\n")
			writing.Unlock()
		case "SUB":
			writing.Lock()
			sids[f[1]] = f[len(f)-1]
			writing.Unlock()
		case "PUB", "HPUB":
			total, _ := strconv.Atoi(f[len(f)-1])
			payload := make([]byte, total+2)
			if _, err := io.ReadFull(r, payload); err != nil {
				return
			}
			m, numbers := &stored{subject: f[1], data: payload[:total], time: time.Now()}, 1
			if f[0] == "HPUB" {
				numbers = 2
				n, _ := strconv.Atoi(f[len(f)-2])
				m.header, _ = nats.DecodeHeadersMsg(payload[:n])
				m.data = payload[n:total]
			}
			reply := ""
			if len(f) == 3+numbers {
				reply = f[2]
			}
			s.take(m, reply, send)
		}
	}
}

// matches tells whether a subject is one of those that a pattern with wildcards names.
func matches(pattern, subject string) bool {
	p, s := strings.Split(pattern, "."), strings.Split(subject, ".")
	for i, token := range p {
		if token == ">" {
			return len(s) > i
		}
		if i >= len(s) || token != "*" && token != s[i] {
			return false
		}
	}
	return len(p) == len(s)
}

// sender sends to who listens at a subject; as is the subject that the message shows.
type sender func(to, as, reply, header string, data []byte)

func (s *server) take(m *stored, reply string, send sender) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var answer any
	switch {
	case strings.HasPrefix(m.subject, "$JS.ACK."):
		f := strings.Split(m.subject, ".")
		seq, _ := strconv.ParseUint(f[5], 10, 64)
		i := slices.IndexFunc(s.stored, func(m *stored) bool { return m.seq == seq })
		switch verb, _, _ := strings.Cut(string(m.data), " "); {
		case i < 0:
		case verb == "+ACK":
			s.stored = slices.Delete(s.stored, i, i+1)
		case verb == "-NAK":
			s.stored[i].given = false
		}
		answer = struct{}{}
	case strings.HasPrefix(m.subject, "$JS.API.CONSUMER.MSG.NEXT."):
		s.give(strings.Split(m.subject, ".")[5:], m.data, reply, send)
		return
	case strings.HasPrefix(m.subject, "$JS.API."):
		answer = s.api(strings.Split(strings.TrimPrefix(m.subject, "$JS.API."), "."), m.data)
	default:
		answer = s.store(m)
		if s.silent != nil && s.silent(m.subject) {
			return
		}
	}
	if reply != "" {
		data, _ := json.Marshal(answer)
		if answer == nil {
			data = nil
		}
		send(reply, reply, "", "", data)
	}
}

func failed(code int, number jetstream.ErrorCode) any {
	return map[string]any{"error": jetstream.APIError{Code: code, ErrorCode: number, Description: "refused"}}
}

// of are the messages of a stream.
func (s *server) of(stream string) (list []*stored) {
	config := s.streams[stream]
	for _, m := range s.stored {
		if config != nil && slices.ContainsFunc(config.Subjects, func(p string) bool { return matches(p, m.subject) }) {
			list = append(list, m)
		}
	}
	return list
}

func (s *server) streamOf(subject string) *jetstream.StreamConfig {
	for _, name := range slices.Sorted(maps.Keys(s.streams)) {
		if slices.ContainsFunc(s.streams[name].Subjects, func(p string) bool { return matches(p, subject) }) {
			return s.streams[name]
		}
	}
	return nil
}

// store takes a message into its stream.
func (s *server) store(m *stored) any {
	stream := s.streamOf(m.subject)
	if stream == nil {
		return nil
	}
	if s.refuse != nil {
		if err := s.refuse(m.subject); err != nil {
			return map[string]any{"error": err}
		}
	}
	if id := m.header.Get("Nats-Batch-Id"); id != "" {
		s.batches[id] = append(s.batches[id], m)
		if m.header.Get("Nats-Batch-Commit") == "" {
			return nil
		}
		for _, one := range s.batches[id] {
			s.add(one)
		}
		return map[string]any{"stream": stream.Name, "seq": s.seq, "batch": id, "count": len(s.batches[id])}
	}
	if id := m.header.Get(jetstream.MsgIDHeader); id != "" {
		if s.known[id] {
			return map[string]any{"stream": stream.Name, "seq": s.seq, "duplicate": true}
		}
		s.known[id] = true
	}
	if want := m.header.Get("Nats-Expected-Last-Subject-Sequence"); want != "" {
		var last uint64
		if there := s.last(m.subject); there != nil {
			last = there.seq
		}
		if want != fmt.Sprint(last) {
			return failed(400, jetstream.JSErrCodeStreamWrongLastSequence)
		}
	}
	if stream.MaxMsgsPerSubject == 1 {
		s.stored = slices.DeleteFunc(s.stored, func(old *stored) bool { return old.subject == m.subject })
	}
	s.add(m)
	return map[string]any{"stream": stream.Name, "seq": m.seq}
}

func (s *server) add(m *stored) {
	s.seq++
	m.seq = s.seq
	s.stored = append(s.stored, m)
}

func (s *server) last(subject string) *stored {
	for _, m := range slices.Backward(s.stored) {
		if matches(subject, m.subject) {
			return m
		}
	}
	return nil
}

// api answers a question or an order; of are the words behind $JS.API.
func (s *server) api(of []string, data []byte) any {
	var q struct {
		jetstream.StreamConfig
		SubjectsFilter string `json:"subjects_filter"`
		LastFor        string `json:"last_by_subj"`
		NextFor        string `json:"next_by_subj"`
		Seq            uint64 `json:"seq"`
		Filter         string `json:"filter"`
		Config         *jetstream.ConsumerConfig
	}
	if err := json.Unmarshal(data, &q); err != nil && len(data) > 0 {
		return failed(400, 10025)
	}
	switch call := of[0] + "." + of[1]; call {
	case "STREAM.CREATE", "STREAM.UPDATE":
		s.streams[of[2]] = &q.StreamConfig
		return s.info(of[2], "")
	case "STREAM.INFO":
		return s.info(of[2], q.SubjectsFilter)
	case "STREAM.MSG":
		list := s.of(of[3])
		i := slices.IndexFunc(list, func(m *stored) bool { return m.seq >= q.Seq && (q.NextFor == "" || matches(q.NextFor, m.subject)) })
		if q.LastFor != "" {
			for i = len(list) - 1; i >= 0 && list[i].subject != q.LastFor; i-- {
			}
		}
		if of[2] == "DELETE" && (i < 0 || list[i].seq != q.Seq || s.kept[q.Seq]) {
			return failed(500, 10057)
		}
		if i < 0 || q.NextFor == "" && q.LastFor == "" && list[i].seq != q.Seq {
			return failed(404, jetstream.JSErrCodeMessageNotFound)
		}
		if of[2] == "DELETE" {
			s.stored = slices.DeleteFunc(s.stored, func(m *stored) bool { return m == list[i] })
			return map[string]any{"success": true}
		}
		return map[string]any{"message": map[string]any{"subject": list[i].subject, "seq": list[i].seq, "data": list[i].data, "time": list[i].time}}
	case "STREAM.PURGE":
		s.stored = slices.DeleteFunc(s.stored, func(m *stored) bool { return matches(q.Filter, m.subject) })
		return map[string]any{"success": true}
	case "CONSUMER.CREATE", "CONSUMER.DURABLE":
		s.consumers[of[2]+"."+of[3]] = q.Config
		return s.consumer(of[2], of[3])
	case "CONSUMER.INFO":
		return s.consumer(of[2], of[3])
	case "CONSUMER.RESET":
		s.resets = append(s.resets, of[2]+"."+of[3])
		return s.consumer(of[2], of[3])
	}
	return failed(404, 10025)
}

func (s *server) info(stream, filter string) any {
	config := s.streams[stream]
	if config == nil {
		return failed(404, jetstream.JSErrCodeStreamNotFound)
	}
	subjects := map[string]int{}
	for _, m := range s.of(stream) {
		if filter != "" && matches(filter, m.subject) {
			subjects[m.subject]++
		}
	}
	info := map[string]any{"config": config, "state": map[string]any{"bytes": s.size, "subjects": subjects}, "total": len(subjects), "limit": 100_000}
	if s.leader != "" {
		info["cluster"] = map[string]any{"name": "c", "leader": s.leader, "replicas": []any{map[string]any{"name": "other", "current": true, "active": 1}}}
	}
	return info
}

func (s *server) consumer(stream, name string) any {
	config := s.consumers[stream+"."+name]
	if config == nil {
		return failed(404, jetstream.JSErrCodeConsumerNotFound)
	}
	pending, given := 0, 0
	for _, m := range s.of(stream) {
		switch {
		case !matches(config.FilterSubject, m.subject) || s.lost[m.subject]:
		case m.given:
			given++
		default:
			pending++
		}
	}
	return map[string]any{"stream_name": stream, "name": name, "config": config, "num_pending": pending, "num_ack_pending": given}
}

// give gives a consumer what there is for it, and says that there is no more.
func (s *server) give(of []string, data []byte, reply string, send sender) {
	var q struct{ Batch int }
	_ = json.Unmarshal(data, &q)
	config := s.consumers[of[0]+"."+of[1]]
	for _, m := range s.of(of[0]) {
		if config == nil || q.Batch == 0 {
			break
		}
		if m.given || !matches(config.FilterSubject, m.subject) || s.lost[m.subject] {
			continue
		}
		q.Batch--
		m.given = true
		ack := fmt.Sprintf("$JS.ACK.%s.%s.1.%d.%d.%d.0", of[0], of[1], m.seq, m.seq, m.time.UnixNano())
		send(reply, m.subject, ack, "", m.data)
	}
	send(reply, reply, "", "NATS/1.0 408 Request Timeout\r\n\r\n", nil)
}
