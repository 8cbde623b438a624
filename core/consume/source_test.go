package consume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"smtpreceiver/core/consume/folder"
)

// brought is a source whose jobs lie in the folder already; it notes what it is
// told, and answers as the test wants.
type brought struct {
	opened    error
	begun     error
	judged    error
	unsaid    bool // what Later cannot say
	elsewhere int
	said      []string
}

func (s *brought) Open(*folder.Folder) error { return s.opened }

func (s *brought) Run(ctx context.Context, _ func(string), _ func() bool) { <-ctx.Done() }

func (s *brought) Once(context.Context, func(string), func() int) (int, error) {
	return s.elsewhere, nil
}

func (s *brought) Begin(_ context.Context, stem string, j *folder.Journal) error {
	s.said = append(s.said, "begin "+stem+" "+string(j.State)+" "+j.Target)
	return s.begun
}

func (s *brought) Later(_ context.Context, stem string, j *folder.Journal) bool {
	s.said = append(s.said, "later "+stem+" "+string(j.State))
	return !s.unsaid
}

func (s *brought) Judge(_ context.Context, stem string, j *folder.Journal) error {
	s.said = append(s.said, "judge "+stem+" "+string(j.State))
	return s.judged
}

func (s *brought) Settled(_ context.Context, stem, _ string) {
	s.said = append(s.said, "settled "+stem)
}
func (s *brought) Gone(stem string) { s.said = append(s.said, "gone "+stem) }

func (s *brought) Close() { s.said = append(s.said, "close") }

// TestSource: a job of many machines is handed over by the one that said so first,
// and given to no target by another.
func TestSource(t *testing.T) {
	t.Parallel()
	down := errors.New("no cluster")
	for name, tt := range map[string]struct {
		source  brought
		submit  func(*Job) error
		said    []string
		submits int
		left    int
		files   []string
		log     string
	}{
		"handed on": {
			brought{}, nil, []string{"begin 1 begun here", "judge 1 done", "settled 1", "close"}, 1, 0,
			[]string{".done/today/1.ctl", ".done/today/1.txt", ".done/today/1_1_a.pdf"}, "",
		},
		"refused": {
			brought{}, refuse, []string{"begin 1 begun here", "judge 1 failed", "settled 1", "close"}, 1, 1,
			[]string{".failed/1.ctl", ".failed/1.txt", ".failed/1_1_a.pdf", ".failed/1.err"}, "",
		},
		"put off": {
			brought{}, func(*Job) error { return errors.New("busy") }, []string{"begin 1 begun here", "later 1 waiting", "close"}, 1, 1,
			[]string{".consume/1.ctl", ".consume/1.json", "1.txt", "1_1_a.pdf"}, "busy",
		},
		"another was first": {
			brought{begun: ErrLost}, nil, []string{"begin 1 begun here", "close"}, 0, 0, nil, "job left to another consumer",
		},
		"nobody can be asked": {
			brought{begun: down}, nil, []string{"begin 1 begun here", "later 1 waiting", "close"}, 0, 1,
			[]string{".consume/1.ctl", ".consume/1.json", "1.txt", "1_1_a.pdf"}, "no cluster",
		},
		"another had it too": {
			brought{judged: ErrLost}, nil, []string{"begin 1 begun here", "judge 1 done", "settled 1", "close"}, 1, 0,
			[]string{".done/today/1.ctl", ".done/today/1.txt", ".done/today/1_1_a.pdf"}, "the target may have it twice",
		},
		"jobs that could not be had": {
			brought{elsewhere: 2}, nil, []string{"begin 1 begun here", "judge 1 done", "settled 1", "close"}, 1, 2,
			[]string{".done/today/1.ctl", ".done/today/1.txt", ".done/today/1_1_a.pdf"}, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			submits := 0
			target := &fake{submit: func(j *Job) error {
				submits++
				if tt.submit != nil {
					return tt.submit(j)
				}
				return nil
			}}
			o := options(t, target)
			o.Source, o.Identity = &tt.source, "here"
			log := logged(&o)
			addJob(t, o, "1")
			left, err := New(o).Drain(t.Context())
			if err != nil || left != tt.left || submits != tt.submits || !slices.Equal(tt.source.said, tt.said) {
				t.Errorf("%d left, %d handed over, said %q, %v; want %d, %d, %q", left, submits, tt.source.said, err, tt.left, tt.submits, tt.said)
			}
			wantFiles(t, o, tt.files...)
			if tt.log != "" && log.count(tt.log) != 1 {
				t.Errorf("log:\n%s", log.buf.String())
			}
		})
	}
	o := options(t, new(fake))
	o.Source = &brought{opened: down}
	if _, err := New(o).Drain(t.Context()); !errors.Is(err, down) {
		t.Errorf("a source that cannot be opened: %v", err)
	}
}

