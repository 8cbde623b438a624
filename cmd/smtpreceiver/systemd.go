package main

import (
	"context"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// notify tells systemd; outside of it nothing happens.
func notify(state ...string) { daemon.SdNotify(false, strings.Join(state, "\n")) }

// statusLine is the line that systemctl status shows.
func statusLine(text string) string {
	return "STATUS=" + strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r < ' ' }), "; ")
}

// watchdog tells systemd that the service is alive, until ctx is done
// (WatchdogSec). Alive means that every accept loop goes round, which cannot be
// said by a goroutine that only ticks. Output folders and the forward server
// are not asked: where those fail, a restart mends nothing and only ends the
// transactions that still work; /readyz and the log tell of them.
func (v *service) watchdog(ctx context.Context) {
	within, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		v.log.Warn("watchdog of systemd not used", "error", err.Error())
	}
	if err != nil || within == 0 {
		return
	}
	tick := time.NewTicker(within / 2)
	defer tick.Stop()
	for {
		if err := v.alive(ctx, within/4); err == nil {
			notify(daemon.SdNotifyWatchdog)
		} else if ctx.Err() == nil {
			v.log.Error("not alive: systemd restarts a service that stays so", "error", err.Error())
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
