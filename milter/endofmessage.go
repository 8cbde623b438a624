package milter

import (
	"context"
	"time"

	"github.com/d--j/go-milter"

	"smtpreceiver/core/reply"
)

// progressEvery is well under the 30 s that an MTA waits by default.
const progressEvery = 5 * time.Second

// EndOfMessage commits the jobs, then takes their recipients out of the
// envelope. Whatever fails before the commit is the MTA's to keep or refuse.
func (s *session) EndOfMessage(m milter.Modifier) (resp *milter.Response, _ error) {
	defer s.recovered(&resp)
	defer s.reset()
	s.awaited = false
	switch {
	case s.failed != nil:
		if s.trx != nil {
			s.trx.Answered(s.failed)
		}
		return response(s.failed), nil
	case s.trx == nil:
		return s.outOfOrder("end of message"), nil
	case !s.trx.Diverting():
		s.trx.Answered(nil)
		return milter.RespAccept, nil
	}
	s.trx.SetQueueID(m.Get(milter.MacroQueueId))
	if err := s.take(m); err != nil {
		s.trx.Refused(s.server.ctx, "", err)
		return response(err), nil
	}
	for _, rcpt := range s.delete {
		if err := m.DeleteRecipient(rcpt); err != nil {
			// The jobs exist and the connection is gone: the MTA will have
			// the client try again. Nothing better can be said to it.
			s.server.log.Error("recipient not deleted after the commit: the MTA will hand in the message again",
				"session", s.client.Session, "rcpt", rcpt, "error", err.Error())
			return milter.RespTempFail, nil
		}
	}
	return milter.RespAccept, nil
}

// take stages the jobs and commits them. An MTA that has hung up has told its
// client to try again, so it is asked just before the commit, and if it is
// gone nothing becomes visible.
func (s *session) take(m milter.Modifier) error {
	ctx, cancel := context.WithCancelCause(s.server.ctx)
	defer cancel(nil)
	err := s.patiently(m, cancel, func() error { return s.trx.Stage(ctx) })
	if err == nil {
		if gone := m.Progress(); gone != nil {
			cancel(gone)
		}
		err = s.patiently(m, cancel, func() error { return s.trx.Commit(ctx) })
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return &reply.Reply{Code: 451, Enhanced: [3]int{4, 4, 2}, Text: "Connection lost, try again later",
			Cause: cause, Reason: reply.ReasonTimeout}
	}
	return err
}

// patiently does some work and tells the MTA meanwhile that it has not been
// forgotten; gone is called when the MTA does not listen any more.
func (s *session) patiently(m milter.Modifier, gone func(error), work func() error) error {
	done := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- s.panicked(p)
			}
		}()
		done <- work()
	}()
	tick := time.NewTicker(s.server.progressEvery)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-tick.C:
			if err := m.Progress(); err != nil {
				gone(err)
			}
		}
	}
}
