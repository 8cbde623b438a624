// Package program runs programs for jobs: in a session of their own, with an end to
// what they may say and to how long they last.
package program

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"smtpreceiver/core/consume"
	"smtpreceiver/core/consume/targets/fields"
)

// MaxOutput is how much of what a program says is kept, in bytes: the end of it.
const MaxOutput = 4 << 20

const waitDelay = 5 * time.Second

// ExitError is a program that ended by itself, and not well.
type ExitError struct {
	Program, Said string
	Code          int
}

func (e *ExitError) Error() string {
	text := fmt.Sprintf("%s: exit status %d", e.Program, e.Code)
	if e.Said != "" {
		text += ": it says: " + e.Said
	}
	return text
}

// Run runs a program for a job until it ends or ctx does; then its whole process
// group goes. The error is an *ExitError, a plain one if the program could not be
// started, and otherwise uncertain.
func Run(ctx context.Context, j *consume.Job, environ []string, argv ...string) (output string, err error) {
	program, err := exec.LookPath(argv[0])
	if err != nil {
		return "", fmt.Errorf("%s cannot be run, install it or mend the path: %w", argv[0], err)
	}
	cmd := exec.CommandContext(ctx, program, argv[1:]...)
	out := new(tail)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = append(environment(), environ...)
	cmd.ExtraFiles = j.Inherit()
	cmd.WaitDelay = waitDelay
	ownGroup(cmd)
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("%s cannot be started: %w", argv[0], err)
	}
	err = cmd.Wait()
	output = string(out.kept)
	if cause := context.Cause(ctx); cause != nil && err != nil {
		return output, consume.Uncertain(fmt.Errorf("%s was ended: %w", argv[0], cause))
	}
	var ended *exec.ExitError
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay): // something it started still holds its output
		return output, nil
	case errors.As(err, &ended) && ended.Exited():
		return output, &ExitError{argv[0], fields.LastWords(output), ended.ExitCode()}
	}
	return output, consume.Uncertain(fmt.Errorf("%s: %w", argv[0], err))
}

// environment is ours without our settings, passwords among them.
func environment() []string {
	var kept []string
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "SMTPRECEIVER_") {
			kept = append(kept, variable)
		}
	}
	return kept
}

// tail keeps the end of what is written.
type tail struct{ kept []byte }

func (t *tail) Write(b []byte) (int, error) {
	t.kept = append(t.kept, b...)
	if over := len(t.kept) - MaxOutput; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(b), nil
}
