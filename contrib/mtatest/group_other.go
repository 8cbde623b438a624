//go:build !unix

package mtatest

import (
	"os/exec"
	"syscall"
)

// No mail server runs here; the Sink and the Script do.

func ownGroup(*exec.Cmd) {}

func signalGroup(c *exec.Cmd, _ syscall.Signal) { c.Process.Kill() }
