package spool

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestCheckName(t *testing.T) {
	t.Parallel()
	const stem = "a-00000042"
	for name, ok := range map[string]bool{
		stem + ".txt":                    true,
		stem + "_1_invoice.pdf":          true,
		stem + "_1_two words, and more":  true,
		stem + "_1_ctl":                  true,
		stem + "_1_x.ctl.pdf":            true,
		stem + ".ctl":                    false,
		stem + "_1_evil.CTL":             false,
		stem:                             false,
		stem + "1.txt":                   false,
		"00000042.txt":                   false,
		"":                               false,
		"..":                             false,
		stem + "_1_/../../etc/passwd":    false,
		stem + "_1_..\\x":                false,
		stem + ".txt:stream":             false,
		stem + "_1_a\x00b":               false,
		stem + "_1_a\nb":                 false,
		stem + "_1_x.":                   false,
		stem + "_1_x.ctl ":               false,
		stem + strings.Repeat("_", 230):  true,
		stem + strings.Repeat("_", 1000): false,
	} {
		if err := checkName(stem, name); (err == nil) != ok {
			t.Errorf("%.80q: %v", name, err)
		}
	}
}

func TestParseControlName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"1.ctl": "1", "1.ctl,.txt": "1 1.txt", "a,b.ctl": "", "1.ctl,x": "", "1.ctl,": "", "1.ctl,.ctl": "", ".ctl": "", "@1.ctl": "", "1.txt": "", "1.ctl.txt": "",
	} {
		stem, data, ok := parseControlName(name)
		if got := strings.Join(append([]string{stem}, data...), " "); ok != (want != "") || ok && got != want {
			t.Errorf("%q: %q, %t", name, got, ok)
		}
	}
}

// The names of staged files lead back to what they are made of, and to files in
// the same directory, whatever bytes that is.
func FuzzStagedNames(f *testing.F) {
	f.Add("00000042", "00000042.txt", ",00000042,.txt")
	f.Add("a,b", "a,b_,_", ",a,,b")
	f.Add("", ".", ",,/../x")
	f.Add("1", "1.txt", "1.ctl,.txt")
	f.Add("1", "1.txt", "x.ctl.ctl,/..")
	f.Fuzz(func(t *testing.T, stem, name, staged string) {
		if !isElement(stem) || strings.Contains(stem, dataPrefix) || checkName(stem, name) != nil {
			stem, name = "00000042", "00000042.txt"
		}
		got := stagedName(stem, name)
		if gotStem, gotName, ok := parseStagedName(got); !ok || gotStem != stem || gotName != name || len(got) > 255 {
			t.Errorf("%q of %q: %q leads to %q of %q", name, stem, got, gotName, gotStem)
		}
		for _, data := range [][]string{nil, {name}} {
			got := controlName(stem, data)
			if gotStem, gotData, ok := parseControlName(got); !ok || gotStem != stem || !slices.Equal(gotData, data) || len(got) > 255 {
				t.Errorf("%q of %q: %q leads to %q of %q", data, stem, got, gotData, gotStem)
			}
		}
		if stem, name, ok := parseStagedName(staged); ok {
			if filepath.Dir(filepath.Join("x", name)) != "x" || stagedName(stem, name) != staged {
				t.Errorf("%q leads to %q of %q", staged, name, stem)
			}
		}
		if stem, data, ok := parseControlName(staged); ok {
			if len(data) > 0 && filepath.Dir(filepath.Join("x", data[0])) != "x" || controlName(stem, data) != staged {
				t.Errorf("%q leads to %q of %q", staged, data, stem)
			}
		}
	})
}

// Whatever lies in a dead owner's directory, recovery ends, touches nothing
// outside, and a second one finds nothing new.
func FuzzLeftovers(f *testing.F) {
	f.Add(",00000001,.txt\n00000001.ctl", "", []byte("x"))
	f.Add("00000001.ctl,.txt\n00000001.ctl", "00000001.txt", []byte("x"))
	f.Add(",00000001,.txt", "00000001.ctl", []byte("x"))
	f.Add("@1.commit\n1.ctl\n#buffer\n,,\n,1,/..\n..ctl", "2.ctl", []byte(`{"places":[{"folder":"FOLDER","owner":"owner","jobs":[{"stem":"1"}]}]}`))
	f.Add("@1.batch\n1.ctl", "1.txt", []byte(`{"places":[{"folder":"FOLDER","owner":"owner","jobs":[{"stem":"1","data":["1.txt"]}]}]}`))
	f.Fuzz(func(t *testing.T, staged, shown string, content []byte) {
		dir := t.TempDir()
		folder := filepath.Join(dir, "out")
		p := place{Folder: folder, Owner: "owner"}
		content = []byte(strings.ReplaceAll(string(content), "FOLDER", folder))
		mkdirs(t, p.staging())
		for _, name := range strings.Split(staged, "\n") {
			writeIfPossible(filepath.Join(p.staging(), filepath.Base(name)), content)
		}
		for _, name := range strings.Split(shown, "\n") {
			writeIfPossible(filepath.Join(folder, filepath.Base(name)), nil)
		}
		outside := filepath.Join(dir, "00000001.txt")
		writeIfPossible(outside, nil)
		before := list(t, folder)
		for range 2 {
			s := openSpool(t, Config{}, disk{noSyncForTesting: true})
			_ = s.recoverAll([]string{folder}) // what it cannot settle it says and leaves
			_ = s.Close()
		}
		if !isThere(outside) {
			t.Error("a file outside the folder is gone")
		}
		for _, name := range before {
			if strings.HasSuffix(name, controlSuffix) {
				if !isThere(filepath.Join(folder, name)) {
					t.Errorf("visible job %q is gone", name)
				}
			}
		}
	})
}
