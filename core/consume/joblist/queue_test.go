package joblist

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"smtpreceiver/core/config"
	"smtpreceiver/core/queue"
	"smtpreceiver/core/queue/queuetest"
)

// queueSite is a machine with a queue on which consumers of fax and mail run; those of sms
// run elsewhere, and no one hands on the jobs of none.
type queueSite struct {
	*site
	server *queuetest.Server
	queue  *queue.Queue
	next   string // stem of the next job of the queue
}

func newQueueSite(t *testing.T) *queueSite {
	t.Helper()
	s := &queueSite{site: &site{dir: t.TempDir()}, server: queuetest.Start(t)}
	var err error
	if s.Settings, err = config.Parse("yaml", fmt.Appendf(nil, `
hostname: gw.example.com
instance: gw1
output_code_page: utf-8
queue: {servers: ['%s'], monitor: ['http://127.0.0.1:1'], unsynced: accept, replicas: 1}
applications:
  fax: {ctl_type: sms, addresses: x}
  mail: {ctl_type: sms, addresses: x}
  none: {ctl_type: sms, addresses: x}
  sms: {ctl_type: sms, addresses: x}
consume:
  all: {application: sms, target: command, command: [/bin/true], work_directory: '%[2]s/elsewhere'}
  line: {application: mail, target: command, command: [/bin/true], work_directory: '%[2]s'}
  modem: {application: fax, target: command, command: [/bin/true], work_directory: '%[2]s'}
  second: {application: mail, target: command, command: [/bin/true], work_directory: '%[2]s/elsewhere'}
  third: {application: mail, target: command, command: [/bin/true], work_directory: '%[2]s/elsewhere'}
`, s.server.Addr, s.dir), nil); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"line", "modem"} {
		if err := os.Mkdir(filepath.Join(s.dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	c := queue.ConfigOf(s.Settings, slog.New(slog.DiscardHandler))
	c.Instance, c.Owner, c.NextID = "gw1", "me", func() (string, string, error) { return s.next, s.next, nil }
	if s.queue, err = queue.Open(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.queue.Close() })
	return s
}

// controlOf is the CTL of a job whose text is named after it.
func controlOf(app, stem string) string {
	return strings.Replace(control(app, stem[len(stem)-1:]), "t.txt", stem+".txt", 1)
}

// bring puts a job into the queue, with what its journal says.
func (s *queueSite) bring(t *testing.T, app, stem string, e queue.Entry) {
	t.Helper()
	s.next = stem
	b := s.queue.NewBatch()
	j, err := b.NewJob(app)
	if err != nil {
		t.Fatal(err)
	}
	f, err := j.Create(stem + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(f, "text")
	if err := errors.Join(f.Close(), j.Control([]byte(controlOf(app, stem))), b.Stage(t.Context()), b.Commit(t.Context())); err != nil {
		t.Fatal(err)
	}
	if e.State != "" {
		if err := s.queue.Judge(t.Context(), s.found(t, app)[stem].Name(), e); err != nil {
			t.Fatal(err)
		}
	}
}

// found are the jobs of an application in the queue.
func (s *queueSite) found(t *testing.T, app string) map[string]*queue.Found {
	t.Helper()
	found := map[string]*queue.Found{}
	if err := s.queue.Each(t.Context(), app, func(f *queue.Found) error { found[f.Stem] = f; return nil }); err != nil {
		t.Fatal(err)
	}
	return found
}

// filledQueue is a site with jobs in the queue, and with some that were settled here.
func filledQueue(t *testing.T) *queueSite {
	t.Helper()
	s := newQueueSite(t)
	s.bring(t, "fax", "gw1-00000001", queue.Entry{})
	s.bring(t, "fax", "gw1-00000002", queue.Entry{State: queue.Begun, By: "x", Host: "gw2", Attempts: 1})
	s.bring(t, "fax", "gw1-00000003", queue.Entry{State: queue.Done, By: "x"})
	s.bring(t, "mail", "gw1-00000004", queue.Entry{State: queue.Waiting, By: "x", Host: "gw2", Attempts: 2, Reason: "busy"})
	s.bring(t, "sms", "gw1-00000005", queue.Entry{State: queue.Failed, By: "x"})
	s.bring(t, "none", "gw1-00000006", queue.Entry{})
	s.write(t, "modem/gw1-00000001.ctl", controlOf("fax", "gw1-00000001"), 0) // on its way from the queue
	s.write(t, "modem/.failed/gw1-00000007.ctl", controlOf("fax", "gw1-00000007"), time.Hour)
	s.write(t, "modem/.failed/gw1-00000007.err", "Job gw1-00000007 was not handed on.\nTries: 4\nWhy: no line\n", time.Hour)
	s.write(t, "modem/.failed/gw1-00000007.txt", "the text", time.Hour)
	s.write(t, "modem/.failed/gw1-00000007.report", "what its sender is told by", time.Hour)
	s.write(t, "line/.done/2026-11-28/gw1-00000008.ctl", controlOf("mail", "gw1-00000008"), time.Hour)
	return s
}

// TestEachQueued: a job that waits is listed from the queue alone, by filters as one in a
// folder is; one with a verdict there is none, and what was settled here lies here.
func TestEachQueued(t *testing.T) {
	t.Parallel()
	s := filledQueue(t)
	const fax, mail, none = "faxgw1-00000001 faxgw1-00000002", "mailgw1-00000004", "nonegw1-00000006"
	for _, c := range []struct {
		filter Filter
		want   string
	}{
		{Filter{}, fax + " faxgw1-00000007 " + mail + " mailgw1-00000008 " + none},
		{Filter{States: []string{"waiting"}}, fax + " " + mail + " " + none},
		{Filter{States: []string{"done", "waiting"}, App: "mail"}, mail + " mailgw1-00000008"},
		{Filter{States: []string{"failed", "held"}}, "faxgw1-00000007"},
		{Filter{App: "fax"}, fax + " faxgw1-00000007"},
		{Filter{App: "none"}, none},
		{Filter{App: "sms"}, ""},
		{Filter{IDs: []string{"gw1-00000002", "gw1-00000003", "gw1-00000008"}}, "faxgw1-00000002 mailgw1-00000008"},
		{Filter{Older: time.Minute}, "faxgw1-00000007 mailgw1-00000008"},
	} {
		ids, _ := listed(t, s.site, c.filter)
		if got := strings.Join(ids, " "); got != c.want {
			t.Errorf("%+v:\n got %s\nwant %s", c.filter, got, c.want)
		}
	}
	_, jobs := listed(t, s.site, Filter{})
	for id, want := range map[string]Job{
		"gw1-00000001": {State: "waiting", Consumer: "modem", Number: "1", Path: "queue " + s.Queue.Name},
		"gw1-00000002": {State: "waiting", Consumer: "modem", Number: "2", Path: "queue " + s.Queue.Name, Tries: 1, OnItsWay: true, By: "gw2"},
		"gw1-00000004": {State: "waiting", Consumer: "line", Number: "4", Path: "queue " + s.Queue.Name, Tries: 2, Reason: "busy"},
		"gw1-00000006": {State: "waiting", Number: "6", Path: "queue " + s.Queue.Name},
		"gw1-00000007": {State: "failed", Consumer: "modem", Number: "7", Path: filepath.Join(s.dir, "modem/.failed/gw1-00000007.ctl"), Tries: 4, Reason: "no line"},
		"gw1-00000008": {State: "done", Consumer: "line", Number: "8", Path: filepath.Join(s.dir, "line/.done/2026-11-28/gw1-00000008.ctl")},
	} {
		j := jobs[id]
		got := Job{State: j.State, Consumer: j.Consumer, Number: j.Number, Path: j.Path, Tries: j.Tries, Reason: j.Reason, OnItsWay: j.OnItsWay, By: j.By}
		if fmt.Sprint(got) != fmt.Sprint(want) || !strings.Contains(j.Text(), "number = "+want.Number) {
			t.Errorf("%s:\n got %+v\nwant %+v\nCTL %q", id, got, want, j.Text())
		}
	}
}

// TestReportsQueued: a job that lies in the queue has no folder to look into.
func TestReportsQueued(t *testing.T) {
	t.Parallel()
	s := filledQueue(t)
	_, jobs := listed(t, s.site, Filter{States: []string{"waiting"}})
	for id, j := range jobs {
		if err := j.AddReports(); err != nil || j.Reports != nil {
			t.Errorf("%s: %+v, %v", id, j.Reports, err)
		}
	}
}

// TestEachQueuedSilent: while most servers are down nobody answers. Whoever asks is told so
// soon, and can give up before.
func TestEachQueuedSilent(t *testing.T) {
	t.Parallel()
	s := filledQueue(t)
	s.server.Mu.Lock()
	s.server.Silent = func(subject string) bool { return strings.HasPrefix(subject, "$JS.API.CONSUMER.") }
	s.server.Mu.Unlock()
	gone, cancel := context.WithTimeoutCause(t.Context(), time.Second/10, errors.New("a signal"))
	defer cancel()
	for want, ctx := range map[string]context.Context{"the queue does not answer": t.Context(), "a signal": gone} {
		began := time.Now()
		err := Each(ctx, s.Settings, Filter{States: []string{"waiting"}}, func(*Job) error { t.Error("a job"); return nil })
		if err == nil || !strings.Contains(err.Error(), want) || time.Since(began) > queueTimeout/2 {
			t.Errorf("%v after %v, want %s", err, time.Since(began), want)
		}
	}
}

// TestEachQueuedErrors: what cannot be read is in the error, and the rest is listed.
func TestEachQueuedErrors(t *testing.T) {
	t.Parallel()
	s := filledQueue(t)
	errSee := errors.New("enough")
	each := func(what string, f Filter, see error, want string, jobs int) {
		t.Helper()
		n := 0
		err := Each(t.Context(), s.Settings, f, func(*Job) error { n++; return see })
		if err == nil || !strings.Contains(err.Error(), want) || n != jobs {
			t.Errorf("%s: %v, %d jobs; want %q, %d", what, err, n, want, jobs)
		}
	}
	each("the reader has enough", Filter{App: "fax", States: []string{"waiting"}}, errSee, "application fax: enough", 1)
	each("no such application", Filter{App: "other"}, nil, `no application "other"`, 0)
	s.server.Mu.Lock()
	for _, m := range s.server.Stored {
		if strings.Contains(string(m.Data), `"gw1-00000001"`) {
			m.Data = []byte("of another program")
		}
	}
	s.server.Mu.Unlock()
	each("a message that is no job", Filter{}, nil, "application fax: message ", 5)
	page := s.OutputCodePage
	s.OutputCodePage = "none"
	each("no such code page", Filter{}, nil, "applications.mail: ", 0) // of the first consumer, line
	if err := eachQueued(t.Context(), s.Settings, Filter{}, nil); err == nil || !strings.Contains(err.Error(), "applications.fax: ") {
		t.Errorf("no such code page: %v", err)
	}
	s.OutputCodePage, s.Queue.TLSCAFile = page, "none.pem"
	each("no way to the servers", Filter{}, nil, "none.pem", 2)
	_, jobs := listed(t, s.site, Filter{States: []string{"failed", "done"}}) // which asks no server
	if len(jobs) != 2 {
		t.Errorf("settled here: %v", jobs)
	}
	delete(s.Applications, "mail")
	if all, err := places(s.Settings); err != nil || len(all) != 1 || all[0].consumer != "modem" {
		t.Errorf("places without mail: %v, %v", all, err)
	}
}

// TestDropQueued: a job is dropped for good unless a consumer has begun it.
func TestDropQueued(t *testing.T) {
	t.Parallel()
	s := filledQueue(t)
	_, jobs := listed(t, s.site, Filter{States: []string{"waiting"}})
	for id, want := range map[string]string{"gw1-00000001": "", "gw1-00000004": "", "gw1-00000002": "is being handed over by gw2"} {
		if err := jobs[id].Retry(t.Context()); err == nil || !strings.Contains(err.Error(), "is in the queue, for the next consumer that is free") {
			t.Errorf("retry %s: %v", id, err)
		}
		if err := jobs[id].Drop(t.Context()); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("drop %s: %v, want %q", id, err, want)
		}
	}
	if ids, _ := listed(t, s.site, Filter{States: []string{"waiting"}}); strings.Join(ids, " ") != "faxgw1-00000002 nonegw1-00000006" {
		t.Errorf("left: %v", ids)
	}
	s.Queue.TLSCAFile = "none.pem"
	if err := jobs["gw1-00000006"].Drop(t.Context()); err == nil || !strings.Contains(err.Error(), "none.pem") {
		t.Errorf("without a way to the servers: %v", err)
	}
}

// TestRequeue: a job that failed here goes into the queue whole, and is here no longer; where
// it cannot, it stays as it was.
func TestRequeue(t *testing.T) {
	t.Parallel()
	full := &jetstream.APIError{Code: 503, ErrorCode: 10077, Description: "full"}
	files := map[string]string{"gw1-00000007.ctl": controlOf("fax", "gw1-00000007"), "gw1-00000007.report": "what its sender is told by", "gw1-00000007.txt": "the text"}
	for name, tt := range map[string]struct {
		before func(s *queueSite) error
		want   map[string]string
		err    string
	}{
		"whole":     {func(*queueSite) error { return nil }, files, ""},
		"no report": {func(s *queueSite) error { return os.Remove(filepath.Join(s.dir, "modem/.failed/gw1-00000007.report")) }, map[string]string{"gw1-00000007.ctl": files["gw1-00000007.ctl"], "gw1-00000007.txt": "the text"}, ""},
		"report is a directory": {func(s *queueSite) error {
			path := filepath.Join(s.dir, "modem/.failed/gw1-00000007.report")
			return errors.Join(os.Remove(path), os.Mkdir(path, 0o755))
		}, nil, "gw1-00000007.report"},
		"no way to the servers": {func(s *queueSite) error { s.Queue.TLSCAFile = "none.pem"; return nil }, nil, "none.pem"},
		"no text":               {func(s *queueSite) error { return os.Remove(filepath.Join(s.dir, "modem/.failed/gw1-00000007.txt")) }, nil, "gw1-00000007.txt"},
		"gone":                  {func(s *queueSite) error { return os.RemoveAll(filepath.Join(s.dir, "modem")) }, nil, "no such file"},
		"full": {func(s *queueSite) error {
			s.server.Mu.Lock()
			defer s.server.Mu.Unlock()
			s.server.Refuse = func(subject string) *jetstream.APIError {
				if strings.Contains(subject, ".job.") {
					return full
				}
				return nil
			}
			return nil
		}, nil, "full"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := filledQueue(t)
			_, jobs := listed(t, s.site, Filter{States: []string{"failed"}})
			if err := tt.before(s); err != nil {
				t.Fatal(err)
			}
			if err := jobs["gw1-00000007"].Retry(t.Context()); (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%v, want %q", err, tt.err)
			}
			_, err := os.Stat(filepath.Join(s.dir, "modem/.failed/gw1-00000007.ctl"))
			if gone := errors.Is(err, os.ErrNotExist); gone != (tt.err == "" || name == "gone") {
				t.Errorf("still here: %v", err)
			}
			got := map[string]string{}
			if j := s.found(t, "fax")["gw1-00000007"]; j != nil {
				for i, f := range j.Files {
					var b bytes.Buffer
					if err := s.queue.CopyFile(t.Context(), j.Job, i, &b); err != nil {
						t.Error(err)
					}
					got[f.Name] = b.String()
				}
			}
			if !maps.Equal(got, tt.want) {
				t.Errorf("in the queue: %q,\nwant %q", got, tt.want)
			}
			if left, err := os.ReadDir(filepath.Join(s.dir, "modem/.failed")); tt.err == "" && (err != nil || slices.ContainsFunc(left, func(e os.DirEntry) bool { return !strings.HasPrefix(e.Name(), ".") })) {
				t.Errorf("left here: %v, %v", left, err)
			}
		})
	}
}
