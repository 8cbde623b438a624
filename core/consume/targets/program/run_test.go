//go:build unix

package program

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"smtpreceiver/core/consume"
	"smtpreceiver/core/consume/targets/targettest"
)

// runs is a target that runs a program, and keeps what comes of it.
type runs struct {
	argv   []string
	output string
	err    error
}

func (r *runs) Prepare(context.Context, *consume.Job) (string, error) { return "", nil }

func (r *runs) Has(context.Context, *consume.Job) (consume.Answer, error) {
	return consume.Unknown, nil
}

func (r *runs) Submit(ctx context.Context, j *consume.Job) error {
	r.output, r.err = Run(ctx, j, []string{"MORE=a b"}, r.argv...)
	return r.err
}

// TestRun: what each end of a program means, and what is kept of what it says.
func TestRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	junk := filepath.Join(dir, "junk")
	if err := os.WriteFile(junk, []byte("\x7fELF no program"), 0o755); err != nil {
		t.Fatal(err)
	}
	const doubt = "the target cannot tell whether it has the job"
	for name, c := range map[string]struct {
		body, program string
		output, why   string
		code          int // of an *ExitError
		doubt         bool
		timeout       time.Duration
	}{
		"ends well":     {body: `echo out; echo err >&2; : <&3 && echo "the job is held"; printf '%s|%s' "$MORE" "$@"`, output: "out\nerr\nthe job is held\na b|one"},
		"ends badly":    {body: "echo 'wrong  number' >&2; exit 3", output: "wrong  number\n", why: "send: exit status 3: it says: wrong number", code: 3},
		"says nothing":  {body: "exit 1", why: "send: exit status 1", code: 1},
		"killed":        {body: "echo a; kill -9 $$", output: "a\n", why: "send: signal: killed", doubt: true},
		"too slow":      {body: "exec sleep 60", why: "send was ended: not done within timeout 1s", doubt: true, timeout: time.Second},
		"not there":     {program: filepath.Join(dir, "none"), why: "none cannot be run, install it or mend the path: "},
		"no program":    {program: junk, why: "junk cannot be started: "},
		"too much said": {body: "head -c 5000000 /dev/zero | tr '\\0' x; printf end", output: strings.Repeat("x", 4<<20-len("end")) + "end"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program := c.program
			if program == "" {
				program = filepath.Join(t.TempDir(), "send")
				targettest.Script(t, program, c.body)
			}
			r, s := &runs{argv: []string{program, "one"}}, targettest.New(t, "x")
			s.Timeout = c.timeout
			why := s.HandOn(t, r)
			if r.output != c.output || (r.err == nil) != (c.why == "") || !strings.Contains(why, c.why) || strings.Contains(why, doubt) != c.doubt {
				t.Errorf("%d bytes %.40q, %v; why %q", len(r.output), r.output, r.err, why)
			}
			var ended *ExitError
			if errors.As(r.err, &ended) != (c.code != 0) || c.code != 0 && (ended.Code != c.code || ended.Program != program || !strings.HasSuffix(ended.Error(), c.why)) {
				t.Errorf("%v", r.err)
			}
		})
	}
}

// TestGroup: after the time limit nothing of a program goes on, also not
// what it started.
func TestGroup(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script, alive := filepath.Join(dir, "send"), filepath.Join(dir, "alive")
	targettest.Script(t, script, "(while :; do date >"+alive+"; sleep 0.02; done) & wait")
	r := &runs{argv: []string{script}}
	why := targettest.New(t, "x").HandOnWithin(t, r, time.Second)
	if !strings.Contains(why, "not done within timeout 1s") || !strings.Contains(why, "in_doubt is fail") {
		t.Errorf("why %q", why)
	}
	time.Sleep(100 * time.Millisecond)
	if err := os.Remove(alive); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond)
	if _, err := os.Stat(alive); err == nil {
		t.Error("what the program started goes on")
	}
}

// TestSession: the terminal's Ctrl-C does not reach a program.
func TestSession(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script, out := filepath.Join(dir, "send"), filepath.Join(dir, "out")
	targettest.Script(t, script, "cut -d' ' -f1,6 /proc/self/stat >/dev/null; read -r pid comm state ppid pgrp session rest </proc/$$/stat; echo $$ $session >"+out)
	r := &runs{argv: []string{script}}
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("no /proc here")
	}
	if why := targettest.New(t, "x").HandOn(t, r); why != "" {
		t.Fatal(why)
	}
	got, _ := os.ReadFile(out)
	fields := strings.Fields(string(got))
	if len(fields) != 2 || fields[0] != fields[1] {
		t.Errorf("pid and session %q: no session of its own", got)
	}
	if _, err := strconv.Atoi(fields[0]); err != nil {
		t.Error(err)
	}
}

// TestEnvironment: none of our settings, passwords among them, is in it.
func TestEnvironment(t *testing.T) {
	t.Setenv("SMTPRECEIVER_FORWARD_PASSWORD", "secret")
	t.Setenv("SMTPRECEIVER_AUTHENTICATION_DSN", "secret")
	t.Setenv("OTHER_SETTING", "kept")
	dir := t.TempDir()
	script, out := filepath.Join(dir, "send"), filepath.Join(dir, "out")
	targettest.Script(t, script, "env >"+out)
	r := &runs{argv: []string{script}}
	if why := targettest.New(t, "x").HandOn(t, r); why != "" {
		t.Fatal(why)
	}
	got, err := os.ReadFile(out)
	if err != nil || strings.Contains(string(got), "secret") || strings.Contains(string(got), "SMTPRECEIVER_") || !strings.Contains(string(got), "OTHER_SETTING=kept") {
		t.Errorf("%v, environment\n%s", err, got)
	}
}

// TestTail: the end of what is written is kept, in however many pieces it comes.
func TestTail(t *testing.T) {
	t.Parallel()
	out := new(tail)
	for _, piece := range []string{"a", strings.Repeat("b", MaxOutput-1), "c", "", "dd"} {
		if n, err := out.Write([]byte(piece)); n != len(piece) || err != nil {
			t.Errorf("%d of %d bytes, %v", n, len(piece), err)
		}
		if len(out.kept) > MaxOutput {
			t.Errorf("%d bytes are kept", len(out.kept))
		}
	}
	if want := strings.Repeat("b", MaxOutput-3) + "cdd"; string(out.kept) != want {
		t.Errorf("%d bytes, %.10q … %q", len(out.kept), out.kept, out.kept[len(out.kept)-10:])
	}
}
