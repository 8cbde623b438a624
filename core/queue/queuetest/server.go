// Package queuetest is a NATS server for tests of what uses the queue.
package queuetest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
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

// Server is a NATS server that has as much of JetStream as the queue uses, in memory
// and without a cluster. What servers do when they fail, or lose the lead, is tested on
// real ones.
type Server struct {
	Addr string

	Mu        sync.Mutex
	clients   []net.Conn
	seq       uint64
	Streams   map[string]*jetstream.StreamConfig
	Stored    []*Stored // in order
	known     map[string]bool
	Batches   map[string][]*Stored
	Consumers map[string]*jetstream.ConsumerConfig // by stream and name
	Lost      map[string]bool                      // subjects of jobs that it keeps and gives to none
	Kept      map[uint64]bool                      // messages that cannot be deleted
	Resets    []string
	Refuse    func(subject string) *jetstream.APIError // of a write, or a question other than for the next jobs; nil: none
	Silent    func(subject string) bool                // it answers nothing to a write or a question; nil: it does
	Leader    string                                   // "": it is in no cluster; "none": that has none
	Offline   bool                                     // the other server of its cluster
	Size      uint64                                   // bytes it says it has
}

// Stored is a message in a stream.
type Stored struct {
	Subject string
	Header  nats.Header
	Data    []byte
	Seq     uint64
	Time    time.Time
	given   bool
	again   time.Time // when it is given out again; zero: when it is said to be
}

// free says whether a message may be given out.
func (m *Stored) free() bool {
	return !m.given || !m.again.IsZero() && !time.Now().Before(m.again)
}

func Start(t testing.TB) *Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{
		Addr: "nats://" + l.Addr().String(), Streams: map[string]*jetstream.StreamConfig{}, known: map[string]bool{},
		Batches: map[string][]*Stored{}, Consumers: map[string]*jetstream.ConsumerConfig{}, Lost: map[string]bool{},
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.Mu.Lock()
			s.clients = append(s.clients, c)
			s.Mu.Unlock()
			conns.Go(func() { s.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		conns.Wait() // clients have closed theirs
	})
	return s
}

// HangUp ends all connections; new ones are served.
func (s *Server) HangUp() {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	for _, c := range s.clients {
		c.Close()
	}
	s.clients = nil
}