// TestVerdictOfAnother: of two consumers at one job one brings it to an end. The other
// leaves it, and says so loudly where its target was given the job as well.
func TestVerdictOfAnother(t *testing.T) {
	t.Parallel()
	const begun = `{"state":"begun","key":"K","target":"here","begun":"2026-11-28T10:00:00Z"}`
	today := []string{".done/today/1.ctl", ".done/today/1.txt", ".done/today/1_1_a.pdf"}
	for name, tt := range map[string]struct {
		journal string // of before the start; "": it is new
		answer  Answer
		submit  func(*Job) error
		twice   bool // the target may have it
		files   []string
	}{
		"in doubt since before":          {begun, Unknown, nil, false, nil},
		"the target has it since before": {begun, Yes, nil, false, nil},
		"failed before":                  {`{"state":"failed","key":"K","reason":"busy"}`, No, nil, false, nil},
		"refused":                        {"", No, refuse, false, nil},
		"in doubt":                       {"", Unknown, func(*Job) error { return Uncertain(errors.New("cut off")) }, true, nil},
		"handed on":                      {"", No, nil, true, today},
		"handed on before":               {`{"state":"done","key":"K","folder":"2026-11-28"}`, No, nil, true, []string{".done/2026-11-28/1.ctl", ".done/2026-11-28/1.txt", ".done/2026-11-28/1_1_a.pdf"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := &fake{answer: tt.answer, submit: tt.submit}
			o := options(t, target)
			source := &brought{judged: ErrLost}
			o.Source, o.Identity = source, "here"
			log := logged(&o)
			if tt.journal == "" {
				addJob(t, o, "1")
			} else {
				interrupt(t, o, "1", tt.journal)
			}
			if left := drain(t, o); left != 0 {
				t.Errorf("%d left", left)
			}
			wantFiles(t, o, slices.Clone(tt.files)...)
			loud, left := log.count("the target may have it twice") == 1, log.count("job left to another consumer") == 1
			if loud != tt.twice || left != (tt.files == nil) || slices.Contains(source.said, "settled 1") == left {
				t.Errorf("said %q, log:\n%s", source.said, log.buf.String())
			}
		})
	}
}

// TestVerdictOfSource: a job of which the source says what has become of it is given to
// no target, and comes to that end; what its target has is asked first.
func TestVerdictOfSource(t *testing.T) {
	t.Parallel()
	const begun = `{"state":"begun","key":"K","target":"here","begun":"2026-11-28T10:00:00Z"}`
	done := []string{".done/today/1.ctl", ".done/today/1.txt", ".done/today/1_1_a.pdf"}
	failed := []string{".failed/1.ctl", ".failed/1.txt", ".failed/1_1_a.pdf", ".failed/1.err"}
	for name, tt := range map[string]struct {
		source brought
		answer Answer
		files  []string
	}{
		"gone":                            {brought{begun: &Verdict{folder.Failed, "gone"}}, Unknown, failed},
		"gone, and the target has it not": {brought{begun: &Verdict{folder.Failed, "gone"}}, No, failed},
		"gone, and the target has it":     {brought{begun: &Verdict{folder.Failed, "gone"}}, Yes, done},
		"done before":                     {brought{begun: &Verdict{folder.Done, ""}}, No, done},
		"judged otherwise: done before":   {brought{judged: &Verdict{folder.Done, ""}, begun: &Verdict{folder.Failed, "gone"}}, No, append(slices.Clone(done), ".failed/1.ctl")},
		"judged otherwise: failed before": {brought{judged: &Verdict{folder.Failed, "refused"}}, Yes, failed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := &fake{answer: tt.answer}
			o := options(t, target)
			o.Source, o.Identity, o.Resend = &tt.source, "here", true
			log := logged(&o)
			interrupt(t, o, "1", begun)
			if strings.HasPrefix(name, "judged otherwise: done") { // by way of a room of its own
				if err := os.Mkdir(o.Failed, 0o755); err != nil {
					t.Fatal(err)
				}
				write(t, filepath.Join(o.Failed, "1.ctl"), "another of its name")
			}
			drain(t, o)
			if target.asked != 1 || len(target.got) > 0 {
				t.Errorf("asked %d times, handed over %q", target.asked, target.got)
			}
			wantFiles(t, o, slices.Clone(tt.files)...)
			if !slices.Contains(tt.source.said, "settled 1") || log.count("job handed on")+log.count("job not handed on") != 1 {
				t.Errorf("said %q, log:\n%s", tt.source.said, log.buf.String())
			}
		})
	}
}

