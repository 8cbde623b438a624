//go:build linux

package soak

import (
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// service is a web service that jobs are handed to. Its mood changes. A request with an
// Idempotency-Key that it knows brings no job once more.
type service struct {
	addr string
	got  func(arrival) *message
	b    *books

	mood       atomic.Value
	server     *http.Server // nil: down
	under      atomic.Int64 // requests that it is at
	unanswered atomic.Int64 // those without a key that brought a job, and may have had no answer
	known      sync.Map
}

func (s *service) change(t *testing.T) {
	moods := []string{"well", "well", "down", "busy", "wants a pause", "silent", "breaks off"}
	s.be(t, moods[rand.IntN(len(moods))])
}

// be changes the mood; coming up after being down takes a new server.
func (s *service) be(t *testing.T, mood string) {
	s.mood.Store(mood)
	switch {
	case mood == "down" && s.server != nil:
		s.unanswered.Add(s.under.Load())
		s.server.Close()
		s.server = nil
	case mood != "down" && s.server == nil:
		var l net.Listener
		for end := time.Now().Add(patience); l == nil; time.Sleep(10 * time.Millisecond) { // the port may be in use for a moment
			var err error
			if l, err = net.Listen("tcp", s.addr); err != nil && time.Now().After(end) {
				t.Fatal(err)
			}
		}
		s.server = &http.Server{Handler: s, ErrorLog: log.New(io.Discard, "", 0)}
		go s.server.Serve(l)
	}
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.under.Add(1)
	defer s.under.Add(-1)
	mood := s.mood.Load()
	switch mood {
	case "busy":
		http.Error(w, "busy", http.StatusServiceUnavailable)
		return
	case "wants a pause":
		w.Header().Set("Retry-After", "1")
		http.Error(w, "slowly", http.StatusTooManyRequests)
		return
	}
	if err := r.ParseForm(); err != nil || r.PostForm.Get("key") == "" { // of a consumer that was killed
		http.Error(w, "no form", http.StatusBadRequest)
		return
	}
	key := r.Header.Get("Idempotency-Key")
	if _, known := s.known.LoadOrStore(key, true); !known || key == "" {
		stem := strings.TrimPrefix(r.PostForm.Get("key"), "smtpreceiver-")
		a := arrival{job: stem[:max(0, strings.LastIndexByte(stem, '-'))], rcpt: r.PostForm.Get("number") + "@" + r.PostForm.Get("app")}
		if s.got(a) == nil {
			s.b.fault("a service got job %q for %s, to whom nobody sent", a.job, a.rcpt)
		}
	}
	if key == "" && (mood == "silent" || mood == "breaks off") {
		s.unanswered.Add(1)
	}
	switch mood {
	case "silent":
		<-r.Context().Done()
	case "breaks off":
		panic(http.ErrAbortHandler)
	}
}
