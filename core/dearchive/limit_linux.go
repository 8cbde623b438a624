package dearchive

import "golang.org/x/sys/unix"

// limit sets the greatest size of a file for a process and those it will start,
// and lets them leave no core file when they reach it; and the memory that each of
// them may ask for, if that has a limit. A process that has ended already needs no
// limit; a file that got ahead is seen by measure.
func limit(pid int, maxFile, maxMemory uint64) {
	_ = unix.Prlimit(pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: maxFile, Max: maxFile}, nil)
	_ = unix.Prlimit(pid, unix.RLIMIT_CORE, &unix.Rlimit{}, nil)
	if maxMemory > 0 {
		_ = unix.Prlimit(pid, unix.RLIMIT_AS, &unix.Rlimit{Cur: maxMemory, Max: maxMemory}, nil)
	}
}
