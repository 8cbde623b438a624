package status

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"smtpreceiver/core/consume/folder"
	"smtpreceiver/core/consume/joblist"
	"smtpreceiver/core/logging"
	"smtpreceiver/core/monitor"
	"smtpreceiver/core/queue"
	"smtpreceiver/core/spool"
)

// at is the time of the reports below, and warn their limit.
var at = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const warn = 15 * time.Minute

func reportAt() *Report { return &Report{now: at, warn: warn, Problems: []string{}} }

// ago is a time before at.
func ago(d time.Duration) time.Time { return at.Add(-d) }

// wantProblems fails the test unless got are the problems of want, word for word.
func wantProblems(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}

// TestSpool: each state of a folder that needs a look is said, and no other.
func TestSpool(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		state spool.State
		err   error
		want  []string
	}{
		"nothing":          {state: spool.State{Free: 100}},
		"young":            {state: spool.State{Free: 100, Waiting: 1, Oldest: "1.ctl", Since: ago(warn), Staged: 3}},
		"old":              {state: spool.State{Free: 100, Waiting: 1, Oldest: "1.ctl", Since: ago(warn + time.Minute)}, want: []string{"fax: 1.ctl has waited for 16m, is the reader of /fax running?"}},
		"left over":        {state: spool.State{Free: 100, Leftovers: 1}, want: []string{"fax: 1 staged files are older than 15m; a start of the service, or its recovery of each minute, settles those of a crash"}},
		"set aside":        {state: spool.State{Free: 100, SetAside: 1, Aside: "/fax/.staging/x"}, want: []string{"fax: what a crash left in /fax/.staging/x cannot be read: move the jobs in it into the output folder by hand, data files before CTL, if their senders have not sent them again; then remove it"}},
		"full":             {state: spool.State{Free: 99}, want: []string{"fax: 99 B free, min_free_space asks for 100 B: make room in /fax"}},
		"cannot be opened": {err: errors.Join(errors.New("one"), errors.New("two")), want: []string{"fax: one; two"}},
	} {
		r := reportAt()
		r.addSpool("fax", "/fax", c.state, c.err, 100, nil)
		wantProblems(t, what, r.Problems, append([]string{}, c.want...)...)
		if a := r.Applications[0]; a.App != "fax" || a.Folder != "/fax" || a.Waiting != c.state.Waiting || a.Oldest != c.state.Oldest || a.Staged != c.state.Staged || a.Leftovers != c.state.Leftovers || a.FreeBytes != c.state.Free {
			t.Errorf("%s: %+v", what, a)
		}
	}
}

// TestErrorsLogged: each error within the limit counts, a warning does not.
func TestErrorsLogged(t *testing.T) {
	t.Parallel()
	event := func(level string, age time.Duration) logging.Event {
		return logging.Event{Level: level, Time: ago(age)}
	}
	for n, events := range [][]logging.Event{
		{event("E", time.Hour), event("E", warn), event("W", 0), event("W", time.Minute)},
		{event("E", warn-time.Second)},
		{event("E", time.Minute), event("E", warn), event("W", time.Minute), event("E", 0)},
	} {
		want := []string{} // nor does it count that a consumer reads no configuration anew
		if n > 0 {
			want = append(want, fmt.Sprint("errors logged within 15m: ", n))
		}
		r := reportAt()
		r.judgeService(&monitor.View{Errors: events})
		wantProblems(t, fmt.Sprint(events), r.Problems, want...)
	}
}

// TestState: the room of state_directory is judged; before the first start there is none.
func TestState(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		free uint64
		err  error
		want []string
	}{
		"enough":       {free: 100},
		"full":         {free: 99, want: []string{"state_directory: 99 B free, min_free_space asks for 100 B: make room in /state"}},
		"not there":    {err: &os.PathError{Op: "statfs", Path: "/state", Err: fs.ErrNotExist}},
		"not readable": {err: fs.ErrPermission, want: []string{"state_directory: permission denied"}},
	} {
		r := reportAt()
		r.addState(State{"/state", c.free}, c.err, 100)
		wantProblems(t, what, r.Problems, append([]string{}, c.want...)...)
		if r.State != (State{"/state", c.free}) {
			t.Errorf("%s: %+v", what, r.State)
		}
	}
}

