package explained

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadFiles: the files of one job in their order, and no other's; what is text is
// decoded.
func TestReadFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"00000001.ctl": "c", "00000001.txt": "tt", "00000001.report": "r", "00000001_1_b.ctl": "x", "00000001_2_a.pdf": "xx", "00000001_10_a.txt": "xxx", "00000001_note": "",
		"0000000.ctl": "x", "000000010.ctl": "x", "00000001x.txt": "x", "00000002.ctl": "x", "00000003": "x", "00000000_1_a.txt": "x", "htm.bin": "b", "htm.ctl": "c",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	shown := func(name string) string {
		files, err := ReadFiles(dir, name, func(b []byte) string { return strings.ToUpper(string(b)) })
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, f := range files {
			text := "null"
			if f.Text != nil {
				text = *f.Text
			}
			all = append(all, fmt.Sprint(f.Name, " ", f.Size, " ", text))
		}
		return strings.Join(all, ", ")
	}
	for name, want := range map[string]string{
		"00000001": "00000001.ctl 1 C, 00000001.txt 2 TT, 00000001_note 0 null, 00000001_1_b.ctl 1 null, 00000001_2_a.pdf 2 null, 00000001_10_a.txt 3 null, 00000001.report 1 null",
		"00000002": "00000002.ctl 1 X",
		"htm":      "htm.ctl 1 C, htm.bin 1 null",
		"00000003": "",
	} {
		if got := shown(name); got != want {
			t.Errorf("%s: %s\nwant %s", name, got, want)
		}
	}
}

// TestReadFilesFails: what cannot be read is an error, not a job without it.
func TestReadFilesFails(t *testing.T) {
	t.Parallel()
	decode := func(b []byte) string { return string(b) }
	dir := t.TempDir()
	if files, err := ReadFiles(filepath.Join(dir, "none"), "1", decode); !errors.Is(err, fs.ErrNotExist) || files != nil {
		t.Errorf("no folder: %v, %v", files, err)
	}
	if err := os.Symlink(filepath.Join(dir, "none"), filepath.Join(dir, "1_1_a.pdf")); err != nil {
		t.Fatal(err)
	}
	if files, err := ReadFiles(dir, "1", decode); !errors.Is(err, fs.ErrNotExist) || files != nil {
		t.Errorf("a file that is gone: %v, %v", files, err)
	}
	if err := os.Mkdir(filepath.Join(dir, "2.ctl"), 0o700); err != nil {
		t.Fatal(err)
	}
	if files, err := ReadFiles(dir, "2", decode); err == nil || files != nil {
		t.Errorf("a CTL that is a folder: %v, %v", files, err)
	}
}

// TestOK: one refusal is enough.
func TestOK(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		refused    *Refusal
		recipients string
		ok         bool
	}{
		{nil, "", true},
		{&Refusal{}, OutcomeTaken, false},
		{nil, OutcomeTaken + " " + OutcomeForwarded + " " + OutcomeLeft + " " + OutcomeAllowed, true},
		{nil, OutcomeRefused, false},
		{nil, OutcomeRefused + " " + OutcomeTaken, false},
		{nil, OutcomeTaken + " " + OutcomeRefused, false},
	} {
		m := Mail{Refused: tt.refused}
		for outcome := range strings.FieldsSeq(tt.recipients) {
			m.Recipients = append(m.Recipients, Recipient{Outcome: outcome})
		}
		if m.OK() != tt.ok {
			t.Errorf("%+v: %t", m, m.OK())
		}
	}
}
