package report

import (
	"errors"
	"strings"
	"testing"

	"smtpreceiver/contrib/mtatest"
)

// TestRefusedByTLS: where a login by TLS is refused, the password is not sent once more
// without, and the error is the server's.
func TestRefusedByTLS(t *testing.T) {
	t.Parallel()
	cert, _, _, _ := mtatest.Certificate(t, "127.0.0.1")
	h := (&mtatest.NextHop{TLS: mtatest.ServerTLS(cert), Answers: mtatest.With("EHLO", "250-hop\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n", "STARTTLS", "220 go\r\n", "AUTH", "535 5.7.8 no\r\n")}).Start(t)
	_, err := Server{Addr: h.Addr, Host: "gw.test", TLS: opportunistic, Username: "user", Password: "secret"}.Open(t.Context())
	if err == nil || !strings.Contains(err.Error(), "535 5.7.8 no") || len(h.Lines("AUTH")) != 1 {
		t.Errorf("%v, heard %q", err, h.Lines(""))
	}
}

// TestLoginWanted: a server that wants TLS or a login first refuses no report; it is to be
// set up, and reports wait.
func TestLoginWanted(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"MAIL", "RCPT"} {
		h := (&mtatest.NextHop{Answers: mtatest.With(at, "530 5.7.0 Must issue a STARTTLS command first\r\n")}).Start(t)
		w, err := Server{Addr: h.Addr, Host: "gw.test"}.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		err = w.Send(t.Context(), "a@x.test", []byte(letter))
		if w.Close(); err == nil || errors.As(err, new(*RefusedError)) || !strings.Contains(err.Error(), "530 5.7.0 Must issue") {
			t.Errorf("%s: %v", at, err)
		}
	}
}
