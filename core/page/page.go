package page

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"smtpreceiver/core/config"
	"smtpreceiver/core/logging"
	"smtpreceiver/core/status"
)

const (
	lookEvery    = 5 * time.Second
	explainLimit = 5 * time.Second
	maxForm      = 64 << 10 // bytes
	maxAsked     = 20       // recipients
)

// Source is what the page shows.
type Source struct {
	Service, Version string
	Started          time.Time
	Settings         func() *config.Settings // those in force
	Alive, Ready     func(context.Context) error
	Errors           func() []logging.Event
	History          *History
	// Private: the listener is for this machine alone.
	Private bool
	// Explain says in words what would become of a mail; nil: the service takes none.
	Explain func(ctx context.Context, from string, rcpts []string, client netip.Addr) (string, error)
	Log     *slog.Logger
}

// Page serves the page.
type Page struct {
	Source
	http.Handler

	explaining sync.Mutex

	mu     sync.Mutex // guards what follows
	looked time.Time
	report *status.Report
	jobs   []job
}

// New makes the handler of "/", its style and its form.
func New(s Source) *Page {
	p := &Page{Source: s}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		v := p.overview(r.Context())
		v.Client = "127.0.0.1"
		p.render(w, v)
	})
	mux.HandleFunc("GET /style.css", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		w.Write(style)
	})
	if p.Private && p.Explain != nil {
		mux.HandleFunc("POST /{$}", p.explain)
	}
	// A page from elsewhere cannot have a browser ask.
	p.Handler = secured(http.NewCrossOriginProtection().Handler(mux))
	return p
}

// Private says whether only processes of this machine reach a listener at a.
func Private(a net.Addr) bool {
	if a.Network() == "unix" {
		return true
	}
	at, err := netip.ParseAddrPort(a.String())
	return err == nil && at.Addr().Unmap().IsLoopback()
}

// secured sets what keeps a browser from doing more than showing the page.
func secured(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range map[string]string{
			"Content-Security-Policy":      "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
			"X-Content-Type-Options":       "nosniff",
			"Referrer-Policy":              "no-referrer",
			"Cross-Origin-Resource-Policy": "same-origin",
			"Cross-Origin-Opener-Policy":   "same-origin",
			"Cache-Control":                "no-store",
		} {
			w.Header().Set(name, value)
		}
		h.ServeHTTP(w, r)
	})
}

//go:embed style.css
var style []byte

func (p *Page) render(w http.ResponseWriter, v *view) {
	var b bytes.Buffer
	if err := document(v).Render(&b); err != nil {
		p.Log.Error("page", "error", err.Error())
		http.Error(w, "the page cannot be shown, see the log", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write(b.Bytes())
}

// explain answers the form.
func (p *Page) explain(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "the form cannot be read", http.StatusBadRequest)
		return
	}
	v := p.overview(r.Context())
	v.Asked, v.From, v.To, v.Client = true, r.PostForm.Get("from"), r.PostForm.Get("to"), strings.TrimSpace(r.PostForm.Get("client"))
	if answer, err := p.ask(r.Context(), v); err != nil {
		v.Complaint = clean(err.Error(), 10*maxShown)
	} else {
		v.Answer = answer
	}
	p.render(w, v)
}

func (p *Page) ask(ctx context.Context, v *view) (string, error) {
	rcpts := strings.FieldsFunc(v.To, func(c rune) bool { return c == '\n' || c == '\r' })
	switch client, err := netip.ParseAddr(v.Client); {
	case err != nil:
		return "", errors.New("the client must be an IP address, such as 127.0.0.1")
	case len(rcpts) == 0:
		return "", errors.New("name a recipient")
	case len(rcpts) > maxAsked:
		return "", errors.New("name at most 20 recipients")
	case !p.explaining.TryLock():
		return "", errors.New("somebody else asks just now: try again")
	default:
		defer p.explaining.Unlock()
		ctx, cancel := context.WithTimeoutCause(ctx, explainLimit, errors.New("no answer within 5 s"))
		defer cancel()
		for i, rcpt := range rcpts {
			rcpts[i] = strings.TrimSpace(rcpt)
		}
		answer, err := p.Explain(ctx, strings.TrimSpace(v.From), rcpts, client.Unmap().WithZone(""))
		if cause := context.Cause(ctx); cause != nil {
			return "", cause
		}
		return answer, err
	}
}
