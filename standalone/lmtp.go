package standalone

import (
	"context"
	"io"
	"net"
	"net/netip"

	"github.com/emersion/go-smtp"

	"smtpreceiver/core/reply"
)

// lmtpListener is one whose clients speak LMTP.
type lmtpListener struct{ net.Listener }

// LMTP makes l a listener for LMTP (RFC 2033), by which a mail server hands in
// the fax and SMS of its users and gets a reply for each recipient. Nothing is
// forwarded there. A client at a Unix socket counts as localhost: who may open
// it, its mode and group say.
func LMTP(l net.Listener) net.Listener { return lmtpListener{l} }

// isLocal tells a listener that only processes of this host reach.
func isLocal(l net.Listener) bool { return l.Addr().Network() == "unix" }

var localhost = netip.AddrFrom4([4]byte{127, 0, 0, 1})

var errUnknownUser = &reply.Reply{Code: 550, Enhanced: [3]int{5, 1, 1}, Text: "No application takes this recipient", Reason: reply.ReasonRelay}

// accepted is a recipient that was answered 250: as go-smtp knows it, and the
// place of its job.
type accepted struct {
	to  string
	job int
}

var _ smtp.LMTPSession = (*session)(nil)

// LMTPData takes the message: one reply for each recipient, which names its
// job. All jobs become visible or none, so a failure is everybody's; what fails
// for one recipient alone has failed at RCPT.
func (s *session) LMTPData(r io.Reader, status smtp.StatusCollector) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.data(context.Background(), r); err != nil {
		// Of a chunk that is not read to its end, go-smtp would tell all
		// recipients in one reply, and the client would wait for the others
		// (RFC 2033 section 4.3).
		io.Copy(io.Discard, r)
		return err
	}
	jobs := s.trx.Jobs()
	for _, a := range s.accepted {
		status.SetStatus(a.to, queued(jobs[a.job:a.job+1]))
	}
	return nil
}
