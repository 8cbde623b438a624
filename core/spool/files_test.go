package spool

import (
	"path/filepath"
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

// A marker leads back to its name, and to a file in the same directory, whatever bytes it is made of.
func FuzzMarker(f *testing.F) {
	f.Add("00000042", "00000042.txt", ",00000042,.txt")
	f.Add("a,b", "a,b_,_", ",a,,b")
	f.Add("", ".", ",,/../x")
	f.Fuzz(func(t *testing.T, stem, name, marker string) {
		if !isElement(stem) || strings.Contains(stem, markerPrefix) || checkName(stem, name) != nil {
			stem, name = "00000042", "00000042.txt"
		}
		j := &jobFiles{stem: stem}
		gotStem, gotName, ok := parseMarker(j.marker(name))
		if !ok || gotStem != stem || gotName != name || len(j.marker(name)) > 255 {
			t.Errorf("%q of %q: marker %q leads to %q of %q", name, stem, j.marker(name), gotName, gotStem)
		}
		if stem, name, ok := parseMarker(marker); ok {
			if filepath.Dir(filepath.Join("x", name)) != "x" || (&jobFiles{stem: stem}).marker(name) != marker {
				t.Errorf("marker %q leads to %q of %q", marker, name, stem)
			}
		}
	})
}

// Whatever lies in a dead owner's directory, recovery ends, touches nothing outside, and a second one finds nothing new.
func FuzzLeftovers(f *testing.F) {
	f.Add(",00000001,.txt\n00000001.ctl\n00000001.txt", "", []byte("x"))
	f.Add(",00000001,.txt\n00000001.ctl", "00000001.txt", []byte("x"))
	f.Add(",00000001,.txt\n00000001.txt", "00000001.ctl", []byte("x"))
	f.Add("@1.commit\n1.ctl\n#buffer\n,,\n,1,/..\n..ctl", "2.ctl", []byte(`{"places":[{"folder":"FOLDER","owner":"owner","stems":["1"]}]}`))
	f.Add("@1.batch", "1.txt", []byte(`{"places":[{"folder":"/","owner":"owner","stems":["1"]}]}`))
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
		if ok, err := exists(outside); !ok {
			t.Errorf("a file outside the folder is gone: %v", err)
		}
		for _, name := range before {
			if strings.HasSuffix(name, controlSuffix) {
				if ok, err := exists(filepath.Join(folder, name)); !ok {
					t.Errorf("visible job %q is gone: %v", name, err)
				}
			}
		}
	})
}
