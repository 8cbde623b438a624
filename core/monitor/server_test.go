package monitor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"go.uber.org/goleak"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/logging"
)

// served is a Source on a loopback port.
func served(t *testing.T, s Source) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if s.Metrics == nil {
		s.Metrics = prometheus.NewRegistry()
	}
	v := Serve(l, s, slog.New(slog.DiscardHandler))
	t.Cleanup(func() {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

func fine(context.Context) error { return nil }

// TestListenerFails: that nobody can look any more is in the log, once; an end that was
// asked for is not.
func TestListenerFails(t *testing.T) {
	t.Parallel()
	for _, fails := range []bool{true, false} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var log strings.Builder
		v := Serve(l, Source{Metrics: prometheus.NewRegistry(), Alive: fine, Ready: fine}, slog.New(slog.NewTextHandler(&log, nil)))
		if fails {
			l.Close()
			mtatest.Receive(t, "the end", v.served)
		}
		if err := v.Close(); err != nil && !fails {
			t.Error(err)
		}
		if got := strings.Contains(log.String(), "level=ERROR msg=\"metrics are no longer served\" listener="+l.Addr().String()); got != fails || strings.Count(log.String(), "\n") > 1 {
			t.Errorf("fails %t, log:\n%s", fails, &log)
		}
	}
}

func TestLook(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	c := promauto.With(registry).NewCounterVec(prometheus.CounterOpts{Name: "x_total"}, []string{"a", "b"})
	c.WithLabelValues("1", "1").Add(1)
	c.WithLabelValues("1", "2").Add(2)
	c.WithLabelValues("2", "2").Add(4)
	g := promauto.With(registry).NewGaugeVec(prometheus.GaugeOpts{Name: "z"}, []string{"a"})
	g.WithLabelValues("1").Set(8)
	g.WithLabelValues("2").Set(16)
	promauto.With(registry).NewGauge(prometheus.GaugeOpts{Name: "one"})
	event := logging.Event{Time: time.Unix(1, 0).UTC(), Level: "E", Line: "<b> \x1b"}
	addr := served(t, Source{
		Metrics: registry, Alive: fine,
		Ready:  func(context.Context) error { return errors.Join(errors.New("one"), errors.New("two")) },
		Errors: func() []logging.Event { return []logging.Event{event} },
	})
	v, err := Look(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if v.Alive != nil || v.Ready == nil || v.Ready.Error() != "one\ntwo" || len(v.Errors) != 1 || v.Errors[0] != event {
		t.Errorf("%+v", v)
	}
	if got := fmt.Sprint(v.Sum("x_total"), v.Sum("x_total", "a", "1"), v.Sum("x_total", "a", "1", "b", "2"), v.Sum("y_total"), v.By("x_total", "b"), v.Sum("z"), v.By("z", "a")); got != "7 3 2 0 map[1:1 2:6] 24 map[1:8 2:16]" {
		t.Error(got)
	}
	if !v.Has("one") || v.Has("y_total") {
		t.Errorf("it has one: %t, and y_total: %t", v.Has("one"), v.Has("y_total"))
	}
	if _, err := Look(t.Context(), "unix", t.TempDir()+"/none"); !errors.Is(err, ErrDown) {
		t.Errorf("nobody there: %v", err)
	}
}

// TestLookAtAnother: whatever listens there, the answer is an error.
func TestLookAtAnother(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{"220 mail ESMTP\r\n", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{}{}", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, answer)
			c.Close()
		}()
		if _, err := Look(t.Context(), "tcp", l.Addr().String()); err == nil || errors.Is(err, ErrDown) {
			t.Errorf("%q: %v", answer, err)
		}
		l.Close()
	}
}

// TestLookSeesOneBadAnswer: what cannot be read is an error that names its path,
// though all other answers are good.
func TestLookSeesOneBadAnswer(t *testing.T) {
	t.Parallel()
	good := map[string]string{"/metrics": "x 1\n", "/healthz": "ok\n", "/readyz": "ok\n", "/errors": "[]"}
	look := func(bad string, answer http.HandlerFunc) error {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !r.Close {
				t.Errorf("%s: the connection stays open", r.URL.Path)
			}
			if r.URL.Path == bad {
				answer(w, r)
				return
			}
			io.WriteString(w, good[r.URL.Path])
		}))
		defer s.Close()
		_, err := Look(t.Context(), "tcp", s.Listener.Addr().String())
		return err
	}
	if err := look("", nil); err != nil {
		t.Fatal(err)
	}
	says := func(status int, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status); io.WriteString(w, text) }
	}
	closes := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	for _, c := range []struct {
		path   string
		answer http.HandlerFunc
		want   string
	}{
		{"/metrics", says(200, "{}{}"), "/metrics: "},
		{"/metrics", says(503, "busy"), "/metrics: status 503: busy"},
		{"/metrics", closes, "/metrics\": EOF"},
		{"/healthz", closes, "/healthz\": EOF"},
		{"/readyz", closes, "/readyz\": EOF"},
		{"/errors", closes, "/errors\": EOF"},
		{"/errors", says(503, "busy"), "/errors: status 503: busy"},
		{"/errors", says(200, "x"), "/errors: invalid character"},
	} {
		if err := look(c.path, c.answer); err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, ErrDown) {
			t.Errorf("%s: %v, want %q", c.path, err, c.want)
		}
	}
}

