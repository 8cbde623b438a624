package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/eventlog"
)

// serviceName is the service, and the source of its events.
const serviceName = "smtpreceiver"

// managed runs a service until it ends by itself or ctx is done. If the
// Service Control Manager started the process, that is told, and obeyed; it is
// asked, because who the parent of a process is says nothing certain.
func managed(ctx context.Context, run func(context.Context, manager) error) error {
	s := &scmService{ctx: ctx, run: run}
	err := svc.Run(serviceName, s)
	if errors.Is(err, windows.ERROR_FAILED_SERVICE_CONTROLLER_CONNECT) {
		return run(ctx, unmanaged())
	}
	if err != nil {
		return fmt.Errorf("serve the Service Control Manager: %w", err)
	}
	return s.err
}

const (
	// startHint is how long a start may take: recovery reads the whole spool.
	startHint = 2 * time.Minute
	// stopMargin is what a stop may take over shutdown_timeout.
	stopMargin = 10 * time.Second
)

// scmService is a service under the Service Control Manager. ParamChange, as by
// sc control smtpreceiver paramchange, reloads.
type scmService struct {
	ctx context.Context
	run func(context.Context, manager) error
	err error // of run
}

// Execute runs the service and tells its state on status, as svc.Handler has it.
func (s *scmService) Execute(_ []string, requests <-chan svc.ChangeRequest, status chan<- svc.Status) (specific bool, code uint32) {
	status <- svc.Status{State: svc.StartPending, WaitHint: milliseconds(startHint)}
	ctx, stop := context.WithCancel(s.ctx)
	defer stop()
	ready, stopping := make(chan struct{}, 1), make(chan time.Duration, 1)
	reload, ended := make(chan os.Signal, 1), make(chan error, 1)
	go func() {
		ended <- s.run(ctx, manager{
			ready:    func(string) { ready <- struct{}{} },
			stopping: func(timeout time.Duration) { stopping <- timeout },
			reload:   reload, reloading: func() {},
		})
	}()
	for {
		select {
		case <-ready:
			if ctx.Err() == nil { // else it has been stopped meanwhile
				status <- svc.Status{State: svc.Running, Accepts: svc.AcceptStop | svc.AcceptShutdown | svc.AcceptParamChange}
			}
		case timeout := <-stopping:
			status <- svc.Status{State: svc.StopPending, CheckPoint: 1, WaitHint: milliseconds(timeout + stopMargin)}
		case s.err = <-ended:
			if s.err == nil {
				return false, 0
			}
			tell(s.err)
			return true, exitFailed // the Event Log says why
		case r := <-requests:
			switch r.Cmd {
			case svc.Interrogate:
				status <- r.CurrentStatus
			case svc.ParamChange:
				select {
				case reload <- syscall.SIGHUP:
				default: // one is waiting
				}
			case svc.Stop, svc.Shutdown:
				status <- svc.Status{State: svc.StopPending, WaitHint: milliseconds(stopMargin)}
				stop()
			}
		}
	}
}

func milliseconds(d time.Duration) uint32 { return uint32(d.Milliseconds()) }

// tell writes why the service ended where an administrator looks: a service has
// no console.
func tell(err error) {
	log, openErr := eventlog.Open(serviceName)
	if openErr != nil {
		return
	}
	defer log.Close()
	log.Error(1, err.Error())
}