func (s *Server) serve(c net.Conn) {
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
			m, numbers := &Stored{Subject: f[1], Data: payload[:total], Time: time.Now()}, 1
			if f[0] == "HPUB" {
				numbers = 2
				n, _ := strconv.Atoi(f[len(f)-2])
				m.Header, _ = nats.DecodeHeadersMsg(payload[:n])
				m.Data = payload[n:total]
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

func (s *Server) take(m *Stored, reply string, send sender) {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	var answer any
	switch {
	case strings.HasPrefix(m.Subject, "$JS.ACK."):
		f := strings.Split(m.Subject, ".")
		seq, _ := strconv.ParseUint(f[5], 10, 64)
		i := slices.IndexFunc(s.Stored, func(m *Stored) bool { return m.Seq == seq })
		switch verb, rest, _ := strings.Cut(string(m.Data), " "); {
		case i < 0:
		case verb == "+ACK":
			s.Stored = slices.Delete(s.Stored, i, i+1)
		case verb == "-NAK":
			var wait struct{ Delay time.Duration }
			_ = json.Unmarshal([]byte(rest), &wait)
			s.Stored[i].again = time.Now().Add(wait.Delay)
		}
		answer = struct{}{}
	case strings.HasPrefix(m.Subject, "$JS.API.CONSUMER.MSG.NEXT."):
		s.give(strings.Split(m.Subject, ".")[5:], m.Data, reply, send)
		return
	case strings.HasPrefix(m.Subject, "$JS.API."):
		if answer = s.refusal(m.Subject); answer != nil {
			break
		}
		answer = s.api(strings.Split(strings.TrimPrefix(m.Subject, "$JS.API."), "."), m.Data)
	default:
		answer = s.store(m)
	}
	if s.Silent != nil && s.Silent(m.Subject) {
		return
	}
	if reply != "" {
		data, _ := json.Marshal(answer)
		if answer == nil {
			data = nil
		}
		send(reply, reply, "", "", data)
	}
}

func (s *Server) refusal(subject string) any {
	if s.Refuse == nil {
		return nil
	}
	if err := s.Refuse(subject); err != nil {
		return map[string]any{"error": err}
	}
	return nil
}

func failed(code int, number jetstream.ErrorCode) any {
	return map[string]any{"error": jetstream.APIError{Code: code, ErrorCode: number, Description: "refused"}}
}

// of are the messages of a stream.
func (s *Server) of(stream string) (list []*Stored) {
	config := s.Streams[stream]
	for _, m := range s.Stored {
		if config != nil && slices.ContainsFunc(config.Subjects, func(p string) bool { return matches(p, m.Subject) }) {
			list = append(list, m)
		}
	}
	return list
}

func (s *Server) streamOf(subject string) *jetstream.StreamConfig {
	for _, name := range slices.Sorted(maps.Keys(s.Streams)) {
		if slices.ContainsFunc(s.Streams[name].Subjects, func(p string) bool { return matches(p, subject) }) {
			return s.Streams[name]
		}
	}
	return nil
}

// store takes a message into its stream.
func (s *Server) store(m *Stored) any {
	stream := s.streamOf(m.Subject)
	if stream == nil {
		return nil
	}
	if refusal := s.refusal(m.Subject); refusal != nil {
		return refusal
	}
	if id := m.Header.Get("Nats-Batch-Id"); id != "" {
		s.Batches[id] = append(s.Batches[id], m)
		if m.Header.Get("Nats-Batch-Commit") == "" {
			return nil
		}
		for _, one := range s.Batches[id] {
			s.add(one)
		}
		return map[string]any{"stream": stream.Name, "seq": s.seq, "batch": id, "count": len(s.Batches[id])}
	}
	if id := m.Header.Get(jetstream.MsgIDHeader); id != "" {
		if s.known[id] {
			return map[string]any{"stream": stream.Name, "seq": s.seq, "duplicate": true}
		}
		s.known[id] = true
	}
	if want := m.Header.Get("Nats-Expected-Last-Subject-Sequence"); want != "" {
		var last uint64
		if there := s.Last(m.Subject); there != nil {
			last = there.Seq
		}
		if want != fmt.Sprint(last) {
			return failed(400, jetstream.JSErrCodeStreamWrongLastSequence)
		}
	}
	if stream.MaxMsgsPerSubject == 1 {
		s.Stored = slices.DeleteFunc(s.Stored, func(old *Stored) bool { return old.Subject == m.Subject })
	}
	s.add(m)
	return map[string]any{"stream": stream.Name, "seq": m.Seq}
}

func (s *Server) add(m *Stored) {
	s.seq++
	m.Seq = s.seq
	s.Stored = append(s.Stored, m)
}

func (s *Server) Last(subject string) *Stored {
	for _, m := range slices.Backward(s.Stored) {
		if matches(subject, m.Subject) {
			return m
		}
	}
	return nil
}

// api answers a question or an order; of are the words behind $JS.API.
func (s *Server) api(of []string, data []byte) any {
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
		s.Streams[of[2]] = &q.StreamConfig
		return s.info(of[2], "")
	case "STREAM.INFO":
		return s.info(of[2], q.SubjectsFilter)
	case "STREAM.MSG":
		list := s.of(of[3])
		i := slices.IndexFunc(list, func(m *Stored) bool { return m.Seq >= q.Seq && (q.NextFor == "" || matches(q.NextFor, m.Subject)) })
		if q.LastFor != "" {
			for i = len(list) - 1; i >= 0 && list[i].Subject != q.LastFor; i-- {
			}
		}
		if of[2] == "DELETE" && (i < 0 || list[i].Seq != q.Seq || s.Kept[q.Seq]) {
			return failed(500, 10057)
		}
		if i < 0 || q.NextFor == "" && q.LastFor == "" && list[i].Seq != q.Seq {
			return failed(404, jetstream.JSErrCodeMessageNotFound)
		}
		if of[2] == "DELETE" {
			s.Stored = slices.DeleteFunc(s.Stored, func(m *Stored) bool { return m == list[i] })
			return map[string]any{"success": true}
		}
		return map[string]any{"message": map[string]any{"subject": list[i].Subject, "seq": list[i].Seq, "data": list[i].Data, "time": list[i].Time}}
	case "STREAM.PURGE":
		s.Stored = slices.DeleteFunc(s.Stored, func(m *Stored) bool { return matches(q.Filter, m.Subject) })
		return map[string]any{"success": true}
	case "CONSUMER.CREATE", "CONSUMER.DURABLE":
		s.Consumers[of[2]+"."+of[3]] = q.Config
		return s.consumer(of[2], of[3])
	case "CONSUMER.INFO":
		return s.consumer(of[2], of[3])
	case "CONSUMER.RESET":
		s.Resets = append(s.Resets, fmt.Sprintf("%s.%s to %d", of[2], of[3], q.Seq))
		return s.consumer(of[2], of[3])
	}
	return failed(404, 10025)
}

func (s *Server) info(stream, filter string) any {
	config := s.Streams[stream]
	if config == nil {
		return failed(404, jetstream.JSErrCodeStreamNotFound)
	}
	subjects := map[string]int{}
	for _, m := range s.of(stream) {
		if filter != "" && matches(filter, m.Subject) {
			subjects[m.Subject]++
		}
	}
	info := map[string]any{"config": config, "state": map[string]any{"bytes": s.Size, "subjects": subjects}, "total": len(subjects), "limit": 100_000}
	if s.Leader != "" {
		leader := strings.TrimPrefix(s.Leader, "none")
		info["cluster"] = map[string]any{"name": "c", "leader": leader, "replicas": []any{map[string]any{"name": "other", "current": true, "offline": s.Offline, "active": 1}}}
	}
	return info
}

func (s *Server) consumer(stream, name string) any {
	config := s.Consumers[stream+"."+name]
	if config == nil {
		return failed(404, jetstream.JSErrCodeConsumerNotFound)
	}
	pending, given := 0, 0
	for _, m := range s.of(stream) {
		switch {
		case !matches(config.FilterSubject, m.Subject) || s.Lost[m.Subject]:
		case !m.free():
			given++
		default:
			pending++
		}
	}
	return map[string]any{"stream_name": stream, "name": name, "config": config, "num_pending": pending, "num_ack_pending": given}
}

// give gives a consumer what there is for it, and says that there is no more.
func (s *Server) give(of []string, data []byte, reply string, send sender) {
	var q struct{ Batch int }
	_ = json.Unmarshal(data, &q)
	config := s.Consumers[of[0]+"."+of[1]]
	for _, m := range s.of(of[0]) {
		if config == nil || q.Batch == 0 {
			break
		}
		if !m.free() || !matches(config.FilterSubject, m.Subject) || s.Lost[m.Subject] {
			continue
		}
		q.Batch--
		m.given, m.again = true, time.Time{}
		ack := fmt.Sprintf("$JS.ACK.%s.%s.1.%d.%d.%d.0", of[0], of[1], m.Seq, m.Seq, m.Time.UnixNano())
		send(reply, m.Subject, ack, "", m.Data)
	}
	send(reply, reply, "", "NATS/1.0 408 Request Timeout\r\n\r\n", nil)
}