// forgetful is a source whose folder keeps the journal of a job that has a verdict.
type forgetful struct {
	*brought
	journal string
}

func (s forgetful) Judge(ctx context.Context, stem string, j *folder.Journal) error {
	return errors.Join(os.Remove(s.journal), os.MkdirAll(filepath.Join(s.journal, "x"), 0o755), s.brought.Judge(ctx, stem, j))
}

// TestNotForgotten: a job that has left the folder goes from its source too, whatever
// stays there of it.
func TestNotForgotten(t *testing.T) {
	t.Parallel()
	o := options(t, new(fake))
	source := forgetful{new(brought), filepath.Join(o.Folder, ".consume", "1.json")}
	o.Source = source
	addJob(t, o, "1")
	if _, err := New(o).Drain(t.Context()); err == nil || !strings.Contains(err.Error(), "1.json") {
		t.Errorf("nothing is said of what stays: %v", err)
	}
	if !slices.Contains(source.said, "settled 1") {
		t.Errorf("said %q", source.said)
	}
}

// TestDoubtStays: a job that was begun before, and that the source gives to nobody now, is
// begun still: the next start must not take it for one that nobody was given.
func TestDoubtStays(t *testing.T) {
	t.Parallel()
	target := &fake{answer: No}
	o := options(t, target)
	o.Source, o.Identity = &brought{begun: errors.New("no cluster")}, "here"
	interrupt(t, o, "1", `{"state":"begun","key":"K","target":"here","begun":"2026-11-28T10:00:00Z"}`)
	if left := drain(t, o); left != 1 || len(target.got) > 0 {
		t.Errorf("%d left, handed over %q", left, target.got)
	}
	if journal, err := os.ReadFile(filepath.Join(o.Folder, ".consume", "1.json")); err != nil || !strings.Contains(string(journal), `"state":"begun"`) {
		t.Errorf("journal %s, %v", journal, err)
	}
}

// TestLaterUnsaid: where the others cannot be told that the target does not have a job,
// one that was begun before is begun still, and any other waits.
func TestLaterUnsaid(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		before string
		unsaid bool
		want   string
	}{{"begun", true, "begun"}, {"begun", false, "waiting"}, {"waiting", true, "waiting"}, {"waiting", false, "waiting"}} {
		o := options(t, &fake{answer: No, submit: func(*Job) error { return errors.New("busy") }})
		source := &brought{unsaid: tt.unsaid}
		o.Source, o.Identity = source, "here"
		interrupt(t, o, "1", `{"state":"`+tt.before+`","key":"K","target":"here","begun":"2026-11-28T10:00:00Z"}`)
		if left := drain(t, o); left != 1 || !slices.Contains(source.said, "later 1 waiting") {
			t.Errorf("%+v: %d left, said %q", tt, left, source.said)
		}
		if journal, err := os.ReadFile(filepath.Join(o.Folder, ".consume", "1.json")); err != nil || !strings.Contains(string(journal), `"state":"`+tt.want+`"`) {
			t.Errorf("%+v: journal %s, %v", tt, journal, err)
		}
	}
}

// TestOneNumberHoweverWritten: what the target dials as one number is one number
// here, too: its jobs go one after the other.
func TestOneNumberHoweverWritten(t *testing.T) {
	t.Parallel()
	target := &fake{submit: func(j *Job) error {
		if j.Stem == "00" {
			return errors.New("busy")
		}
		return nil
	}}
	o := options(t, target)
	o.RetryDelay, o.RetryDelayMax = time.Hour, time.Hour
	for i, written := range []string{
		"+420603123456", "+420 603 123 456", "+420-603/123.456", "+(420)603123456", "+420 (0)603123456", "＋４２０603123456",
		"+420\u00a0603\u00a0123\u00a0456", "+420\t603123456", "+420[603]123456", "+420\u2011603\u2013123456",
	} {
		jobTo(t, o, fmt.Sprintf("%02d", i), written, "", time.Duration(100-i)*time.Minute)
	}
	if drain(t, o); len(target.got) > 0 {
		t.Errorf("%q went, while the first to their number waits", target.got)
	}
}

