package folder

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/report"
)

const (
	shut     = "every call on it fails"
	unsynced = "its next syncs fail, and nothing else"
)

// fail makes calls on an open folder fail.
func fail(t *testing.T, how string, d *dir) {
	t.Helper()
	switch how {
	case shut:
		d.close()
	case unsynced:
		fd, err := unix.Open(d.path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		d.self.Close()
		d.self = os.NewFile(uintptr(fd), d.path)
	}
}

// TestFaultsAreSaid: an error of any folder is that of the call that met it: a job
// is never taken for safe, settled or gone that is not.
func TestFaultsAreSaid(t *testing.T) {
	t.Parallel()
	output := func(f *Folder) *dir { return f.output }
	work := func(f *Folder) *dir { return f.work }
	done := func(f *Folder) *dir { return f.doneHome.dir }
	failed := func(f *Folder) *dir { return f.failedHome.dir }
	day := func(f *Folder) *dir { return f.doneHome.days[today(time.Now())] }
	of := func(do func(*Held) error) func(*testing.T, *Folder) func() error {
		return func(t *testing.T, f *Folder) func() error {
			h := mustTake(t, f, "00000042")
			if _, err := f.doneHome.dirOf(today(time.Now())); err != nil { // the day is open
				t.Fatal(err)
			}
			return func() error { return do(h) }
		}
	}
	alone := func(do func(f *Folder) error) func(*testing.T, *Folder) func() error {
		return func(_ *testing.T, f *Folder) func() error { return func() error { return do(f) } }
	}
	settled := func(s State, do func(f *Folder, e *Entry) error) func(*testing.T, *Folder) func() error {
		return func(t *testing.T, f *Folder) func() error {
			h := mustTake(t, f, "00000042")
			if err := settle(t, f, h, s); err != nil {
				t.Fatal(err)
			}
			return func() error {
				return do(f, &Entry{Stem: "00000042", Path: filepath.Join(h.home().path, h.Journal.Room, "00000042.ctl")})
			}
		}
	}
	waiting := func(do func(f *Folder, e *Entry) error) func(*testing.T, *Folder) func() error {
		return func(t *testing.T, f *Folder) func() error {
			e := onItsWay(t, f, Journal{State: Waiting})
			return func() error { return do(f, e) }
		}
	}
	judged := func(s State) func(*testing.T, *Folder) func() error {
		return func(t *testing.T, f *Folder) func() error {
			h := mustTake(t, f, "00000042")
			if err := h.Judge(s, "why", time.Now()); err != nil {
				t.Fatal(err)
			}
			return func() error {
				v, beside := &Verdict{Held: h, Files: []string{"00000042.txt"}}, &Verdict{Held: h, Err: fs.ErrInvalid}
				f.Settle([]*Verdict{beside, v})
				if !errors.Is(beside.Err, fs.ErrInvalid) || v.Err != nil && !strings.Contains(v.Err.Error(), "job 00000042 is "+string(s)+" but cannot be moved to "+h.home().path) {
					t.Errorf("%v, beside it %v", v.Err, beside.Err)
				}
				return v.Err
			}
		}
	}
	boxed := func(how string, do func(o *Outbox, h *Held) error) func(*testing.T, *Folder) func() error {
		return func(t *testing.T, f *Folder) func() error {
			h := mustTake(t, f, "00000042")
			o, err := f.Outbox()
			if err == nil {
				err = o.Put(h, &Letter{Action: report.Failed})
			}
			if err != nil {
				t.Fatal(err)
			}
			fail(t, how, o.dir)
			return func() error { return do(o, h) }
		}
	}
	admit := func(f *Folder) error {
		return f.Admit(&Admitted{Stem: "x", Journal: &Journal{State: Waiting, Key: "AAAAAAAA"}, Files: []string{"x.txt", "x.ctl"}, Control: "x.ctl",
			Write: func(string, io.Writer) error { return nil }})
	}
	clean := func(f *Folder) error { return f.Clean(1, 1, time.Now().AddDate(0, 0, 9)) }
	for name, tt := range map[string]struct {
		at  func(*Folder) *dir
		how string
		do  func(*testing.T, *Folder) func() error
	}{
		"take, its lock":             {work, shut, alone(func(f *Folder) error { _, err := f.Take("00000042"); return err })},
		"take, the new job":          {output, shut, alone(func(f *Folder) error { _, err := f.Take("00000042"); return err })},
		"look, on its way":           {work, shut, alone(func(f *Folder) error { _, err := f.Look("00000042"); return err })},
		"look, new":                  {output, shut, alone(func(f *Folder) error { _, err := f.Look("00000042"); return err })},
		"stems, new":                 {output, shut, alone(func(f *Folder) error { return f.Stems(func(string) {}) })},
		"stems, on their way":        {work, shut, alone(func(f *Folder) error { return f.Stems(func(string) {}) })},
		"changed":                    {output, shut, alone(func(f *Folder) error { _, err := f.Changed(); return err })},
		"clean, requests":            {output, shut, alone(clean)},
		"clean, lanes":               {work, shut, alone(clean)},
		"clean, done":                {done, shut, alone(clean)},
		"clean, failed":              {failed, shut, alone(clean)},
		"begin, its room":            {done, shut, of(func(h *Held) error { h.folder.doneHome.forget(); return h.Begin(time.Now()) })},
		"begin, the day":             {day, shut, of(func(h *Held) error { return h.Begin(time.Now()) })},
		"begin, on disk":             {work, unsynced, of(func(h *Held) error { return h.Begin(time.Now()) })},
		"save":                       {work, shut, of(func(h *Held) error { return h.Save(false) })},
		"judge, done":                {day, shut, of(func(h *Held) error { return h.Judge(Done, "", time.Now()) })},
		"judge, failed":              {failed, shut, of(func(h *Held) error { return h.Judge(Failed, "", time.Now()) })},
		"judge":                      {work, shut, of(func(h *Held) error { return h.Judge(Failed, "", time.Now()) })},
		"keep, its room":             {day, shut, of(func(h *Held) error { _, err := h.Keep(nil, time.Now()); return err })},
		"keep, on disk":              {work, unsynced, of(func(h *Held) error { _, err := h.Keep(nil, time.Now()); return err })},
		"keep, files":                {output, shut, of(func(h *Held) error { _, err := h.Keep([]string{"00000042.txt"}, time.Now()); return err })},
		"keep, files on disk":        {day, unsynced, of(func(h *Held) error { _, err := h.Keep(nil, time.Now()); return err })},
		"open":                       {output, shut, of(func(h *Held) error { _, err := h.Open("00000042.txt"); return err })},
		"copy":                       {output, shut, of(func(h *Held) error { return h.CopyTo("00000042.txt", filepath.Join(t.TempDir(), "x")) })},
		"copy of the control file":   {work, shut, of(func(h *Held) error { return h.CopyControlTo(filepath.Join(t.TempDir(), "x")) })},
		"request, read":              {output, shut, of(func(h *Held) error { _, err := h.Request(); return err })},
		"request, written":           {output, shut, of(func(h *Held) error { return h.SaveRequest(&report.Request{}) })},
		"request, on disk":           {output, unsynced, of(func(h *Held) error { return h.SaveRequest(&report.Request{}) })},
		"last, files on disk":        {output, unsynced, of(func(h *Held) error { return h.Last(nil) })},
		"last, its journal on disk":  {work, unsynced, of(func(h *Held) error { return h.Last(nil) })},
		"last, files":                {output, shut, of(func(h *Held) error { return h.Last([]string{"00000042.txt"}) })},
		"last, files by name":        {output, shut, of(func(h *Held) error { return h.Last(nil) })},
		"last, the control file":     {work, shut, of(func(h *Held) error { return h.Last([]string{}) })},
		"release":                    {work, shut, of((*Held).Release)},
		"enter":                      {work, shut, of(func(h *Held) error { return h.Enter("1") })},
		"forget":                     {work, shut, of((*Held).Forget)},
		"discard":                    {work, shut, of(func(h *Held) error { return h.Discard([]string{}) })},
		"discard, files":             {output, shut, of(func(h *Held) error { return h.Discard([]string{"00000042.txt"}) })},
		"discard, files by name":     {output, shut, of(func(h *Held) error { return h.Discard(nil) })},
		"settle, files":              {output, shut, judged(Done)},
		"settle, done":               {day, shut, judged(Done)},
		"settle, done, on disk":      {day, unsynced, judged(Done)},
		"settle, failed":             {failed, shut, judged(Failed)},
		"settle, failed, on disk":    {failed, unsynced, judged(Failed)},
		"settle, gone on disk":       {work, unsynced, judged(Done)},
		"settle, control file":       {work, shut, judged(Done)},
		"again, waiting, new place":  {output, unsynced, waiting(func(f *Folder, e *Entry) error { return f.Again(e, nil) })},
		"again, waiting, old place":  {work, unsynced, waiting(func(f *Folder, e *Entry) error { return f.Again(e, nil) })},
		"again, failed, new place":   {output, unsynced, settled(Failed, func(f *Folder, e *Entry) error { return f.Again(e, nil) })},
		"again, failed, old place":   {failed, unsynced, settled(Failed, func(f *Folder, e *Entry) error { return f.Again(e, nil) })},
		"again, failed, by name":     {failed, shut, settled(Failed, func(f *Folder, e *Entry) error { return f.Again(e, nil) })},
		"again, failed, the output":  {output, shut, settled(Failed, func(f *Folder, e *Entry) error { return f.Again(e, nil) })},
		"drop, failed":               {failed, shut, settled(Failed, func(f *Folder, e *Entry) error { return f.Drop(e, nil) })},
		"drop, waiting":              {output, shut, waiting(func(f *Folder, e *Entry) error { return f.Drop(e, nil) })},
		"drop, waiting, named files": {output, shut, waiting(func(f *Folder, e *Entry) error { return f.Drop(e, []string{"00000042.txt"}) })},
		"drop, its lock":             {work, shut, settled(Failed, func(f *Folder, e *Entry) error { return f.Drop(e, nil) })},
		"tell": {work, shut, settled(Done, func(f *Folder, e *Entry) error {
			_, err := f.Tell(e, report.Failed, nil)
			return err
		})},
		"outbox":                      {work, shut, alone(func(f *Folder) error { _, err := f.Outbox(); return err })},
		"letters, of jobs on the way": {work, shut, boxed("", func(o *Outbox, _ *Held) error { _, err := o.Ready(); return err })},
		"letters":                     {nil, "", boxed(shut, func(o *Outbox, _ *Held) error { _, err := o.Ready(); return err })},
		"letter, read":                {nil, "", boxed(shut, func(o *Outbox, h *Held) error { _, _, err := o.Read(letterName(h, report.Failed)); return err })},
		"letter, why it waits":        {nil, "", boxed(shut, func(o *Outbox, h *Held) error { return o.Note(letterName(h, report.Failed), Tried{}) })},
		"letter, on disk":             {nil, "", boxed(unsynced, func(o *Outbox, h *Held) error { return o.Put(h, &Letter{}) })},
		"letter, removed on disk":     {nil, "", boxed(unsynced, func(o *Outbox, h *Held) error { return o.Remove(letterName(h, report.Failed)) })},
		"letter, removed":             {nil, "", boxed(shut, func(o *Outbox, h *Held) error { return o.Remove(letterName(h, report.Failed)) })},
		"letter, withdrawn":           {nil, "", boxed(shut, func(o *Outbox, h *Held) error { return o.Withdraw(h) })},
		"who sends":                   {nil, "", boxed(shut, func(o *Outbox, _ *Held) error { _, err := o.Mine(); return err })},
		"admit":                       {work, shut, alone(admit)},
		"admit, files":                {output, shut, alone(admit)},
		"waiting ones discarded":      {work, shut, alone((*Folder).DiscardWaiting)},
		"halves discarded":            {output, shut, alone((*Folder).DiscardWaiting)},
	} {
		_, open := stage(t)
		f := mustOpen(t, open)
		do := tt.do(t, f)
		if tt.at != nil {
			fail(t, tt.how, tt.at(f))
		}
		if err := do(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestFaultsOfViews: what cannot be looked at is not counted as nothing.
func TestFaultsOfViews(t *testing.T) {
	t.Parallel()
	see := func(*Entry) error { return nil }
	each := func(states ...string) func(*View) error {
		return func(v *View) error { return v.Each(states, see) }
	}
	count := func(v *View) error { _, err := v.Count(); return err }
	latest := func(v *View) error { return v.Latest(5, see) }
	reports := func(v *View) error { _, err := v.Reports(); return err }
	told := func(v *View) error {
		_, _, err := v.Told(&Entry{Stem: "00000042", Path: filepath.Join(v.output.path, "00000042.ctl")})
		return err
	}
	for name, tt := range map[string]struct {
		at func(*View) *dir
		do []func(*View) error
	}{
		"output": {func(v *View) *dir { return v.output }, []func(*View) error{count, latest, each(StateWaiting), each(StateHeld)}},
		"work":   {func(v *View) *dir { return v.work }, []func(*View) error{count, latest, each(StateWaiting), each(StateHeld), reports, told}},
		"failed": {func(v *View) *dir { return v.failed }, []func(*View) error{count, latest, each(StateFailed)}},
		"done":   {func(v *View) *dir { return v.done }, []func(*View) error{latest, each(StateDone)}},
	} {
		output, open := stage(t)
		mustOpen(t, open)
		request, err := (&report.Request{Sender: "a@x.test"}).Encode()
		if err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(output, "00000042.report"), string(request))
		v, err := OpenView(output, filepath.Join(output, ".done"), filepath.Join(output, ".failed"))
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		for i, do := range tt.do {
			if err := do(v); err != nil {
				t.Errorf("%s, %d: %v", name, i, err)
			}
		}
		fail(t, shut, tt.at(v))
		for i, do := range tt.do {
			if err := do(v); err == nil {
				t.Errorf("%s, %d: no error", name, i)
			}
		}
	}
}

// TestNothingStaysOpen: no call keeps a file or a folder open that it opened, whether it
// went well or not.
func TestNothingStaysOpen(t *testing.T) {
	output, open := stage(t)
	f := mustOpen(t, open)
	day := filepath.Join(output, ".done/2026-01-02")
	request, err := (&report.Request{Sender: "a@x.test"}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{".failed/AAAAAAAA", ".done/2026-01-02/AAAAAAAA", ".consume/reports", ".foreign", ".done/2026-01-03"} {
		if err := os.MkdirAll(filepath.Join(output, path), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, room := range []string{".failed", ".failed/AAAAAAAA", ".done/2026-01-02", ".done/2026-01-02/AAAAAAAA"} {
		job(t, filepath.Join(output, room), "1")
		put(t, filepath.Join(output, room, "1.report"), string(request))
		put(t, filepath.Join(output, room, "1.err"), "Why: x\n")
	}
	put(t, filepath.Join(output, ".consume/reports/1-AAAAAAAA.final"), "{}\n")
	put(t, filepath.Join(output, ".consume/reports/1-AAAAAAAA.final.try"), "{}")
	put(t, filepath.Join(output, ".consume/reports/2-AAAAAAAA.final"), "x\n")
	put(t, filepath.Join(output, ".consume/2.json"), "x")
	put(t, filepath.Join(output, "00000042.report"), string(request))
	put(t, filepath.Join(output, ".done/file"), "x")
	root := os.Geteuid() == 0 // only then something can be somebody else's
	if root {
		if err := errors.Join(os.Chown(filepath.Join(output, ".foreign"), nobody, nobody), os.Chown(filepath.Join(output, ".done/2026-01-03"), nobody, nobody)); err != nil {
			t.Fatal(err)
		}
	}
	held := mustTake(t, f, "00000042")
	defer held.Release()
	o, err := f.Outbox()
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	failedOne := &Entry{Stem: "1", State: StateFailed, Path: filepath.Join(output, ".failed/1.ctl")}
	doneOne := &Entry{Stem: "1", State: StateDone, Path: filepath.Join(day, "1.ctl")}
	nothing := func(*Entry) error { return nil }
	looking := func(do func(*View) error) func() error {
		return func() error {
			v, err := OpenView(output, f.doneHome.path, f.failedHome.path)
			if err != nil {
				return err
			}
			defer v.Close()
			return do(v)
		}
	}
	boxed := func(do func(o *Outbox) error) func() error {
		return func() error {
			box, err := f.Outbox()
			if err != nil {
				return err
			}
			return errors.Join(do(box), box.Close())
		}
	}
	opened := func(done string) func() error {
		return func() error {
			f, err := Open(output, done, f.failedHome.path)
			if err == nil {
				f.Close()
			}
			return err
		}
	}
	n := 0
	for name, tt := range map[string]struct {
		do     func() error
		failed bool
	}{
		"open":              {opened(f.doneHome.path), false},
		"open another's":    {opened(filepath.Join(output, ".foreign")), root},
		"open no folder":    {opened(filepath.Join(output, ".done/file")), true},
		"open in itself":    {opened(filepath.Join(output, "00000042.txt")), true},
		"look at all":       {looking(func(v *View) error { return v.Each([]string{StateWaiting, StateFailed, StateDone}, nothing) }), false},
		"newest":            {looking(func(v *View) error { return v.Latest(5, nothing) }), false},
		"count":             {looking(func(v *View) error { _, err := v.Count(); return err }), false},
		"reports":           {looking(func(v *View) error { _, err := v.Reports(); return err }), false},
		"told":              {looking(func(v *View) error { _, _, err := v.Told(failedOne); return err }), false},
		"clean":             {func() error { return f.Clean(1, 1, time.Now().AddDate(-9, 0, 0)) }, false},
		"stems":             {func() error { return f.Stems(func(string) {}) }, false},
		"look":              {func() error { _, err := f.Look("00000042"); return err }, false},
		"take what is gone": {func() error { _, err := f.Take("9"); return err }, false},
		"take no journal":   {func() error { _, err := f.journal("2"); return err }, true},
		"take twice":        {func() error { _, err := f.Take("00000042"); return err }, true},
		"a number": {func() error {
			n++
			return errors.Join(held.Enter(string(rune('a'+n))), held.Leave())
		}, false},
		"request":      {func() error { _, err := held.Request(); return err }, false},
		"save":         {func() error { return held.Save(false) }, false},
		"copy":         {func() error { return held.CopyTo("00000042.txt", filepath.Join(t.TempDir(), "x")) }, false},
		"copy over":    {func() error { return held.CopyTo("00000042.txt", filepath.Join(output, "00000042.txt")) }, true},
		"copy control": {func() error { return held.CopyControlTo(filepath.Join(t.TempDir(), "x")) }, false},
		"control":      {func() error { _, err := held.Control(); return err }, false},
		"told of": {func() error {
			_, err := f.Tell(doneOne, report.Failed, func(*report.Request) *Letter { return nil })
			return err
		}, false},
		"told twice": {func() error {
			_, err := f.Tell(doneOne, report.Delivered, func(*report.Request) *Letter { return &Letter{Action: report.Delivered} })
			return err
		}, false},
		"not sent": {func() error {
			return f.Send(failedOne, nil, func(func(string) (*os.File, error)) error { return io.EOF })
		}, true},
		"no more sent": {func() error { return f.Drop(&Entry{Stem: "9", Path: filepath.Join(output, ".failed/9.ctl")}, nil) }, true},
		"a letter":     {func() error { _, _, err := o.Read("1-AAAAAAAA.final"); return err }, false},
		"no letter":    {func() error { _, _, err := o.Read("2-AAAAAAAA.final"); return err }, true},
		"letters":      {func() error { _, err := o.Ready(); return err }, false},
		"who sends":    {boxed(func(o *Outbox) error { _, err := o.Mine(); return err }), false},
		"another's day": {func() error {
			f.doneHome.forget()
			_, err := f.doneHome.dirOf("2026-01-03")
			return err
		}, root},
		"a bad day": {func() error {
			_, err := f.doneHome.dirOf("file")
			return err
		}, true},
	} {
		if err := tt.do(); (err != nil) != tt.failed { // what stays open by design is open now
			t.Errorf("%s: %v", name, err)
		}
		before := descriptors(t)
		for range 10 {
			_ = tt.do()
		}
		if after := descriptors(t); after > before+5 {
			t.Errorf("%s: %d descriptors, before %d", name, after, before)
		}
	}
}

// TestSyncedInTurn: data files are on disk before the control file is where it makes a
// job of them, and that one before the journal goes.
func TestSyncedInTurn(t *testing.T) {
	t.Parallel()
	// held runs do until it wants to sync d, looks, and lets it go on.
	held := func(d *dir, do func(), look func()) {
		t.Helper()
		d.syncs.serial.Lock()
		ended := make(chan bool, 1)
		go func() { do(); ended <- true }()
		for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
			d.syncs.mu.Lock()
			waits := d.syncs.next != nil
			d.syncs.mu.Unlock()
			if waits {
				break
			}
			if time.Now().After(end) {
				t.Fatal("it does not want to sync")
			}
		}
		look()
		d.syncs.serial.Unlock()
		mtatest.Receive(t, "the end", ended)
	}
	output, open := stage(t)
	job(t, output, "00000043")
	f := mustOpen(t, open)
	now := time.Now()
	var verdicts []*Verdict
	for stem, state := range map[string]State{"00000042": Failed, "00000043": Done} {
		h := mustTake(t, f, stem)
		if err := h.Judge(state, "why", now); err != nil {
			t.Fatal(err)
		}
		v := &Verdict{Held: h, Files: []string{stem + ".txt"}}
		if verdicts = append(verdicts, v); state == Failed { // the first
			verdicts[0], verdicts[len(verdicts)-1] = v, verdicts[0]
		}
	}
	day, err := f.doneHome.dirOf(today(now))
	if err != nil {
		t.Fatal(err)
	}
	held(day, func() { f.Settle(verdicts) }, func() {
		wantFiles(t, "while data files are synced", output, ".consume/00000042.ctl", ".consume/00000042.json", ".consume/00000042.lock", ".failed/00000042.txt", ".failed/00000042.err",
			".consume/00000043.ctl", ".consume/00000043.json", ".consume/00000043.lock", ".done/"+today(now)+"/00000043.txt")
		fail(t, unsynced, f.failedHome.dir) // its data files are on disk, its control file is not
	})
	if verdicts[0].Err == nil || verdicts[1].Err != nil {
		t.Errorf("a control file that is not on disk: %v; the other: %v", verdicts[0].Err, verdicts[1].Err)
	}
	f = mustOpen(t, open)
	e := &Entry{Stem: "00000042", Path: filepath.Join(output, ".failed/00000042.ctl")}
	for _, v := range verdicts {
		if err := v.Forget(); err != nil {
			t.Fatal(err)
		}
	}
	held(f.output, func() {
		if err := f.Again(e, []string{"00000042.txt"}); err != nil {
			t.Error(err)
		}
	}, func() {
		wantFiles(t, "while it is put back", output, ".failed/00000042.ctl", ".failed/00000042.err", "00000042.txt", ".consume/00000042.lock",
			".done/"+today(now)+"/00000043.txt", ".done/"+today(now)+"/00000043.ctl")
	})
}
