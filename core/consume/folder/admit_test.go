//go:build unix

package folder

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestAdmit: a job of a queue comes into the working folder, once; one of another
// origin keeps its name, and what came half is cleared.
func TestAdmit(t *testing.T) {
	t.Parallel()
	output, open := stage(t)
	f := mustOpen(t, open)
	since := time.Now().Add(-time.Hour).Truncate(time.Second)
	contents := map[string]string{"x.txt": "text", "x_1_a.pdf": "pdf", "x.ctl": "[system]\r\ntxt=x.txt\r\n"}
	var fault error
	admitted := func(stem, key string) *Admitted {
		return &Admitted{Stem: stem, Since: since, Journal: &Journal{State: Waiting, Key: key}, Files: []string{"x.txt", "x_1_a.pdf", "x.ctl"}, Control: "x.ctl",
			Write: func(file string, to io.Writer) error {
				if file == "x_1_a.pdf" && fault != nil {
					return fault
				}
				_, err := io.WriteString(to, contents[file])
				return err
			}}
	}
	fault = errors.New("fault")
	if err := f.Admit(admitted("x", "AAAAAAAA")); !errors.Is(err, fault) {
		t.Errorf("a file that cannot be had: %v", err)
	}
	if h, err := f.Take("x"); h != nil || err != nil {
		t.Errorf("half a job was taken: %v, %v", h, err)
	}
	wantFiles(t, "half a job leaves nothing", output, "00000042.ctl", "00000042.txt")
	fault = nil
	for range 2 { // its files once more
		if err := f.Admit(admitted("x", "AAAAAAAA")); err != nil {
			t.Fatal(err)
		}
	}
	wantFiles(t, "admitted", output, "00000042.ctl", "00000042.txt", ".consume/x.ctl", ".consume/x.json", "x.txt", "x_1_a.pdf")
	if g, err := f.Look("x"); err != nil || !g.Since.Equal(since) || g.Journal == nil || g.Journal.Key != "AAAAAAAA" {
		t.Errorf("%+v, %v", g, err)
	}
	if err := f.Admit(admitted("x", "BBBBBBBB")); !errors.Is(err, ErrOther) {
		t.Errorf("another job of the name: %v", err)
	}
	if err := f.Admit(admitted("00000042", "AAAAAAAA")); !errors.Is(err, ErrOther) {
		t.Errorf("a job of the name in the output folder: %v", err)
	}
	h := mustTake(t, f, "x")
	if err := f.Admit(admitted("x", "AAAAAAAA")); !errors.Is(err, ErrBusy) {
		t.Errorf("while it is worked on: %v", err)
	}
	if err := errors.Join(h.Begin(time.Now()), h.Release()); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(output, ".consume/bad.ctl"), "x")
	put(t, filepath.Join(output, ".consume/bad.json"), "no journal")
	if err := f.Admit(admitted("bad", "AAAAAAAA")); !errors.Is(err, ErrJournal) {
		t.Errorf("over a journal that says nothing: %v", err)
	}
	for _, name := range []string{"bad.ctl", "bad.json"} {
		if err := os.Remove(filepath.Join(output, ".consume", name)); err != nil {
			t.Fatal(err)
		}
	}
	// Files that a target has begun to read are not written again.
	h = mustTake(t, f, "x")
	h.Journal.Kept = "2026-01-02"
	contents["x.txt"] = "other"
	if err := errors.Join(h.Save(false), h.Release(), f.Admit(admitted("x", "AAAAAAAA"))); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(output, "x.txt")); err != nil || string(text) != "text" {
		t.Errorf("%q, %v", text, err)
	}
	// What waits goes; what may have been handed over stays.
	if err := f.Admit(admitted("y", "CCCCCCCC")); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(output, "z_1_a.pdf.incoming"), "half")
	put(t, filepath.Join(output, ".consume/z.ctl.incoming"), "half")
	for _, stem := range []string{"l1", "l2", "l3", "l4", "l5"} { // left of jobs that were settled
		put(t, filepath.Join(output, ".consume", stem+".json"), "x")
		if err := f.Admit(admitted("w"+stem, "DDDDDDDD")); err != nil {
			t.Fatal(err)
		}
	}
	busy := mustTake(t, f, "00000042")
	if err := f.DiscardWaiting(); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, "discarded", output, ".consume/00000042.ctl", ".consume/00000042.lock", "00000042.txt", ".consume/x.ctl", ".consume/x.json", "x.txt", "x_1_a.pdf")
	if err := errors.Join(busy.Release(), f.DiscardWaiting()); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, "all discarded", output, ".consume/x.ctl", ".consume/x.json", "x.txt", "x_1_a.pdf")
}

// TestAdmitBesideOthers: a job that has waited for long is on its way here while another
// consumer of the folder starts and cleans up, and one of another job is in doubt.
func TestAdmitBesideOthers(t *testing.T) {
	t.Parallel()
	output, open := stage(t)
	f, other := mustOpen(t, open), mustOpen(t, open)
	put(t, filepath.Join(output, ".consume/bad.ctl"), "x")
	put(t, filepath.Join(output, ".consume/bad.json"), "no journal")
	files := []string{"x.txt", "x.report", "x.ctl"}
	err := f.Admit(&Admitted{
		Stem: "x", Since: time.Now().Add(-2 * requestKept), Journal: &Journal{State: Begun, Key: "AAAAAAAA"}, Files: files, Control: "x.ctl",
		Write: func(file string, _ io.Writer) error {
			if file != "x.ctl" {
				return nil
			}
			return errors.Join(other.DiscardWaiting(), other.Clean(1, 1, time.Now()))
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	wantFiles(t, "admitted", output, ".consume/bad.ctl", ".consume/bad.json", ".consume/x.ctl", ".consume/x.json", "x.txt", "x.report")
}