// TestGauges: what is asked of a consumer by Prometheus.
func TestGauges(t *testing.T) {
	t.Parallel()
	read := func(r *prometheus.Registry) map[string]float64 {
		t.Helper()
		families, err := r.Gather()
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]float64{}
		for _, f := range families {
			name, ours := strings.CutPrefix(f.GetName(), "smtpreceiver_")
			if !ours {
				continue
			}
			for _, m := range f.GetMetric() {
				key := name
				for _, l := range m.GetLabel() {
					key += " " + l.GetValue()
				}
				all[key] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
		return all
	}
	target := &fake{submit: func(j *Job) error {
		switch j.Stem {
		case "1":
			return nil
		case "2":
			return Permanent(errors.New("no such number"))
		case "3":
			return Uncertain(errors.New("killed"))
		}
		return errors.New("busy")
	}, answer: Unknown}
	o := options(t, target)
	o.RetryDelay, o.RetryDelayMax = time.Hour, time.Hour
	for i, stem := range []string{"1", "2", "3", "4"} {
		jobTo(t, o, stem, stem, "", time.Duration(i+1)*time.Minute)
	}
	c := New(o)
	registry := NewRegistry("1.2", func(letter string) uint64 { return uint64(letter[0]) }, c)
	if left, err := c.Drain(t.Context()); left != 3 || err != nil {
		t.Fatalf("%d left, %v", left, err)
	}
	got := read(registry)
	for key, want := range map[string]float64{
		"consume_tries_total fax done": 1, "consume_tries_total fax refused": 1, "consume_tries_total fax doubt": 1, "consume_tries_total fax later": 1,
		"consume_settled_total done fax": -1, "consume_settled_total fax done": 1, "consume_settled_total fax failed": 2,
		"consume_failures_total fax refused": 1, "consume_failures_total fax in_doubt": 1, "consume_failures_total fax given_up": 0, "consume_failures_total fax unreadable": 0,
		"consume_jobs fax waiting": 1, "consume_jobs fax held": 0, "consume_jobs fax failed": 2, "consume_seconds fax": 4,
		"consume_down fax": 0, "log_messages_total error": 'E', "log_messages_total warning": 'W',
	} {
		if value, there := got[key]; want < 0 && there || want >= 0 && (!there || value != want) {
			t.Errorf("%s is %v (there %v), want %v", key, value, there, want)
		}
	}
	build := 0.0
	for key, value := range got {
		if strings.HasPrefix(key, "build_info ") && strings.Contains(key, " 1.2") && strings.Contains(key, "consume") {
			build += value
		}
	}
	if build != 1 {
		t.Errorf("%v programs: %v", build, got)
	}
	if age := got["consume_oldest_seconds fax"]; age < 240 || age > 900 {
		t.Errorf("the oldest waits %v s, want four minutes", age)
	}
	c.mu.Lock()
	c.health.down = true
	c.mu.Unlock()
	if got := read(registry); got["consume_down fax"] != 1 {
		t.Errorf("a target that is down: %v", got)
	}
}

// TestLargeText: the largest text is read, one that is larger fails its job.
func TestLargeText(t *testing.T) {
	t.Parallel()
	for _, more := range []int64{0, 1} {
		var size int
		var read error
		target := &fake{submit: func(j *Job) error {
			text, err := j.ReadFile(j.Text)
			size, read = len(text), err
			return errors.Join(err, Permanent(errors.New("enough")))
		}}
		o := options(t, target)
		addJob(t, o, "1")
		if err := os.Truncate(filepath.Join(o.Folder, "1.txt"), maxText+more); err != nil {
			t.Fatal(err)
		}
		drain(t, o)
		if more == 0 && (read != nil || size != maxText) || more == 1 && (!is[permanentError](read) || !strings.Contains(fmt.Sprint(read), "16 MiB")) {
			t.Errorf("%d bytes more than may be: read %d, %v", more, size, read)
		}
	}
}

// TestUntil: a report on a delay says until when it is tried.
func TestUntil(t *testing.T) {
	t.Parallel()
	o := options(t, new(fake))
	o.GiveUpAfter = 2 * time.Hour
	reporting(&o, "127.0.0.1:1")
	o.Reports.DelayAfter = time.Nanosecond
	addReported(t, o, "1", "DELAY")
	c := New(o)
	if err := c.open(); err != nil {
		t.Fatal(err)
	}
	first := time.Now().Add(-time.Hour).Truncate(time.Second)
	h, err := c.folder.Take("1")
	if err != nil {
		t.Fatal(err)
	}
	h.Journal.First, h.Journal.Reason = first, "busy"
	if err := errors.Join(h.Save(false), h.Release()); err != nil {
		t.Fatal(err)
	}
	if over, err := c.reporter.delayed("1"); !over || err != nil {
		t.Fatalf("%v, %v", over, err)
	}
	names, err := filepath.Glob(filepath.Join(o.Folder, ".consume/reports/*.delayed"))
	if err != nil || len(names) != 1 {
		t.Fatalf("%q, %v", names, err)
	}
	letter, err := os.ReadFile(names[0])
	if want := "Will-Retry-Until: " + first.Add(2*time.Hour).Format(time.RFC1123Z); err != nil || !strings.Contains(string(letter), want) {
		t.Errorf("%s, %v; want %q", letter, err, want)
	}
	c.close()
}
