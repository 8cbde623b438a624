//go:build unix

package mtatest

import (
	"os/exec"
	"syscall"
)

// ownGroup makes a command lead a process group of its own when it is started.
func ownGroup(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// signalGroup reaches a command and the processes that it has started.
func signalGroup(c *exec.Cmd, s syscall.Signal) { syscall.Kill(-c.Process.Pid, s) }
