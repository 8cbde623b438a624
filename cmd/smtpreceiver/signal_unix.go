//go:build unix

package main

import (
	"os"
	"syscall"
)

// reloadSignal makes a service read its configuration again.
var reloadSignal os.Signal = syscall.SIGHUP
