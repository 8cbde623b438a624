package milter

import (
	"fmt"
	"net"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/d--j/go-milter"

	"smtpreceiver/core"
	"smtpreceiver/core/metrics"
	"smtpreceiver/core/reply"
)

// session is one milter connection: one SMTP session of the MTA, with any
// number of messages. Its callbacks run one after another.
type session struct {
	server *Server
	client core.Client

	trx     *core.Transaction // nil: no message is going on, for which Shutdown would wait
	delete  []string          // recipients to take out of the envelope, as typed
	failed  error             // what the end of the message is answered with
	awaited bool              // DATA has come, with a recipient of ours, and nothing of the message yet
}

var _ milter.Milter = (*session)(nil)

func (s *session) NewConnection(milter.Modifier) error {
	s.reset()
	s.client = core.Client{Frontend: metrics.Milter, Session: core.NewSessionID()}
	return nil
}

// Connect keeps the client's address. Mail of the sendmail command comes from
// localhost with port 0 (Postfix's cleanup(8)) and counts as local.
func (s *session) Connect(host, _ string, port uint16, addr string, _ milter.Modifier) (*milter.Response, error) {
	a, err := netip.ParseAddr(addr)
	if err == nil {
		s.client.Addr = a.Unmap().WithZone("")
	}
	s.client.Local = host == "localhost" && port == 0 && s.client.Addr.IsLoopback()
	return milter.RespContinue, nil
}

func (s *session) Helo(string, milter.Modifier) (*milter.Response, error) {
	return milter.RespContinue, nil
}

// MailFrom begins a transaction. No reply is sent here, so an error waits for
// the first recipient that is ours. A server that is going down hangs up
// between two messages: to the MTA that is a milter that is not there.
func (s *session) MailFrom(from, args string, m milter.Modifier) (resp *milter.Response, _ error) {
	defer s.recovered(&resp)
	s.reset()
	client := s.client
	client.User = m.Get(milter.MacroAuthAuthen)
	trx := s.server.receiver.Begin(client)
	if !s.server.begin() {
		return nil, net.ErrClosed
	}
	s.trx = trx
	s.trx.Sender(from, core.Envelope{EnvID: parameter(args, "ENVID"), Return: strings.ToUpper(parameter(args, "RET"))})
	return milter.RespContinue, nil
}

// RcptTo decides one recipient. A recipient handed in by the sendmail command
// cannot be refused by itself (Postfix would keep the mail and retry for
// days): the refusal waits for the end of the message and becomes a bounce.
func (s *session) RcptTo(to, args string, m milter.Modifier) (resp *milter.Response, _ error) {
	defer s.recovered(&resp)
	if s.trx == nil {
		return s.outOfOrder("RCPT"), nil
	}
	s.trx.SetQueueID(m.Get(milter.MacroQueueId))
	ctx := s.server.ctx
	rcpt, err := s.trx.Recipient(ctx, to, core.RecipientOptions{Notify: strings.ToUpper(parameter(args, "NOTIFY")), Original: parameter(args, "ORCPT")})
	switch {
	case err != nil:
		s.trx.Refused(ctx, to, err)
		if !s.client.Local {
			return response(err), nil
		}
		if s.failed == nil {
			s.failed = err
		}
	case rcpt.Verdict == core.Divert:
		s.delete = append(s.delete, rcpt.Typed)
	}
	return milter.RespContinue, nil
}

// Data lets mail go that has nothing for us: no header or body of it follows.
func (s *session) Data(m milter.Modifier) (resp *milter.Response, _ error) {
	defer s.recovered(&resp)
	switch {
	case s.trx == nil:
		return s.outOfOrder("DATA"), nil
	case !s.trx.Diverting() && s.failed == nil:
		s.trx.Answered(nil)
		s.reset()
		return milter.RespAccept, nil
	}
	s.trx.SetQueueID(m.Get(milter.MacroQueueId))
	s.awaited = s.trx.Diverting()
	return milter.RespContinue, nil
}

