//go:build unix && !linux

package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// setPriority gives the process the nice value of thread_priority.
func setPriority(threadPriority int) error {
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, niceness(threadPriority)); err != nil {
		return fmt.Errorf("thread_priority: %w", err)
	}
	return nil
}
