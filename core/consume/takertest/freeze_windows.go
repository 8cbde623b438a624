package takertest

import (
	"os"
	"testing"
)

func freeze(t *testing.T, _ *os.Process) { t.Skip("no signal stops a process here") }

func thaw(*testing.T, *os.Process) {}