// TestConsumer: the consumer's count of jobs is the one that is shown, and what
// keeps the consumer from its work is said.
func TestConsumer(t *testing.T) {
	t.Parallel()
	last := &joblist.Job{ID: "7", Reason: "busy"}
	waits := folder.Counts{Waiting: 2, Oldest: "1", Since: ago(20 * time.Minute)}
	for what, c := range map[string]struct {
		count joblist.Count
		want  []string
	}{
		"nothing":     {},
		"not tried":   {joblist.Count{Counts: waits}, []string{"fax: 1.ctl has waited for 20m, is smtpreceiver consume modem running?"}},
		"tried":       {joblist.Count{Counts: waits, LastTry: "no carrier"}, []string{"fax: 1.ctl has waited for 20m, the last try: no carrier"}},
		"not trusted": {joblist.Count{Untrusted: "one\ntwo"}, []string{"fax: consume.modem cannot work: one; two"}},
		"failed": {joblist.Count{Counts: folder.Counts{Failed: 3}, Last: map[string]*joblist.Job{"failed": last}},
			[]string{"fax: jobs failed: 3, the last of them 7: busy (smtpreceiver jobs list --app fax --state failed; then retry or drop)"}},
		"held": {joblist.Count{Counts: folder.Counts{Held: 1}, Last: map[string]*joblist.Job{"held": last}},
			[]string{"fax: jobs held: 1, the last of them 7: busy (smtpreceiver jobs list --app fax --state held; then retry or drop)"}},
		"reports, young": {count: joblist.Count{Reports: folder.Reports{Waiting: 1, Oldest: ago(warn), Reason: "no route"}}},
		"reports, not tried": {joblist.Count{Reports: folder.Reports{Waiting: 1, Oldest: ago(time.Hour)}},
			[]string{"fax: reports to senders wait: 1, the oldest for 1h0m: is smtpreceiver consume modem running?"}},
		"reports, tried": {joblist.Count{Reports: folder.Reports{Waiting: 1, Oldest: ago(time.Hour), Reason: "no route"}},
			[]string{"fax: reports to senders wait: 1, the oldest for 1h0m: no route"}},
		"reports without a server": {joblist.Count{Reports: folder.Reports{Waiting: 1, Oldest: ago(time.Second)}, Unsent: "/fax/.reports"},
			[]string{"fax: reports to senders wait: 1, the oldest for 1s, and reports.smtp_server is not set: set it again and restart smtpreceiver consume modem, which sends them; or, if senders are to hear nothing, remove the files in /fax/.reports"}},
		"no reports without a server": {count: joblist.Count{Unsent: "/fax/.reports"}},
	} {
		r := reportAt()
		c.count.Consumer = "modem"
		// What the spool counts is what no consumer has looked at: not shown here.
		r.addSpool("fax", "/fax", spool.State{Waiting: 9, Oldest: "9.ctl", Since: ago(time.Hour)}, nil, 0, &c.count)
		wantProblems(t, what, r.Problems, append([]string{}, c.want...)...)
		a := r.Applications[0]
		if a.Consumer != "modem" || a.Waiting != c.count.Waiting || a.Held != c.count.Held || a.Failed != c.count.Failed || a.Reports != c.count.Reports.Waiting || (a.Oldest == "1.ctl") != (c.count.Oldest == "1") || (a.AgeSeconds == 1200) != (c.count.Oldest == "1") {
			t.Errorf("%s: %+v", what, a)
		}
	}
}

// TestServers: a server that is down is said with what one more would mean, and one
// that is behind.
func TestServers(t *testing.T) {
	t.Parallel()
	up := func(name string) queue.Node { return queue.Node{Name: name, Up: true, Current: true} }
	const next, taken = "one more that fails, and no jobs are taken", "jobs are taken"
	for what, c := range map[string]struct {
		servers []queue.Node
		want    []string
	}{
		"three up":           {servers: []queue.Node{up("a"), up("b"), up("c")}},
		"two of three":       {[]queue.Node{up("a"), {Name: "b"}, up("c")}, []string{"server b of the queue is down (" + next + "): start it, or see its log"}},
		"four of five":       {[]queue.Node{up("a"), {Name: "b"}, up("c"), up("d"), up("e")}, []string{"server b of the queue is down (" + taken + "): start it, or see its log"}},
		"the first of three": {[]queue.Node{{Name: "a", Current: true}, up("b"), up("c")}, []string{"server a of the queue is down (" + next + "): start it, or see its log"}},
		"the last of three":  {[]queue.Node{up("a"), up("b"), {Name: "c"}}, []string{"server c of the queue is down (" + next + "): start it, or see its log"}},
		"two of five": {[]queue.Node{{Name: "a"}, up("b"), up("c"), up("d"), {Name: "e"}}, []string{
			"server a of the queue is down (" + next + "): start it, or see its log", "server e of the queue is down (" + next + "): start it, or see its log"}},
		"three of four": {[]queue.Node{up("a"), {Name: "b"}, up("c"), up("d")},
			[]string{"server b of the queue is down (" + next + "): start it, or see its log"}},
		"behind": {[]queue.Node{up("a"), {Name: "b", Up: true, Behind: 17}, up("c")}, []string{"server b of the queue is behind the others by 17 records: restart no other before it has them"}},
	} {
		r := reportAt()
		r.Queue = &Queue{Servers: c.servers}
		r.judgeServers()
		wantProblems(t, what, r.Problems, append([]string{}, c.want...)...)
	}
	if got := stuck(nil); !strings.Contains(got, "no consumer of the queue was heard of") {
		t.Errorf("no consumer: %s", got)
	}
	if got := stuck([]string{"a on x", "b on y"}); got != "see the log of consume.a on x, consume.b on y; smtpreceiver jobs list shows who has it" {
		t.Errorf("two consumers: %s", got)
	}
}

