package main

import (
	"os"
	"time"
)

// manager is the service manager of the system, as a running service deals
// with it.
type manager struct {
	ready     func(status string)         // tells it that connections are accepted, and the service in one line
	stopping  func(timeout time.Duration) // tells it that the service ends, within that time
	reload    <-chan os.Signal            // SIGHUP, or what stands for it: read the configuration again
	reloading func()                      // tells it that this is being done, until ready
}

// unmanaged is for a program that somebody started by hand.
func unmanaged() manager {
	return manager{ready: func(string) {}, stopping: func(time.Duration) {}, reloading: func() {}}
}