// TestTypes: no text from a mail is taken for a page by a browser.
func TestTypes(t *testing.T) {
	t.Parallel()
	addr := served(t, Source{
		Alive: fine, Ready: func(context.Context) error { return errors.New("<html><script>") },
		Errors: func() []logging.Event { return nil },
	})
	for path, want := range map[string]string{"/healthz": "text/plain; charset=utf-8", "/readyz": "text/plain; charset=utf-8", "/errors": "application/json"} {
		a, err := http.Get("http://" + addr + path)
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
		if got := a.Header.Get("Content-Type"); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

// TestLateAnswerIsHeard: an answer that takes all its time still arrives.
func TestLateAnswerIsHeard(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	v := Serve(l, Source{Metrics: prometheus.NewRegistry()}, slog.New(slog.DiscardHandler))
	defer v.Close()
	for who, waits := range map[string]time.Duration{"the server": v.http.WriteTimeout, "the client": askTimeout} {
		if waits < requestTimeout+time.Second {
			t.Errorf("%s waits for %v, the answer may take %v", who, waits, requestTimeout)
		}
	}
}

// TestBounds: what is more, longer or slower than those who ask is refused, and
// nobody else suffers.
func TestBounds(t *testing.T) {
	t.Parallel()
	asked, answer := make(chan struct{}, 2*maxRequests), make(chan struct{})
	addr := served(t, Source{Ready: func(context.Context) error {
		asked <- struct{}{}
		<-answer
		return nil
	}, Alive: fine})
	get := func(path string, header string) int {
		r, err := http.NewRequest(http.MethodGet, "http://"+addr+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X", header)
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
		return a.StatusCode
	}
	var all sync.WaitGroup
	for range maxRequests {
		all.Go(func() {
			if code := get("/readyz", ""); code != http.StatusOK {
				t.Errorf("status %d", code)
			}
		})
	}
	for range maxRequests {
		mtatest.Receive(t, "a request", asked)
	}
	if code := get("/healthz", ""); code != http.StatusServiceUnavailable {
		t.Errorf("one request too many: %d", code)
	}
	close(answer)
	mtatest.Finish(t, "all answers", &all)
	if code := get("/healthz", strings.Repeat("x", 64<<10)); code != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a long header: %d", code)
	}
	for path, want := range map[string]int{"/healthz": 200, "/": 404, "/debug/pprof/": 404} {
		if code := get(path, ""); code != want {
			t.Errorf("%s: %d, want %d", path, code, want)
		}
	}
	if a, err := http.Post("http://"+addr+"/metrics", "text/plain", strings.NewReader("x")); err != nil || a.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %v, %v", a, err)
	}
	slow, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	io.WriteString(slow, "GET /healthz HTTP/1.1\r\nX: ")
	slow.SetReadDeadline(time.Now().Add(time.Minute))
	if line, err := bufio.NewReader(slow).ReadString('\n'); err == nil && !strings.Contains(line, "408") {
		t.Errorf("a slow header: %q", line)
	}
	var timeout net.Error
	if _, err := slow.Read(make([]byte, 1)); errors.As(err, &timeout) && timeout.Timeout() {
		t.Error("a slow header is waited for")
	}
}

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}