// TestQueued: an application in the queue has its own jobs and its own consumers.
func TestQueued(t *testing.T) {
	t.Parallel()
	workers := []queue.Worker{{App: "sms", Name: "smsd", Host: "a", Down: true}, {App: "fax", Name: "hylafax", Host: "a"}, {App: "sms", Name: "smsd", Host: "b"}, {App: "fax", Name: "hylafax", Host: "b", Down: true}}
	waits := func(d time.Duration) queue.Depth {
		return queue.Depth{New: 2, Given: 3, Oldest: &queue.Found{Job: &queue.Job{Stem: "00000007"}, Since: ago(d)}}
	}
	for what, c := range map[string]struct {
		app   string
		depth queue.Depth
		err   error
		here  []*joblist.Count
		want  []string
	}{
		"nothing": {app: "other"},
		"two consumers of this machine": {app: "other", here: []*joblist.Count{
			{Counts: folder.Counts{Held: 1, Failed: 2}, Reports: folder.Reports{Waiting: 4}},
			{Counts: folder.Counts{Held: 8, Failed: 16}, Reports: folder.Reports{Waiting: 32}}}},
		"young": {app: "other", depth: waits(warn)},
		"old":   {app: "other", depth: waits(time.Hour), want: []string{"other: 00000007.ctl has waited for 1h0m, " + stuck(nil)}},
		"old, with consumers": {app: "fax", depth: waits(time.Hour), want: []string{"fax: the target of consume.hylafax on b is down",
			"fax: 00000007.ctl has waited for 1h0m, see the log of consume.hylafax on a, consume.hylafax on b; smtpreceiver jobs list shows who has it"}},
		"first of the consumers": {app: "sms", want: []string{"sms: the target of consume.smsd on a is down"}},
		"not known":              {app: "other", err: errors.New("no leader"), want: []string{"other: no leader"}},
	} {
		r := reportAt()
		r.Queue = &Queue{Name: "q", Consumers: workers}
		r.addQueued(c.app, c.depth, 42, c.err, c.here)
		wantProblems(t, what, r.Problems, append([]string{}, c.want...)...)
		want := Application{App: c.app, Folder: "queue q", Waiting: c.depth.Jobs(), FreeBytes: 42, Consumer: map[string]string{"fax": "hylafax", "sms": "smsd"}[c.app]}
		if len(c.here) > 0 {
			want.Held, want.Failed, want.Reports = 9, 18, 36
		}
		if o := c.depth.Oldest; o != nil {
			want.Oldest, want.Since, want.AgeSeconds = "00000007.ctl", o.Since, int64(at.Sub(o.Since).Seconds())
		}
		if got := r.Applications; len(got) != 1 || got[0] != want {
			t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
		}
	}
}

// TestRoomOfQueue: min_free_space counts where the queue has a limit.
func TestRoomOfQueue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		limit, free uint64
		enough      bool
	}{{1000, 100, true}, {1000, 99, false}, {1, 0, false}, {0, 99, true}} {
		r := reportAt()
		r.Queue = &Queue{MaxBytes: c.limit}
		if r.judgeRoom(c.free, 100); (len(r.Problems) == 0) != c.enough {
			t.Errorf("%+v: %q", c, r.Problems)
		}
	}
}

func TestShort(t *testing.T) {
	t.Parallel()
	got := map[string]string{}
	for _, d := range []time.Duration{0, 1499 * time.Millisecond, 59 * time.Second, time.Minute, 89 * time.Second, 90 * time.Second, time.Hour + 20*time.Second, 26 * time.Hour} {
		got[d.String()] = Short(d)
	}
	want := map[string]string{"0s": "0s", "1.499s": "1s", "59s": "59s", "1m0s": "1m", "1m29s": "1m", "1m30s": "2m", "1h0m20s": "1h0m", "26h0m0s": "26h0m"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
