package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/windows/svc"
)

// scm plays the Service Control Manager.
type scm struct {
	t        *testing.T
	requests chan svc.ChangeRequest
	status   chan svc.Status
	ended    chan struct{}
	specific bool
	code     uint32
}

func execute(t *testing.T, run func(context.Context, manager) error) *scm {
	c := &scm{t: t, requests: make(chan svc.ChangeRequest), status: make(chan svc.Status), ended: make(chan struct{})}
	go func() {
		defer close(c.ended)
		c.specific, c.code = (&scmService{ctx: t.Context(), run: run}).Execute(nil, c.requests, c.status)
	}()
	return c
}

func (c *scm) want(want svc.Status) {
	c.t.Helper()
	select {
	case got := <-c.status:
		if got != want {
			c.t.Errorf("told %+v, want %+v", got, want)
		}
	case <-time.After(time.Minute):
		c.t.Fatalf("not told %+v", want)
	}
}

// wantEnd fails the test if the service tells anything before it ends.
func (c *scm) wantEnd(specific bool, code uint32) {
	c.t.Helper()
	select {
	case got := <-c.status:
		c.t.Fatalf("told %+v, want the end", got)
	case <-c.ended:
	case <-time.After(time.Minute):
		c.t.Fatal("not ended")
	}
	if c.specific != specific || c.code != code {
		c.t.Errorf("ended with %t, %d, want %t, %d", c.specific, c.code, specific, code)
	}
}

var (
	startPending = svc.Status{State: svc.StartPending, WaitHint: 120_000}
	runs         = svc.Status{State: svc.Running, Accepts: svc.AcceptStop | svc.AcceptShutdown | svc.AcceptParamChange}
	stopPending  = svc.Status{State: svc.StopPending, WaitHint: 10_000}
)

func TestSCMService(t *testing.T) {
	reloads := make(chan struct{})
	c := execute(t, func(ctx context.Context, m manager) error {
		m.ready("")
		<-m.reload
		reloads <- struct{}{}
		<-ctx.Done()
		m.stopping(30 * time.Second)
		return nil
	})
	c.want(startPending)
	c.want(runs)
	c.requests <- svc.ChangeRequest{Cmd: svc.Interrogate, CurrentStatus: runs}
	c.want(runs)
	for range 3 { // the service takes one, one waits, the rest is the same as that
		c.requests <- svc.ChangeRequest{Cmd: svc.ParamChange}
	}
	<-reloads
	c.requests <- svc.ChangeRequest{Cmd: svc.Shutdown}
	c.want(stopPending)
	c.want(svc.Status{State: svc.StopPending, CheckPoint: 1, WaitHint: 40_000})
	c.wantEnd(false, 0)
}

func TestSCMStopWhileStarting(t *testing.T) {
	c := execute(t, func(ctx context.Context, m manager) error {
		<-ctx.Done()
		m.ready("")
		return nil
	})
	c.want(startPending)
	c.requests <- svc.ChangeRequest{Cmd: svc.Stop}
	c.want(stopPending)
	c.wantEnd(false, 0)
}

func TestSCMServiceFails(t *testing.T) {
	c := execute(t, func(context.Context, manager) error { return errors.New("no configuration") })
	c.want(startPending)
	c.wantEnd(true, 1)
}
