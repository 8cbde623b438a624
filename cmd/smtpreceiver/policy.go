package main

import (
	"context"
	"fmt"
	"net"

	"smtpreceiver/core/config"
	"smtpreceiver/core/metrics"
	"smtpreceiver/core/policy"
	"smtpreceiver/core/socket"
)

// questions says where and how a kind of service is asked by Postfix.
type questions struct {
	key    string
	socket func(*config.Settings) socket.Socket
	about  metrics.Frontend // what the mail itself comes to later
}

// policyServer is the listener for Postfix's questions and what answers them.
type policyServer struct {
	*policy.Server
	listener net.Listener
}

// openPolicy opens the listener for Postfix's questions, if there is to be one.
func (v *service) openPolicy(q questions, s *config.Settings) error {
	at := q.socket(s)
	if at.Spec == "" {
		return nil
	}
	l, err := socket.Listen(at)
	if err != nil {
		return fmt.Errorf("%s: %w", q.key, err)
	}
	v.policy = &policyServer{policy.NewServer(v.receiver.Asked(q.about), v.log.Logger), l}
	return nil
}

// shutdown lets running transactions, and answers, end until ctx is done.
func (v *service) shutdown(ctx context.Context) error {
	if v.policy == nil {
		return v.frontend.Shutdown(ctx)
	}
	asked := make(chan error, 1)
	go func() { asked <- v.policy.Shutdown(ctx) }()
	err := v.frontend.Shutdown(ctx)
	if late := <-asked; err == nil {
		err = late
	}
	return err
}
