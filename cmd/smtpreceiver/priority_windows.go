package main

import (
	"fmt"

	"golang.org/x/sys/windows"
)

// setPriority gives the process the priority class of thread_priority.
func setPriority(threadPriority int) error {
	class := map[int]uint32{
		0: windows.NORMAL_PRIORITY_CLASS, 5: windows.BELOW_NORMAL_PRIORITY_CLASS,
		10: windows.IDLE_PRIORITY_CLASS, 19: windows.IDLE_PRIORITY_CLASS,
	}[niceness(threadPriority)]
	if err := windows.SetPriorityClass(windows.CurrentProcess(), class); err != nil {
		return fmt.Errorf("thread_priority: %w", err)
	}
	return nil
}
