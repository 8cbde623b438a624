package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestPriorityHoldsForAllThreads runs itself again, because nice cannot be
// lowered back by everybody.
func TestPriorityHoldsForAllThreads(t *testing.T) {
	if os.Getenv("SMTPRECEIVER_TEST_PRIORITY") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestPriorityHoldsForAllThreads$")
		cmd.Env = append(os.Environ(), "SMTPRECEIVER_TEST_PRIORITY=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	if err := setPriority(-2); err != nil {
		t.Fatal(err)
	}
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, thread := range threads {
		stat, err := os.ReadFile("/proc/self/task/" + thread.Name() + "/stat")
		if err != nil {
			continue // ended meanwhile
		}
		_, fields, _ := strings.Cut(string(stat), ") ")
		if nice := strings.Fields(fields)[16]; nice != "10" {
			t.Errorf("thread %s has nice %s, want 10", thread.Name(), nice)
		}
	}
}
