//go:build unix

package dearchive

import (
	"fmt"
	"io/fs"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// openFlags keep a FIFO that took a file's place from holding us up.
const openFlags = unix.O_NONBLOCK

// processes are an unpacker and what it starts, as long as that does not leave
// its process group.
type processes struct{ group int }

// start starts cmd in a session of its own: with that it has a process group,
// and no terminal to ask for a password on. No file may become longer than
// maxFile bytes, and no process larger than maxMemory (0: any size), where the
// system has such limits for a running process.
func start(cmd *exec.Cmd, maxFile, maxMemory int64) (processes, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return processes{}, err
	}
	limit(cmd.Process.Pid, uint64(maxFile), uint64(maxMemory))
	return processes{cmd.Process.Pid}, nil
}

// kill ends them all. The number of a group is given to no other process while
// one of the group lives; if none does any more, the call finds nobody.
func (p processes) kill() { _ = unix.Kill(-p.group, unix.SIGKILL) }

// close ends what is left of them.
func (p processes) close() { p.kill() }

// fileID is the same for all names of one file.
type fileID struct{ device, number uint64 }

// identify tells the file and how many names it has, here and elsewhere.
func (w *workspace) identify(path string, info fs.FileInfo) (fileID, uint64, error) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fileID{}, 0, fmt.Errorf("%s: the system does not tell its links", path)
	}
	return fileID{uint64(st.Dev), uint64(st.Ino)}, uint64(st.Nlink), nil
}
