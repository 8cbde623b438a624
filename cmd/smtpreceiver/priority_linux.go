package main

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// setPriority gives the process the nice value of thread_priority. Linux keeps
// one for each thread, and a new thread takes its creator's; so all that are
// there are set, again until none was new.
func setPriority(threadPriority int) error {
	nice, set := niceness(threadPriority), map[string]bool{}
	for {
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return fmt.Errorf("thread_priority: %w", err)
		}
		again := false
		for _, t := range threads {
			if set[t.Name()] {
				continue
			}
			set[t.Name()], again = true, true
			id, err := strconv.Atoi(t.Name())
			if err != nil {
				return fmt.Errorf("thread_priority: %w", err)
			}
			if err := unix.Setpriority(unix.PRIO_PROCESS, id, nice); err != nil && err != unix.ESRCH {
				return fmt.Errorf("thread_priority: %w: raising it again needs CAP_SYS_NICE", err)
			}
		}
		if !again {
			return nil
		}
	}
}
