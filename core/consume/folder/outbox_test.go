//go:build unix

package folder

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"smtpreceiver/core/report"
)

func outbox(t *testing.T, f *Folder) *Outbox {
	t.Helper()
	o, err := f.Outbox()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close() })
	return o
}

// TestLetterNames: a name that Put does not give is no letter.
func TestLetterNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"1-AAAAAAAA.final": "1 AAAAAAAA true", "a-b-AAAAAAAA.delayed": "a-b AAAAAAAA false",
		"1-AAAAAAAA": "", "1-AAAAAAAA.final.try": "", "1-AAAAAAAA.final.new": "", "1.final": "", "-AAAAAAAA.final": "", "1-.final": "",
		"1-A_A.final": "", "1_2-AAAAAAAA.final": "", ".final": "", senderLock: "",
	} {
		got := ""
		if stem, key, final, ok := parseLetterName(name); ok {
			got = fmt.Sprint(stem, " ", key, " ", final)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// TestLettersInTurn: the oldest is sent first; what cannot be told from the report on
// a job that runs waits, and one on a delay that is over goes.
func TestLettersInTurn(t *testing.T) {
	t.Parallel()
	output, open := stage(t)
	f := mustOpen(t, open)
	o := outbox(t, f)
	box := OutboxPath(output)
	now := time.Now()
	for i, name := range []string{"3-AAAAAAAA.final", "1-AAAAAAAA.final", "2-AAAAAAAA.final", "00000042-BBBBBBBB.final", "00000042-AAAAAAAA.final",
		"00000042-AAAAAAAA.delayed", "00000042-BBBBBBBB.delayed", "4-AAAAAAAA.delayed"} {
		put(t, filepath.Join(box, name), "{}\n")
		at := now.Add(-time.Duration(i) * time.Minute)
		if err := os.Chtimes(filepath.Join(box, name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	onItsWay(t, f, Journal{State: Begun, Key: "AAAAAAAA"})
	q, err := (&report.Request{Sender: "a@x.test", Told: []report.Action{report.Delayed}}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(output, "00000042.report"), string(q))
	ready := func(what string, want ...string) {
		t.Helper()
		if got, err := o.Ready(); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v, want %q", what, got, err, want)
		}
	}
	others := []string{"00000042-BBBBBBBB.final", "2-AAAAAAAA.final", "1-AAAAAAAA.final", "3-AAAAAAAA.final"}
	ready("a job that runs", append([]string{"00000042-AAAAAAAA.delayed"}, others...)...)
	wantFiles(t, "delays that are over", box, append([]string{"00000042-AAAAAAAA.delayed", "00000042-AAAAAAAA.final"}, others...)...)
	// Its journal says nothing: somebody must have a look first.
	put(t, filepath.Join(output, ".consume/00000042.json"), "x")
	ready("a journal that says nothing", others[1:]...)
	onlyVerdict := `{"state":"done","key":"AAAAAAAA"}`
	put(t, filepath.Join(output, ".consume/00000042.json"), onlyVerdict)
	ready("not settled yet", others...)
	if _, err := os.Lstat(filepath.Join(box, "00000042-AAAAAAAA.delayed")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its delay is over: %v", err)
	}
	if err := os.Remove(filepath.Join(output, ".consume/00000042.json")); err != nil {
		t.Fatal(err)
	}
	ready("settled", append([]string{"00000042-AAAAAAAA.final"}, others...)...)
	h := &Held{Stem: "00000042", Journal: &Journal{Key: "AAAAAAAA"}}
	if err := errors.Join(o.Withdraw(h), o.Withdraw(h)); err != nil {
		t.Error(err)
	}
	ready("withdrawn", others...)
}

// TestLettersThatAreNone: what a killed process left goes after a day, unless the
// letter that it belongs to still waits.
func TestLettersThatAreNone(t *testing.T) {
	t.Parallel()
	output, open := stage(t)
	f := mustOpen(t, open)
	o := outbox(t, f)
	box := OutboxPath(output)
	for name, age := range map[string]time.Duration{
		"1-AAAAAAAA.final": 48, "1-AAAAAAAA.final.try": 48, "1-AAAAAAAA.final.new": 48, "1-AAAAAAAA.final.try.new": 48,
		"2-AAAAAAAA.final.try": 48, "3-AAAAAAAA.final.try": 23, "4-AAAAAAAA.final.new": 23, "5-AAAAAAAA.final.new": 25, "other": 48,
	} {
		put(t, filepath.Join(box, name), "{}\n")
		at := time.Now().Add(-age * time.Hour)
		if err := os.Chtimes(filepath.Join(box, name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := o.Ready(); err != nil || !slices.Equal(got, []string{"1-AAAAAAAA.final"}) {
		t.Errorf("%q, %v", got, err)
	}
	wantFiles(t, "left", box, "1-AAAAAAAA.final", "1-AAAAAAAA.final.try", "3-AAAAAAAA.final.try", "4-AAAAAAAA.final.new", "other")
}

// TestLettersInFigures: how many wait, since when, and why; what is no letter is said.
func TestLettersInFigures(t *testing.T) {
	t.Parallel()
	output, open := stage(t)
	f := mustOpen(t, open)
	v := view(t, f)
	if r, err := v.Reports(); err != nil || r != (Reports{}) {
		t.Errorf("without an outbox: %+v, %v", r, err)
	}
	request, err := (&report.Request{Sender: "a@x.test"}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	e := &Entry{Stem: "00000042", Path: filepath.Join(output, "00000042.ctl")}
	told := func(what string, asked bool, want ...string) {
		t.Helper()
		if q, waits, err := v.Told(e); err != nil || (q != nil) != asked || !slices.Equal(waits, want) {
			t.Errorf("%s: %v, %q, %v", what, q, waits, err)
		}
	}
	told("nobody is told", false)
	put(t, filepath.Join(output, "00000042.report"), string(request))
	told("without an outbox", true)
	o := outbox(t, f)
	first := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	for i, stem := range []string{"1", "2", "00000042", "3", "00000042"} {
		l := &Letter{To: "a@x.test", Action: report.Failed, Job: stem, Made: first.Add(time.Duration(i*i-2*i) * time.Hour)}
		if i == 4 {
			l.Action = report.Delayed
		}
		h := &Held{Stem: stem, Journal: &Journal{Key: "AAAAAAAA"}}
		if err := o.Put(h, l); err != nil {
			t.Fatal(err)
		}
		if stem == "00000042" {
			if err := o.Note(letterName(h, l.Action), Tried{Times: 1, Reason: "greylisted"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if r, err := v.Reports(); err != nil || r.Waiting != 5 || !r.Oldest.Equal(first.Add(-time.Hour)) || r.Reason != "greylisted" {
		t.Errorf("%+v, %v", r, err)
	}
	told("two wait", true, "greylisted", "greylisted")
	bad := filepath.Join(OutboxPath(output), "00000042-AAAAAAAA.final")
	for _, text := range []string{"x\n", "{}"} {
		put(t, bad, text)
		if _, _, err := o.Read(filepath.Base(bad)); err == nil || !strings.Contains(err.Error(), bad+" is no report") {
			t.Errorf("%q: %v", text, err)
		}
		if r, err := v.Reports(); err != nil || r.Waiting != 5 { // it waits for somebody to have a look
			t.Errorf("%q: %+v, %v", text, r, err)
		}
	}
	put(t, filepath.Join(output, "00000042.report"), "x")
	if _, _, err := v.Told(e); err == nil {
		t.Error("no request, no error")
	}
	if _, _, err := o.Read("5-AAAAAAAA.final"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a letter that is gone: %v", err)
	}
}

// TestForeignOutbox: letters of somebody else's are not sent.
func TestForeignOutbox(t *testing.T) {
	t.Parallel()
	asRoot(t)
	output, open := stage(t)
	f := mustOpen(t, open)
	box := OutboxPath(output)
	if err := errors.Join(os.Mkdir(box, 0o755), os.Chown(box, nobody, nobody)); err != nil {
		t.Fatal(err)
	}
	var foreign *OwnerError
	if _, err := f.Outbox(); !errors.As(err, &foreign) || foreign.Path != box {
		t.Error(err)
	}
}

// TestOutbox: a report is sent when all of its job is settled, one on a delay while
// the job waits; one of the processes sends.
func TestOutbox(t *testing.T) {
	t.Parallel()
	output, open := stage(t)
	f := mustOpen(t, open)
	h := mustTake(t, f, "00000042")
	q := &report.Request{Sender: "a@x.test", Recipient: "1@fax"}
	if err := errors.Join(h.Begin(time.Now()), h.SaveRequest(q)); err != nil {
		t.Fatal(err)
	}
	o, err := f.Outbox()
	if err != nil {
		t.Fatal(err)
	}
	other, err := f.Outbox()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // also once it has been asked
		mine, err := o.Mine()
		others, err2 := other.Mine()
		if err != nil || err2 != nil || !mine || others {
			t.Errorf("two send: %v and %v, %v, %v", mine, others, err, err2)
		}
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	if mine, err := other.Mine(); err != nil || !mine {
		t.Errorf("nobody sends: %v, %v", mine, err)
	}
	defer other.Close()
	ready := func(what string, want ...string) {
		t.Helper()
		got, err := other.Ready()
		if err != nil || len(got) != len(want) {
			t.Fatalf("%s: ready %q, %v, want %d", what, got, err, len(want))
		}
		for i, ext := range want {
			if !strings.HasSuffix(got[i], ext) {
				t.Errorf("%s: ready %q", what, got)
			}
		}
	}
	letter := func(a report.Action) *Letter {
		return &Letter{To: "a@x.test", Action: a, Job: "00000042", Made: time.Now().Round(0), Text: []byte("Subject: x\r\n\r\nx")}
	}
	if err := other.Put(h, letter(report.Delayed)); err != nil {
		t.Fatal(err)
	}
	ready("a delay that the request does not know")
	q.Told = []report.Action{report.Delayed}
	if err := h.SaveRequest(q); err != nil {
		t.Fatal(err)
	}
	ready("a delay", delayedExt)
	v, err := OpenView(output, filepath.Join(output, ".done"), filepath.Join(output, ".failed"))
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	names, err := other.Ready()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Note(names[0], Tried{Times: 1, Reason: "greylisted"}); err != nil {
		t.Fatal(err)
	}
	if l, tried, err := other.Read(names[0]); err != nil || string(l.Text) != "Subject: x\r\n\r\nx" || l.To != "a@x.test" || tried.Reason != "greylisted" {
		t.Errorf("%+v, %+v, %v", l, tried, err)
	}
	if r, err := v.Reports(); err != nil || r.Waiting != 1 || r.Reason != "greylisted" || r.Oldest.IsZero() {
		t.Errorf("%+v, %v", r, err)
	}
	told, waits, err := v.Told(&Entry{Stem: "00000042", Path: filepath.Join(output, ".consume/00000042.ctl")})
	if err != nil || told == nil || !told.HasTold(report.Delayed) || !slices.Equal(waits, []string{"greylisted"}) {
		t.Errorf("%+v, %q, %v", told, waits, err)
	}
	if err := other.Put(h, letter(report.Failed)); err != nil {
		t.Fatal(err)
	}
	ready("not settled yet", delayedExt)
	if err := settle(t, f, h, Failed); err != nil {
		t.Fatal(err)
	}
	ready("settled: the delay is over", finalExt)
	told, waits, err = v.Told(&Entry{Stem: "00000042", Path: filepath.Join(output, ".failed/00000042.ctl")})
	if err != nil || told == nil || !slices.Equal(waits, []string{""}) {
		t.Errorf("of the failed job: %+v, %q, %v", told, waits, err)
	}
	names, err = other.Ready()
	if err = errors.Join(err, other.Remove(names[0])); err != nil {
		t.Fatal(err)
	}
	ready("sent")
	wantFiles(t, "sent", filepath.Join(output, ".consume/reports"), senderLock)
	large := letter(report.Failed)
	line, err := json.Marshal(large)
	if err != nil {
		t.Fatal(err)
	}
	large.Text = make([]byte, maxLetter-len(line)-1)
	if err := other.Put(h, large); err != nil {
		t.Error(err)
	}
	if l, _, err := other.Read(letterName(h, report.Failed)); err != nil || len(l.Text) != len(large.Text) {
		t.Errorf("%v, %v", l, err)
	}
	large.Text = append(large.Text, 'x')
	if err := other.Put(h, large); err == nil {
		t.Error("a letter was written that is too long to be read")
	}
}
