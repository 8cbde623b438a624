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
		ready:     func(status string) { notify(daemon.SdNotifyReady, statusLine(status)) },
		stopping:  func(time.Duration) { notify(daemon.SdNotifyStopping) },
		reload:    hup,
		reloading: func() { notify(daemon.SdNotifyReloading, daemon.SdNotifyMonotonicUsec()) }, // Type=notify-reload
	})
}
