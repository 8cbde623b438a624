//go:build !unix

package main

import "os"

// reloadSignal: this system has none.
var reloadSignal os.Signal
