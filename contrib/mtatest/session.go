package mtatest

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"net"
	"slices"
	"strings"
)

// session is one connection of the SMTP server.
type session struct {
	*server
	conn   net.Conn
	in     *bufio.Reader
	mail   Mail // of the transaction going on; Mail.Mail is empty outside one
	tls    bool
	authed bool
}

func newSession(s *server, c net.Conn) *session {
	return &session{server: s, conn: c, in: bufio.NewReader(c), tls: s.options.Implicit, authed: s.options.Username == ""}
}

func (s *session) run() {
	if _, ok := s.answer(OnConnect, "", "220 script.test ESMTP"); !ok {
		return
	}
	for {
		line, err := s.in.ReadString('\n')
		if err != nil {
			return
		}
		command, ok := strings.CutSuffix(line, "\r\n")
		s.note(strings.TrimRight(line, "\r\n"))
		if !ok {
			s.say("500 5.5.2 a command ends in CR LF")
			return
		}
		if !s.command(command) {
			return
		}
	}
}

// command carries out one command; false ends the session.
func (s *session) command(line string) bool {
	verb, rest, _ := strings.Cut(line, " ")
	on := Event(strings.ToUpper(verb))
	usual := "250 2.0.0 ok"
	switch on {
	case "HELO":
		on = OnEHLO
		s.mail = Mail{}
	case OnEHLO:
		s.mail = Mail{}
		usual = s.hello()
	case OnSTARTTLS:
		return s.startTLS(line)
	case OnAUTH:
		return s.auth(line, rest)
	case OnMAIL:
		if !s.authed {
			usual = "530 5.7.0 authentication required"
		} else if s.mail.Mail != "" {
			usual = "503 5.5.1 nested MAIL"
		}
	case OnRCPT:
		if s.mail.Mail == "" {
			usual = "503 5.5.1 MAIL first"
		}
	case OnDATA:
		return s.data(line)
	case OnRSET:
		s.mail = Mail{}
	case OnQUIT:
		usual = "221 2.0.0 bye"
	case OnNOOP:
	default:
		return s.say("502 5.5.1 not known here") == nil
	}
	accepted, goOn := s.answer(on, line, usual)
	if accepted {
		switch on {
		case OnMAIL:
			s.mail = Mail{Mail: line, TLS: s.tls}
		case OnRCPT:
			s.mail.Rcpt = append(s.mail.Rcpt, line)
		}
	}
	return goOn && on != OnQUIT
}

func (s *session) hello() string {
	lines := append([]string{"script.test"}, s.options.Extensions...)
	if s.options.TLS != nil && !s.tls {
		lines = append(lines, "STARTTLS")
	}
	if s.options.Username != "" {
		lines = append(lines, "AUTH "+s.options.Mechanisms)
	}
	last := len(lines) - 1
	for i := range lines[:last] {
		lines[i] = "250-" + lines[i]
	}
	lines[last] = "250 " + lines[last]
	return strings.Join(lines, "\n")
}

func (s *session) startTLS(line string) bool {
	usual := "220 2.0.0 go ahead"
	if s.options.TLS == nil || s.tls {
		usual = "502 5.5.1 not offered"
	}
	accepted, goOn := s.answer(OnSTARTTLS, line, usual)
	if !accepted || !goOn {
		return goOn
	}
	// What the client sent in clear behind the command must not count as sent under TLS.
	conn := tls.Server(s.conn, s.tlsConfig())
	if s.in.Buffered() > 0 || conn.Handshake() != nil {
		return false
	}
	s.conn, s.in, s.tls, s.mail = conn, bufio.NewReader(conn), true, Mail{}
	return true
}

// auth takes PLAIN and LOGIN, with and without an initial response (RFC 4954).
func (s *session) auth(line, rest string) bool {
	mechanism, initial, hasInitial := strings.Cut(rest, " ")
	response := func(challenge string) string {
		if hasInitial {
			hasInitial = false
		} else {
			s.say("334 " + base64.StdEncoding.EncodeToString([]byte(challenge)))
			initial, _ = s.in.ReadString('\n')
		}
		b, _ := base64.StdEncoding.DecodeString(strings.TrimRight(initial, "\r\n"))
		return string(b)
	}
	usual := "504 5.5.4 mechanism not offered"
	mechanism = strings.ToUpper(mechanism)
	if s.options.Username != "" && slices.Contains(strings.Fields(s.options.Mechanisms), mechanism) {
		var given, want string
		switch mechanism {
		case "PLAIN":
			given, want = response(""), "\x00"+s.options.Username+"\x00"+s.options.Password
		case "LOGIN":
			given, want = response("Username:")+"\x00", s.options.Username+"\x00"+s.options.Password
			given += response("Password:")
		}
		if usual = "235 2.7.0 welcome"; given != want {
			usual = "535 5.7.8 wrong user or password"
		}
	}
	accepted, goOn := s.answer(OnAUTH, line, usual)
	s.authed = s.authed || accepted
	return goOn
}

// data takes a message. Its end is CR LF . CR LF and nothing else.
func (s *session) data(line string) bool {
	usual := "354 end with a dot"
	if len(s.mail.Rcpt) == 0 {
		usual = "554 5.5.1 no valid recipients"
	}
	accepted, goOn := s.answer(OnDATA, line, usual)
	if !accepted || !goOn {
		return goOn
	}
	var data bytes.Buffer
	for first, atLineStart := true, true; ; first = false {
		chunk, err := s.in.ReadBytes('\n')
		if err != nil {
			return false
		}
		if first {
			if r, ok := s.rule(OnBody, string(chunk)); ok && !s.pause(r) {
				return false
			}
		}
		if atLineStart && chunk[0] == '.' {
			if string(chunk) == ".\r\n" {
				break
			}
			chunk = chunk[1:]
		}
		data.Write(chunk)
		atLineStart = bytes.HasSuffix(chunk, []byte("\r\n"))
	}
	s.note(".")
	mail := s.mail
	mail.Data = data.Bytes()
	s.mail = Mail{}
	return s.answerMail(mail)
}
