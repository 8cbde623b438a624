package main

import (
	"os"
	"time"
)

// manager is the service manager of the system, as a running service deals
// with it.
type manager struct {
	ready    func()                      // tells it that connections are accepted
	stopping func(timeout time.Duration) // tells it that the service ends, within that time
	reload   <-chan os.Signal            // SIGHUP, or what stands for it: read the configuration again
}

// unmanaged is for a program that somebody started by hand.
func unmanaged() manager {
	return manager{ready: func() {}, stopping: func(time.Duration) {}}
}
