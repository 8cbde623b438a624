package forward

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/reply"
)

// testCertificate is for gw.test and 127.0.0.1.
func testCertificate(t testing.TB) (tls.Certificate, *x509.CertPool) {
	once.Do(func() { certificate, pool, _, _ = mtatest.Certificate(t, "gw.test", "127.0.0.1") })
	return certificate, pool
}

var (
	once        sync.Once
	certificate tls.Certificate
	pool        *x509.CertPool
)

func forwardTo(t testing.TB, servers ...string) *Forwarder {
	_, roots := testCertificate(t)
	f := New(Options{Servers: servers, TLS: plain}, "gw.test", 10*time.Second)
	if f == nil {
		f = &Forwarder{}
	}
	f.roots = roots
	return f
}

func relayOf(t *testing.T, h *mtatest.NextHop) *Relay {
	t.Helper()
	r, err := forwardTo(t, h.Addr).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Abandon)
	return r
}

// sent is what the client of a session gets for err.
func sent(err error) string {
	var answer *reply.Reply
	switch {
	case err == nil:
		return ""
	case !errors.As(err, &answer):
		return "not a reply: " + err.Error()
	}
	return replyLine(answer)
}

func replyLine(r *reply.Reply) string {
	b := []byte("000 0.0.0 ")
	for i, n := range []int{r.Code / 100, r.Code / 10 % 10, r.Code % 10} {
		b[i] += byte(n)
	}
	for i, n := range r.Enhanced {
		b[4+2*i] += byte(n)
	}
	return string(b) + r.Text
}

// message sends one message and returns the reply to the client.
func message(t *testing.T, r *Relay, text string) string {
	t.Helper()
	if err := r.Mail("a@x.test", smtp.MailOptions{}); err != nil {
		return sent(err)
	}
	if err := r.Rcpt("b@y.test", smtp.RcptOptions{}); err != nil {
		return sent(err)
	}
	w, err := r.Data()
	if err != nil {
		return sent(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		return sent(err)
	}
	reply, err := w.Close()
	if err != nil {
		return sent(err)
	}
	return replyLine(reply)
}
