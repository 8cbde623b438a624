package monitor

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/net/netutil"

	"smtpreceiver/core/logging"
)

// Bounds: those who ask are few, and on our side.
const (
	maxConnections = 32
	maxRequests    = 8 // at once; one more gets 503
	maxHeader      = 8 << 10
	readTimeout    = 5 * time.Second
	requestTimeout = 15 * time.Second
	idleTimeout    = 2 * time.Minute
)

// Source is what is shown.
type Source struct {
	Metrics prometheus.Gatherer
	Alive   func(context.Context) error // the service does what it is there for
	Ready   func(context.Context) error // and everything around it allows that
	Errors  func() []logging.Event
	Hosts   []string     // names this machine is asked by, besides localhost and IP addresses
	Page    http.Handler // for people; nil: none
}

// Server serves one listener.
type Server struct {
	http   *http.Server
	served chan struct{}
}

// Serve answers requests on l until Close.
func Serve(l net.Listener, s Source, log *slog.Logger) *Server {
	v := &Server{served: make(chan struct{}), http: &http.Server{
		Handler:     s.handler(log),
		ReadTimeout: readTimeout, WriteTimeout: requestTimeout + readTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelInfo),
	}}
	go func() {
		defer close(v.served)
		if err := v.http.Serve(netutil.LimitListener(l, maxConnections)); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics are no longer served", "listener", l.Addr().String(), "error", err.Error())
		}
	}()
	return v
}

// Close ends the listener and all requests.
func (v *Server) Close() error {
	err := v.http.Close()
	<-v.served
	return err
}

func (s Source) handler(log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	own := ownHost(s.Hosts)
	mux.Handle("GET /metrics", own(promhttp.HandlerFor(s.Metrics, promhttp.HandlerOpts{ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelError), ErrorHandling: promhttp.ContinueOnError})))
	mux.HandleFunc("GET /healthz", state(s.Alive))
	mux.HandleFunc("GET /readyz", state(s.Ready))
	mux.Handle("GET /errors", own(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(s.Errors()) // fails for a client that is gone
	})))
	if s.Page != nil {
		mux.Handle("/", own(s.Page))
	}
	return bounded(http.TimeoutHandler(mux, requestTimeout, "timeout\n"))
}

// state answers with what check says.
func state(check func(context.Context) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if err := check(r.Context()); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			io.WriteString(w, err.Error()+"\n")
			return
		}
		io.WriteString(w, "ok\n")
	}
}

// bounded lets maxRequests in at once.
func bounded(h http.Handler) http.Handler {
	places := make(chan struct{}, maxRequests)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
			h.ServeHTTP(w, r)
		default:
			http.Error(w, "too many requests at once", http.StatusServiceUnavailable)
		}
	})
}
