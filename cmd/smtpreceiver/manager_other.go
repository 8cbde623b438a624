//go:build !windows

package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// managed runs a service until it ends by itself or ctx is done. If systemd
// started it, systemd is told.
func managed(ctx context.Context, run func(context.Context, manager) error) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	return run(ctx, manager{
		ready:    func() { notify(daemon.SdNotifyReady) },
		stopping: func(time.Duration) { notify(daemon.SdNotifyStopping) },
		reload:   hup,
	})
}

// notify tells systemd; outside of it nothing happens.
func notify(state string) { daemon.SdNotify(false, state) }
