//go:build unix

package takertest

import (
	"os"
	"syscall"
	"testing"
)

// freeze keeps a process from running.
func freeze(t *testing.T, p *os.Process) { signal(t, p, syscall.SIGSTOP) }

// thaw lets it go on.
func thaw(t *testing.T, p *os.Process) { signal(t, p, syscall.SIGCONT) }

func signal(t *testing.T, p *os.Process, s os.Signal) {
	t.Helper()
	if err := p.Signal(s); err != nil {
		t.Fatal(err)
	}
}
