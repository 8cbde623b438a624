package takertest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/config"
	"smtpreceiver/core/consume"
	"smtpreceiver/core/consume/joblist"
	"smtpreceiver/core/consume/targets"
	"smtpreceiver/core/job"
	"smtpreceiver/core/output"
	"smtpreceiver/core/queue"
)

// site is a gateway, machines that take its jobs, and what they should get.
type site struct {
	Subject
	t        *testing.T
	dir      string // of what all of them share
	machines []*machine

	mu   sync.Mutex
	want map[string]map[string]string // content by file name by stem
}

func newSite(t *testing.T, s Subject) *site {
	return &site{Subject: s, t: t, dir: t.TempDir(), want: map[string]map[string]string{}}
}

// content is what a job is to be.
type content struct {
	number, priority, text string
	files                  []file
	control                string // in place of a right one
}

type file struct {
	name, content string // the name without the stem
	link          bool   // to the file of that name of the first job of the message
}

// fill adds a job to a batch, and returns its stem.
func (s *site) fill(b output.Batch, first job.Job, c content) (job.Job, error) {
	j, err := b.NewJob(s.Destination)
	if err != nil {
		return nil, err
	}
	stem := j.Stem()
	want := map[string]string{stem + ".txt": c.text}
	control := fmt.Sprintf("[system]\r\ntype=sms\r\napp=fax\r\nid=%s\r\ntxt=%s.txt\r\nformat=txt\r\npriority=%s\r\n[from]\r\nsmtp=a@example.com\r\n[to]\r\nnumber=%s\r\naddress=%s@fax\r\n", j.ID(), stem, c.priority, c.number, c.number)
	control += fmt.Sprintf("[attachments]\r\ncount=%d\r\n", len(c.files))
	write := func(name, content string) error {
		f, err := j.Create(name)
		if err != nil {
			return err
		}
		_, err = io.WriteString(f, content)
		return errors.Join(err, f.Close())
	}
	err = write(stem+".txt", c.text)
	for i, f := range c.files {
		want[stem+f.name] = f.content
		control += fmt.Sprintf("%d=%s\r\n", i+1, stem+f.name)
		if f.link {
			err = errors.Join(err, j.Link(stem+f.name, first, first.Stem()+f.name))
		} else {
			err = errors.Join(err, write(stem+f.name, f.content))
		}
	}
	if c.control != "" {
		control = c.control
	}
	want[stem+".ctl"] = control
	s.mu.Lock()
	defer s.mu.Unlock()
	s.want[stem] = want
	return j, errors.Join(err, j.Control([]byte(control)))
}

// batch makes one message of jobs.
func (s *site) batch(contents ...content) (b output.Batch, stems []string) {
	s.t.Helper()
	b = s.Output.NewBatch()
	var first job.Job
	for _, c := range contents {
		j, err := s.fill(b, first, c)
		if err != nil {
			s.t.Fatal(err)
		}
		if first == nil {
			first = j
		}
		stems = append(stems, j.Stem())
	}
	return b, stems
}

// put brings in one message.
func (s *site) put(contents ...content) (stems []string) {
	s.t.Helper()
	b, stems := s.batch(contents...)
	if err := errors.Join(b.Stage(s.t.Context()), b.Commit(s.t.Context())); err != nil {
		s.t.Fatal(err)
	}
	return stems
}

// putEach brings in n messages of one job each, to n numbers.
func (s *site) putEach(n int) (stems []string) {
	s.t.Helper()
	for i := range n {
		stems = append(stems, s.put(content{number: fmt.Sprint(100 + i), text: fmt.Sprint("text ", i)})...)
	}
	return stems
}

// holdsAll says what is wrong with the files of a job that a function reads.
func (s *site) holdsAll(stem string, read func(name string) (string, error)) error {
	s.mu.Lock()
	want := s.want[stem]
	s.mu.Unlock()
	if want == nil {
		return fmt.Errorf("there is no job %s", stem)
	}
	for name, content := range want {
		got, err := read(name)
		if err != nil || got != content {
			return fmt.Errorf("%s: %d bytes %.40q, %v, want %d bytes %.40q", name, len(got), got, err, len(content), content)
		}
	}
	return nil
}

// machine takes jobs.
type machine struct {
	site     *site
	name     string
	file     string
	settings *config.Settings
	log      *slog.Logger
}

