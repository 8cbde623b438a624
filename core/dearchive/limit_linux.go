package dearchive

import "golang.org/x/sys/unix"

// limitFiles sets the greatest size of a file for a process and those it will
// start, and lets them leave no core file when they reach it. A process that
// has ended already needs no limit; one that got ahead is seen by measure.
func limitFiles(pid int, maxFile uint64) {
	_ = unix.Prlimit(pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: maxFile, Max: maxFile}, nil)
	_ = unix.Prlimit(pid, unix.RLIMIT_CORE, &unix.Rlimit{}, nil)
}
