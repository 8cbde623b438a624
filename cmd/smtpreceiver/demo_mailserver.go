package main

import (
	"io"
	"net"
	"sync"

	"github.com/emersion/go-smtp"
)

// mailServer stands for the company's mail server in the demo: it takes
// everything and remembers for whom.
type mailServer struct {
	smtp *smtp.Server
	port int

	mu   sync.Mutex
	mail []takenMail
}

type takenMail struct{ to []string }

func newMailServer() (*mailServer, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	m := &mailServer{port: l.Addr().(*net.TCPAddr).Port}
	m.smtp = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		return &mailSession{server: m}, nil
	}))
	m.smtp.Domain = "mail.demo.example"
	go m.smtp.Serve(l) // ends with Close
	return m, nil
}

func (m *mailServer) Close() error { return m.smtp.Close() }

// taken gives the mails since the last call.
func (m *mailServer) taken() []takenMail {
	m.mu.Lock()
	defer m.mu.Unlock()
	mail := m.mail
	m.mail = nil
	return mail
}

type mailSession struct {
	server *mailServer
	mail   takenMail
}

func (s *mailSession) Mail(string, *smtp.MailOptions) error { return nil }

func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mail.to = append(s.mail.to, to)
	return nil
}

func (s *mailSession) Data(r io.Reader) error {
	if _, err := io.Copy(io.Discard, r); err != nil {
		return err
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.mail = append(s.server.mail, s.mail)
	return nil
}

func (s *mailSession) Reset()        { s.mail = takenMail{} }
func (s *mailSession) Logout() error { return nil }
