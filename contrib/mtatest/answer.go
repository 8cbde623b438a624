package mtatest

import (
	"io"
	"strings"
)

// answer gives the reply of the rule for an event, or the usual one. It says
// whether the reply was a positive one, and whether the session goes on.
func (s *session) answer(on Event, text, usual string) (accepted, goOn bool) {
	reply, r, goOn := s.decide(on, text, usual)
	if !goOn {
		return false, false
	}
	err := s.say(reply)
	return positive(reply), err == nil && r.Then != CloseAfterwards
}

// answerMail answers a whole message. It is kept before the client can know
// that it was accepted, so that a test that has got its answer finds it.
func (s *session) answerMail(m Mail) bool {
	reply, r, goOn := s.decide(OnDot, string(m.Data), "250 2.0.0 ok")
	if !goOn {
		return false
	}
	if positive(reply) {
		s.keep(m)
	}
	return s.say(reply) == nil && r.Then != CloseAfterwards
}

// decide is the reply to an event, after any waiting; false ends the session
// without a reply.
func (s *session) decide(on Event, text, usual string) (reply string, r Reply, goOn bool) {
	r, found := s.rule(on, text)
	if found && !s.pause(r) {
		return "", r, false
	}
	if r.Text != "" {
		usual = r.Text
	}
	return usual, r, true
}

// pause does what a rule says to do before the answer; false if there is to be none.
func (s *session) pause(r Reply) bool {
	if r.Wait != nil {
		select {
		case <-r.Wait:
		case <-s.stopped:
			return false
		}
	}
	if r.Then == NeverAnswer {
		<-s.stopped
	}
	return r.Then != NeverAnswer && r.Then != CloseUnanswered
}

func (s *session) say(reply string) error {
	_, err := io.WriteString(s.conn, strings.ReplaceAll(reply, "\n", "\r\n")+"\r\n")
	return err
}

func positive(reply string) bool { return reply[0] == '2' || reply[0] == '3' }