// Header rebuilds a field as the client sent it: MTAs hand over folds as LF.
// Sendmail shows Bcc, which it removes later, and which no fax may show.
func (s *session) Header(name, value string, _ milter.Modifier) (resp *milter.Response, _ error) {
	defer s.recovered(&resp)
	if field := strings.TrimSpace(name); strings.EqualFold(field, "Bcc") || strings.EqualFold(field, "Resent-Bcc") {
		return milter.RespContinue, nil
	}
	value = strings.ReplaceAll(value, "\r\n", "\n")
	s.write([]byte(name + ":" + strings.ReplaceAll(value, "\n", "\r\n") + "\r\n"))
	return milter.RespContinue, nil
}

// Headers ends the header. Whether the client ended it with an empty line when
// no body follows is not to be known here; the line is always written.
func (s *session) Headers(milter.Modifier) (resp *milter.Response, _ error) {
	defer s.recovered(&resp)
	s.write([]byte("\r\n"))
	return milter.RespContinue, nil
}

func (s *session) BodyChunk(chunk []byte, _ milter.Modifier) (resp *milter.Response, _ error) {
	defer s.recovered(&resp)
	s.write(chunk)
	return milter.RespContinue, nil
}

// write adds to the message. These events have no reply, so the first error
// is answered at the end of the message.
func (s *session) write(p []byte) {
	s.awaited = false
	if s.trx == nil || s.failed != nil {
		return
	}
	if _, err := s.trx.Write(p); err != nil {
		s.failed = err
		s.trx.Refused(s.server.ctx, "", err)
		s.trx.Abort()
	}
}

func (s *session) Abort(milter.Modifier) error {
	s.reset()
	return nil
}

func (s *session) Unknown(string, milter.Modifier) (*milter.Response, error) {
	return milter.RespContinue, nil
}

func (s *session) Cleanup(milter.Modifier) { s.reset() }

// reset ends the message: what is not committed is thrown away.
func (s *session) reset() {
	if s.awaited {
		s.server.log.Warn("recipients of ours passed RCPT and DATA, and the message never came: the client hung up, or the MTA hands it on without us (Postfix: smtpd_proxy_filter and smtpd_milters on one smtpd; set smtpd_milters behind the filter)",
			"session", s.client.Session, "client", s.client.Addr.String(), "rcpt", s.delete)
	}
	trx := s.trx
	s.trx, s.delete, s.failed, s.awaited = nil, nil, nil, false
	if trx != nil {
		defer s.server.running.Done()
		defer s.recovered(nil)
		trx.Abort()
	}
}

// recovered turns a panic in a callback into a tempfail of this message; resp is nil
// where the message is over.
func (s *session) recovered(resp **milter.Response) {
	if p := recover(); p != nil {
		if failed := s.panicked(p); resp != nil {
			s.failed, *resp = failed, milter.RespTempFail
		}
	}
}

func (s *session) panicked(p any) error {
	s.server.log.Error("panic, message not taken",
		"session", s.client.Session, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	return fmt.Errorf("panic: %v", p)
}

// outOfOrder answers an event that belongs to no message. What was missed may
// have been for us, so the mail must not go on.
func (s *session) outOfOrder(event string) *milter.Response {
	s.server.log.Warn("event of the MTA without MAIL before it", "session", s.client.Session, "event", event)
	return milter.RespTempFail
}

// response is the reply of err as the library sends it.
func response(err error) *milter.Response {
	r := reply.Of(err)
	resp, err := milter.RejectWithCodeAndReason(uint16(r.Code), r.Status()+" "+r.Text)
	switch {
	case err == nil:
		return resp
	case r.Temporary():
		return milter.RespTempFail
	}
	return milter.RespReject
}

// parameter is the value of one ESMTP argument, xtext decoded.
func parameter(args, name string) string {
	for arg := range strings.FieldsSeq(args) {
		key, value, _ := strings.Cut(arg, "=")
		if strings.EqualFold(key, name) {
			return decodeXtext(value)
		}
	}
	return ""
}

// decodeXtext decodes the xtext of RFC 3461 section 4; what is not well formed
// stays as it is.
func decodeXtext(s string) string {
	if !strings.Contains(s, "+") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '+' && i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
