// Package webservice hands jobs to web services: what of a job goes where into a
// request, and what the answer means.
package webservice

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"smtpreceiver/core/config"
	"smtpreceiver/core/consume"
	"smtpreceiver/core/consume/targets/fields"
)

const (
	maxAnswer   = 64 << 10 // bytes that are read of an answer
	connectTime = 30 * time.Second
	// repeatable is how long a service is trusted to know a job by its
	// idempotency_header; most forget after a day.
	repeatable    = 23 * time.Hour
	maxRetryAfter = 24 * time.Hour
)

// HTTP hands jobs to a web service, one request each, on a connection of its own:
// of one that was open already nobody could tell whether the service has still
// read from it.
type HTTP struct {
	request request
	success *regexp.Regexp // what an answer of 2xx holds
	client  *http.Client

	mu     sync.Mutex
	asleep time.Time // before that the service wants no request
}

// New checks the keys of a section with target http; the error is config.Problems of
// them, without the name of the section.
func New(c *config.Consumer, app *config.Application) (*HTTP, error) {
	r, problems := newRequest(c, app)
	h := &HTTP{request: r}
	var err error
	if h.success, err = regexp.Compile(c.Success); err != nil {
		problems.Add("success", err.Error(), "")
	}
	transport, refused, err := newTransport(c)
	if err != nil {
		problems.Add(refused, err.Error(), "")
	}
	h.client = &http.Client{
		Transport: transport,
		// Behind a redirect another service could be, and a POST would become a GET.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return h, problems.Err()
}

// newTransport is the way to the service. refused is the key of the error.
func newTransport(c *config.Consumer) (t *http.Transport, refused string, err error) {
	t = &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: connectTime}).DialContext,
		TLSHandshakeTimeout: connectTime, MaxResponseHeaderBytes: maxAnswer, DisableKeepAlives: true, DisableCompression: true, ForceAttemptHTTP2: true,
	}
	if c.Proxy != "" {
		if u, err := url.Parse(variable.ReplaceAllString(c.Proxy, "x")); err != nil || u.Host == "" {
			return t, "proxy", errors.New("it is no address: write it as http://proxy.example.com:3128")
		}
		t.Proxy = func(*http.Request) (*url.URL, error) {
			u, err := url.Parse(fromEnvironment(c.Proxy))
			return u, plainURL(err)
		}
	}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return t, "ca_file", err
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return t, "ca_file", fmt.Errorf("%s holds no certificate in PEM", c.CAFile)
		}
		t.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	return t, "", nil
}

// Unset are the environment variables that a request needs and that are not set.
func (h *HTTP) Unset() []string { return h.request.unset() }

// Prepare implements consume.Target: it finds out whether there can be a request.
func (h *HTTP) Prepare(ctx context.Context, j *consume.Job) (note string, err error) {
	h.mu.Lock()
	wait := time.Until(h.asleep)
	h.mu.Unlock()
	if wait > 0 {
		return "", consume.After(wait, errors.New("the service asked for a pause (Retry-After)"))
	}
	req, err := h.request.make(ctx, j)
	if err != nil {
		return "", err
	}
	return "", req.Body.Close()
}

// Submit implements consume.Target.
func (h *HTTP) Submit(ctx context.Context, j *consume.Job) error {
	connected := false
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected = true }})
	req, err := h.request.make(traced, j)
	if err != nil {
		return err
	}
	answer, err := h.client.Do(req)
	if err != nil {
		return h.unanswered(req, connected, cmp.Or(context.Cause(ctx), err))
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	return h.judge(req, answer, string(said), err)
}

// unanswered is what became of a request without an answer. From the connection on
// the service may have it.
func (h *HTTP) unanswered(req *http.Request, connected bool, err error) error {
	err = h.request.hidden(fmt.Errorf("%s %s: %w", req.Method, origin(req.URL), plainURL(err)))
	if connected {
		return consume.Uncertain(err)
	}
	return err
}

// judge reads an answer: 2xx is done, if its body has what success asks for; a
// server that is busy or down is asked again, and so is one that points elsewhere,
// until the administrator has changed url; anything else is refused.
func (h *HTTP) judge(req *http.Request, answer *http.Response, said string, unread error) error {
	status := answer.StatusCode
	fault := func(format string, args ...any) error {
		text := fmt.Sprintf("%s %s: %s", req.Method, origin(req.URL), answer.Status)
		if words := fields.LastWords(h.request.plain(said)); words != "" {
			text += ": it says: " + words
		}
		return h.request.hidden(errors.New(text + fmt.Sprintf(format, args...)))
	}
	switch {
	case status/100 == 2 && h.success.MatchString(said):
		return nil
	case status/100 == 2 && unread != nil:
		return h.unanswered(req, true, fmt.Errorf("the answer broke off: %w", unread))
	case status/100 == 2:
		return consume.Permanent(fault(" (success does not match)"))
	case status/100 == 3:
		return fault(" (it points to %s: change url, if that is right)", place(answer))
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status == http.StatusTooManyRequests, status/100 == 5:
		return h.pause(answer.Header.Get("Retry-After"), fault(""))
	case status == http.StatusConflict && h.request.idempotencyHeader != "": // it is still at the request before
		return h.pause(answer.Header.Get("Retry-After"), fault(""))
	}
	return consume.Permanent(fault(""))
}

// pause heeds Retry-After (RFC 9110, 10.2.3), for all jobs.
func (h *HTTP) pause(retryAfter string, err error) error {
	wait := time.Duration(0)
	if seconds, bad := strconv.ParseUint(retryAfter, 10, 31); bad == nil {
		wait = time.Duration(seconds) * time.Second
	} else if at, bad := http.ParseTime(retryAfter); bad == nil {
		wait = time.Until(at)
	}
	if wait = min(wait, maxRetryAfter); wait <= 0 {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if until := time.Now().Add(wait); until.After(h.asleep) {
		h.asleep = until
	}
	return consume.After(wait, err)
}

// Has implements consume.Target: no service can be asked, but some know what they
// have got already.
func (h *HTTP) Has(_ context.Context, j *consume.Job) (consume.Answer, error) {
	if h.request.idempotencyHeader != "" && time.Since(j.Begun) < repeatable {
		return consume.Recognizes, nil
	}
	return consume.Unknown, nil
}

// origin is as much of an address as may be logged: a path or a query may hold
// passwords.
func origin(u *url.URL) string { return u.Scheme + "://" + u.Host }

func place(answer *http.Response) string {
	to, err := answer.Location()
	if err != nil {
		return "nowhere"
	}
	return origin(to)
}

// plainURL takes the address off an error of net/http, which repeats it whole.
func plainURL(err error) error {
	var with *url.Error
	if errors.As(err, &with) {
		return with.Err
	}
	return err
}

// hidden takes the values of environment variables out of an error: a service may
// repeat what it was sent.
func (r *request) hidden(err error) error {
	if text := r.plain(err.Error()); text != err.Error() {
		return errors.New(text)
	}
	return err
}

// plain takes them out of a text, before it is cut: half a password is one for who
// chooses, by the length of a mail, where the half ends. Of an answer that was not read
// to its end the last may be half there.
func (r *request) plain(text string) string {
	secrets, whole := r.secrets(), len(text) < maxAnswer
	for _, secret := range secrets {
		text = strings.ReplaceAll(text, secret, "***")
	}
	if !whole && len(secrets) > 0 {
		text = text[:max(0, len(text)-len(secrets[0]))]
	}
	return text
}
