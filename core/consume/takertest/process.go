package takertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"smtpreceiver/core/config"
	"smtpreceiver/core/consume"
)

// Environment of a taker in a process of its own, to be killed.
const (
	takerFile = "TAKERTEST_CONFIG"
	takerHalt = "TAKERTEST_HALT" // where it halts
)

// Where a taker halts.
const (
	nowhere   = ""
	prepared  = "prepared"  // the target cannot have the job
	submitted = "submitted" // nor does it here
	noted     = "noted"     // it has the job, and nobody has heard so
	between   = "between"   // submitted, or noted where the last digit of the number is even
)

// Main is for TestMain of a package that calls Run. In the process of a taker it does
// not return.
func Main() {
	if os.Getenv(takerFile) == "" {
		return
	}
	if err := take(); err != nil {
		fmt.Fprintln(os.Stderr, "taker:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func take() error {
	file := os.Getenv(takerFile)
	s, _, err := config.Load(config.Source{File: file})
	if err != nil {
		return err
	}
	log, err := openLog(file)
	if err != nil {
		return err
	}
	defer log.Close()
	c, closeIt, err := open(s, &book{filepath.Dir(file), os.Getenv(takerHalt)}, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		return err
	}
	defer closeIt()
	return c.Run(context.Background())
}

// book is a target of takers in any process: it notes the keys of jobs in one file, by
// which it knows each again.
type book struct {
	dir  string
	halt string
}

func (b *book) path() string { return filepath.Join(b.dir, "book") }

// busy is the text of a job that the book does not take for now.
const busy = "busy"

// halted is a file that says that a taker is halted with a job.
func (b *book) halted(stem string) string { return filepath.Join(b.dir, "halted-"+stem) }

// goOn lets those that have halted go on.
func (b *book) goOn() string { return filepath.Join(b.dir, "go-on") }

// at halts the taker if this is where it is to.
func (b *book) at(where string, j *consume.Job) error {
	halt := b.halt
	if halt == between {
		halt = submitted
		if n, err := strconv.Atoi(j.Number); err == nil && n%2 == 0 {
			halt = noted
		}
	}
	if where != halt {
		return nil
	}
	if err := os.WriteFile(b.halted(j.Stem), nil, 0o600); err != nil {
		return err
	}
	for {
		if _, err := os.Stat(b.goOn()); err == nil {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Prepare implements consume.Target.
func (b *book) Prepare(_ context.Context, j *consume.Job) (string, error) {
	return "", b.at(prepared, j)
}

// Submit implements consume.Target.
func (b *book) Submit(_ context.Context, j *consume.Job) error {
	text, err := read(j, j.Text)
	if err != nil {
		return err
	}
	if text == busy {
		return consume.After(5*time.Second, errors.New(busy))
	}
	if err := b.at(submitted, j); err != nil {
		return err
	}
	f, err := os.OpenFile(b.path(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	// One write of a short line is one record, whoever else writes.
	if _, err := fmt.Fprintf(f, "%s\t%s\t%s\n", j.Key, j.Stem, text); err != nil {
		return err
	}
	return b.at(noted, j)
}

// Has implements consume.Target.
func (b *book) Has(_ context.Context, j *consume.Job) (consume.Answer, error) {
	data, err := os.ReadFile(b.path())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return consume.Unknown, err
	}
	if bytes.Contains(data, []byte(j.Key+"\t")) {
		return consume.Yes, nil
	}
	return consume.No, nil
}

// notes counts the notes of the book by stem and text.
func (s *site) notes() map[string]int {
	s.t.Helper()
	data, err := os.ReadFile((&book{dir: s.dir}).path())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.t.Fatal(err)
	}
	notes := map[string]int{}
	for line := range strings.Lines(string(data)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 3 || f[2] != s.want[f[1]][f[1]+".txt"] {
			s.t.Errorf("note %q", line)
			continue
		}
		notes[f[1]]++
	}
	return notes
}

// process is a taker of its own.
type process struct {
	site *site
	*exec.Cmd
	book *book
}

// start starts a machine's taker, which hands jobs to the book.
func (m *machine) start(halt string) *process {
	t := m.site.t
	t.Helper()
	p := &process{m.site, exec.Command(os.Args[0]), &book{m.site.dir, halt}}
	p.Env = append(os.Environ(), takerFile+"="+m.file, takerHalt+"="+halt)
	p.Stderr = os.Stderr
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	return p
}

// kill ends it as a power cut would.
func (p *process) kill() {
	p.Process.Kill()
	p.Wait()
}

// atAll waits until it is halted with all of some jobs.
func (p *process) atAll(stems ...string) {
	p.site.t.Helper()
	for _, stem := range stems {
		for until := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			if _, err := os.Stat(p.book.halted(stem)); err == nil {
				break
			}
			if time.Now().After(until) {
				p.site.t.Fatalf("no taker has got to job %s (%s)", stem, p.book.halt)
			}
		}
	}
}
