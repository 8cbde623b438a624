package standalone

import (
	"errors"
	"log/slog"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"smtpreceiver/core/reply"
)

// Auth is how clients may authenticate; whether they can, the receiver knows.
type Auth struct {
	AllowPlaintext bool // offer it without TLS too
}

var _ smtp.AuthSession = (*session)(nil)

// Refusals of AUTH (RFC 4954 sections 4 and 6).
var (
	errNoAuth        = &reply.Reply{Code: 502, Enhanced: [3]int{5, 5, 1}, Text: "Authentication is not available", Reason: reply.ReasonAuth}
	errAuthClear     = &reply.Reply{Code: 538, Enhanced: [3]int{5, 7, 11}, Text: "Encryption required for authentication", Reason: reply.ReasonAuth}
	errAuthMechanism = &reply.Reply{Code: 504, Enhanced: [3]int{5, 5, 4}, Text: "Authentication mechanism is not supported", Reason: reply.ReasonAuth}
	errAuthIdentity  = &reply.Reply{Code: 535, Enhanced: [3]int{5, 7, 8}, Text: "Authorization identity is not the user name", Reason: reply.ReasonAuth}
	errAuthNoPlace   = &reply.Reply{Code: 421, Enhanced: [3]int{4, 3, 2}, Text: "Too many connections, try again later", Reason: reply.ReasonAuth}
	errAuthResponse  = &reply.Reply{Code: 501, Enhanced: [3]int{5, 5, 2}, Text: "Authentication response is malformed", Reason: reply.ReasonAuth}
)

// AuthMechanisms is what EHLO announces: only what works now.
func (s *session) AuthMechanisms() []string {
	if s.authBarrier() != nil || s.client.User != "" {
		return nil
	}
	return []string{sasl.Plain, sasl.Login}
}

// authBarrier is why AUTH does not work at all in this session.
func (s *session) authBarrier() error {
	switch {
	case s.lmtp() || !s.server.receiver.Authenticating():
		return errNoAuth
	case s.wire.TLS == nil && !s.gen.options.Auth.AllowPlaintext:
		return errAuthClear
	}
	return nil
}

// Auth begins an exchange.
func (s *session) Auth(mechanism string) (sasl.Server, error) {
	err := s.authBarrier()
	if err == nil {
		if x := newExchange(mechanism, s.authenticate, s.authRefused); x != nil {
			return x, nil
		}
		err = errAuthMechanism
	}
	return nil, s.authRefused("", err)
}

func (s *session) authenticate(user, password string) error {
	name, err := s.server.receiver.Authenticate(s.wire.Ctx, s.client.Addr, user, password)
	if err != nil {
		return err
	}
	if !s.wire.Promote() {
		return errAuthNoPlace
	}
	s.client.User = name
	s.server.log.Info("authenticated", "session", s.client.Session, "client", s.client.Addr.String(), "user", name)
	return nil
}

// maxLoggedUser is longer than any user name that there can be.
const maxLoggedUser = 256

// authRefused logs why a client could not authenticate, and makes err the
// answer.
func (s *session) authRefused(user string, err error) error {
	refusal, level := reply.Of(err), slog.LevelInfo
	if refusal.Temporary() {
		level = slog.LevelWarn
	}
	s.server.receiver.Metrics().Refusal(refusal.Reason)
	who := []any{"session", s.client.Session, "client", s.client.Addr.String(), "user", user[:min(len(user), maxLoggedUser)]}
	s.server.log.Log(s.wire.Ctx, level, "authentication refused", append(who, refusal.Attrs()...)...)
	return s.refuse(refusal)
}

// exchange is one AUTH command from its first response to the verdict.
type exchange struct {
	mechanism sasl.Server
	user      string // as far as it is known
	refused   func(user string, err error) error
}

// newExchange is nil for a mechanism that is not known. An error of verify, as
// any other, is answered with what refused makes of it.
func newExchange(mechanism string, verify func(user, password string) error, refused func(user string, err error) error) *exchange {
	x := &exchange{refused: refused}
	check := func(identity, user, password string) error {
		x.user = user
		if identity != "" && identity != user {
			return errAuthIdentity
		}
		return verify(user, password)
	}
	x.mechanism = map[string]sasl.Server{sasl.Plain: sasl.NewPlainServer(check), sasl.Login: &loginServer{check: check}}[mechanism]
	if x.mechanism == nil {
		return nil
	}
	return x
}

// Next takes a response of the client.
func (x *exchange) Next(response []byte) (challenge []byte, done bool, err error) {
	challenge, done, err = x.mechanism.Next(response)
	if err == nil {
		return challenge, done, nil
	}
	var refusal *reply.Reply
	if !errors.As(err, &refusal) { // of go-sasl: the response is not as RFC 4616 has it
		err = errAuthResponse
	}
	return nil, false, x.refused(x.user, err)
}

// loginServer is the LOGIN mechanism, which was never standardised and which
// many devices and older mail programs know alone. The user name may come with
// the AUTH command.
type loginServer struct {
	check sasl.PlainAuthenticator
	user  string
	named bool
}

func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	switch {
	case response == nil: // no initial response
		return []byte("Username:"), false, nil
	case !l.named:
		l.user, l.named = string(response), true
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check("", l.user, string(response))
}