// machine sets up another one, whose consumer has more keys.
func (s *site) machine(name, keys string) *machine {
	s.t.Helper()
	m := &machine{site: s, name: name, file: filepath.Join(s.dir, name+".yaml")}
	text := s.Config(s.t, name) + "consume: {fax: {target: command, command: [/bin/true], retry_delay: 100ms, timeout: 5s" + s.Keys + keys + "}}\n"
	if err := os.WriteFile(m.file, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	var err error
	if m.settings, _, err = config.Load(config.Source{File: m.file}); err != nil {
		s.t.Fatalf("%v\n%s", err, text)
	}
	log, err := openLog(m.file)
	if err != nil {
		s.t.Fatal(err)
	}
	m.log = slog.New(slog.NewTextHandler(log, nil))
	s.t.Cleanup(func() {
		log.Close()
		if text, _ := os.ReadFile(log.Name()); s.t.Failed() {
			s.t.Logf("machine %s:\n%s", name, text)
		}
	})
	s.machines = append(s.machines, m)
	return m
}

func openLog(file string) (*os.File, error) {
	return os.OpenFile(file+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
}

// open makes the consumer of a machine's configuration, as the program does, but for
// its target.
func open(s *config.Settings, target consume.Target, log *slog.Logger) (c *consume.Consumer, closeIt func(), err error) {
	if c, err = targets.Open(s, "fax", log); err != nil {
		return nil, nil, err
	}
	closeIt = func() {}
	if s.Queue.On() {
		q, err := queue.Open(context.Background(), queue.ConfigOf(s, log))
		if err != nil {
			return nil, nil, err
		}
		closeIt = func() { q.Close() }
		targets.Share(c, s, q, log)
		c.Identity = "the target of all"
	}
	c.Target = target
	return c, closeIt, nil
}

// drain hands on what is there.
func (m *machine) drain(target consume.Target) (left int) {
	m.site.t.Helper()
	c, closeIt, err := open(m.settings, target, m.log)
	if err != nil {
		m.site.t.Fatal(err)
	}
	defer closeIt()
	if left, err = c.Drain(m.site.t.Context()); err != nil {
		m.site.t.Error(err)
	}
	return left
}

// run hands jobs on until stop, which returns when the consumer has ended.
func (m *machine) run(target consume.Target) (c *consume.Consumer, stop func()) {
	t := m.site.t
	t.Helper()
	c, closeIt, err := open(m.settings, target, m.log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := mtatest.Receive(t, "the consumer to end", ended); err != nil {
			t.Error(err)
		}
		closeIt()
	})
	t.Cleanup(stop)
	return c, stop
}

// jobs lists the jobs of all machines by their stems, as the command jobs does.
func (s *site) jobs() map[string]*joblist.Job {
	s.t.Helper()
	found := map[string]*joblist.Job{}
	for i, m := range s.machines {
		if i > 0 && !s.Apart {
			break
		}
		err := joblist.Each(s.t.Context(), m.settings, joblist.Filter{}, func(j *joblist.Job) error {
			// A waiting one is in the queue for all. One whose verdict is being carried out
			// may be seen twice.
			if before := found[j.ID]; before != nil && before.State != "waiting" && j.State != "waiting" {
				s.t.Errorf("job %s is %s at %s, and %s at %s", j.ID, before.State, before.Path, j.State, j.Path)
			}
			if found[j.ID] == nil || j.State != "waiting" {
				found[j.ID] = j
			}
			return nil
		})
		if err != nil {
			s.t.Error(err)
		}
	}
	return found
}

// wantJobs holds the list of jobs against their states.
func (s *site) wantJobs(when string, want map[string]string) {
	s.t.Helper()
	got := map[string]string{}
	for stem, j := range s.jobs() {
		got[stem] = j.State
	}
	if !maps.Equal(got, want) {
		s.t.Errorf("%s: jobs %v, want %v", when, got, want)
	}
}

// wantNothingLeft looks for what is left where every job is settled. Consumers go on,
// since they are not done with a job when it is.
func (s *site) wantNothingLeft() {
	s.t.Helper()
	var left []string
	for until := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		left = s.Left(s.t)
		for _, m := range s.machines {
			for _, pattern := range []string{"[^.]*", ".consume/*"} {
				files, _ := filepath.Glob(filepath.Join(m.settings.FolderOf("fax"), pattern))
				left = append(left, files...)
			}
		}
		if len(left) == 0 || time.Now().After(until) {
			break
		}
	}
	if len(left) > 0 {
		s.t.Errorf("left: %q", left)
	}
}

// are gives jobs a state.
func are(state string, stems ...string) map[string]string {
	all := map[string]string{}
	for _, stem := range stems {
		all[stem] = state
	}
	return all
}

// wait waits until all jobs of the list are in a state, and a little for others.
func (s *site) wait(state string, n int, patience time.Duration) {
	s.t.Helper()
	var jobs map[string]*joblist.Job
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		jobs = s.jobs()
		count := 0
		for _, j := range jobs {
			if j.State == state {
				count++
			}
		}
		if count >= n {
			return
		}
		if time.Now().After(deadline) {
			break
		}
	}
	var lines []string
	for stem, j := range jobs {
		lines = append(lines, fmt.Sprintf("%s: %s, tries %d, %s", stem, j.State, j.Tries, j.Reason))
	}
	slices.Sort(lines)
	s.t.Fatalf("%d jobs were not %s within %v:\n%s", n, state, patience, strings.Join(lines, "\n"))
}
