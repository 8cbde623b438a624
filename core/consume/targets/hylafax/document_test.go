//go:build unix

package hylafax

import (
	"bytes"
	"errors"
	"image"
	"image/png"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"smtpreceiver/core/consume/targets/targettest"
)

// faxed hands the job to a sendfax that records its documents, and returns them as
// name=text.
func faxed(t *testing.T, s *targettest.Spool, h *Target) (documents, why string) {
	t.Helper()
	record := filepath.Join(t.TempDir(), "documents")
	targettest.Programs(t, map[string]string{
		"sendfax": `for a; do case $a in */*) echo "$(basename "$a")=$(gs -q -dSAFER -sDEVICE=txtwrite -o - "$a" 2>/dev/null | tr -s ' \r\n' ' ' | sed 's/^ //;s/ $//')"; esac; done >` + record,
		"faxstat": "exit 1",
	})
	why = s.HandOn(t, h)
	got, err := os.ReadFile(record)
	if err != nil && why == "" {
		t.Fatal(err)
	}
	return string(got), why
}

func attachAll(t *testing.T, s *targettest.Spool, contents ...string) {
	t.Helper()
	s.Doc.Set("attachments", "count", string(rune('0'+len(contents)/2)))
	for i := 0; i < len(contents); i += 2 {
		n := string(rune('1' + i/2))
		s.File(t, "00000042_"+n+"_"+contents[i], contents[i+1])
		s.Doc.Set("attachments", n, "00000042_"+n+"_"+contents[i])
		s.Doc.Set("attachments", n+"_name", contents[i])
	}
}

func TestDocuments(t *testing.T) {
	if _, err := os.Stat("/usr/bin/gs"); err != nil {
		t.Skip("no gs here: apt-get install -y ghostscript")
	}
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 50, 50))); err != nil {
		t.Fatal(err)
	}
	var spacer bytes.Buffer
	if err := png.Encode(&spacer, image.NewGray(image.Rect(0, 0, 1, 1))); err != nil {
		t.Fatal(err)
	}
	const left = "Left out of this fax, because it cannot be printed: "
	for _, tt := range []struct {
		name, text string
		attached   []string
		strict     bool
		want       string // documents
		why        string
		logged     string
	}{
		{"text", "words", nil, false, "text.pdf=words\n", "", ""},
		{"blank", " \r\n", nil, false, "text.pdf=\n", "", ""},
		{"text and picture", "words", []string{"a.png", picture.String()}, true, "text.pdf=words\n1.pdf=\n", "", ""},
		{"picture alone", " \r\n\t", []string{"a.png", picture.String()}, true, "1.pdf=\n", "", ""},
		{"two texts", "words", []string{"a.txt", "one", "b.txt", "two"}, true, "text.pdf=words\n1.pdf=one\n2.pdf=two\n", "", ""},
		{"only decoration", "words", []string{"a.png", spacer.String(), "smime.p7s", "x"}, true, "text.pdf=words\n", "", ""},
		{"left out behind text", "words", []string{"offer.mp4", "\x00\x01"}, false,
			`text.pdf=words ` + left + "offer.mp4\n", "", `left out of the fax: \"offer.mp4\": PDF`},
		{"left out behind pages", "", []string{"a.txt", "one", "b.mp4", "\x00"}, false,
			"1.pdf=one\nleft.pdf=" + left + "b.mp4\n", "", "b.mp4"},
		{"no font", "a 😀\U00012000", nil, false, "text.pdf=a \uFFFD\uFFFD\n", "", `2 characters are not on the fax, because no font here has them: 𒀀 (U+12000) 😀 (U+1F600)`},
		{"no font for one", "a 😀", nil, false, "text.pdf=a \uFFFD\n", "", `1 characters are not on the fax, because no font here has them: 😀 (U+1F600)`},
		{"strict", "words", []string{"a.txt", "one", "b.mp4", "\x00"}, true, "", `attachment cannot be faxed: "b.mp4": PDF, PostScript, TIFF, pictures and plain text can be faxed; skip_unknown leaves such ones out`, ""},
		{"nothing", "\n", []string{"a.mp4", "\x00", "b.zip", "\x01"}, false, "", `the message cannot be faxed: nothing of it can be faxed: "a.mp4": PDF, PostScript, TIFF, pictures and plain text can be faxed; "b.zip": PDF`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := targettest.New(t, tt.text)
			attachAll(t, s, tt.attached...)
			var log bytes.Buffer
			s.Log = slog.New(slog.NewTextHandler(&log, nil))
			got, why := faxed(t, s, &Target{SkipUnknown: !tt.strict})
			if got != tt.want {
				t.Errorf("documents\n%q\nwant\n%q", got, tt.want)
			}
			if !strings.Contains(why, tt.why) || (why == "") != (tt.why == "") {
				t.Errorf("why %q, want %q", why, tt.why)
			}
			if logged := strings.Contains(log.String(), "not all of a job handed on"); logged != (tt.logged != "") || !strings.Contains(log.String(), tt.logged) {
				t.Errorf("log %s", log.String())
			}
		})
	}
}

// TestLinkedAttachment: a link that stands in the place of a file is not followed.
func TestLinkedAttachment(t *testing.T) {
	s := targettest.New(t, "words")
	attachAll(t, s, "a.txt", "one")
	file, secret := filepath.Join(s.Folder, "00000042_1_a.txt"), filepath.Join(t.TempDir(), "secret")
	if err := errors.Join(os.WriteFile(secret, []byte("secret"), 0o600), os.Remove(file), os.Symlink(secret, file)); err != nil {
		t.Fatal(err)
	}
	if documents, why := faxed(t, s, &Target{SkipUnknown: true}); !strings.Contains(why, "not a regular file") || documents != "" {
		t.Errorf("documents %q, why %q", documents, why)
	}
}

// TestMissingAttachment: a file that is gone is not left out in silence.
func TestMissingAttachment(t *testing.T) {
	s := targettest.New(t, "words")
	attachAll(t, s, "a.txt", "one")
	if err := os.Remove(filepath.Join(s.Folder, "00000042_1_a.txt")); err != nil {
		t.Fatal(err)
	}
	if _, why := faxed(t, s, &Target{SkipUnknown: true}); !strings.Contains(why, "no such file") {
		t.Errorf("why %q", why)
	}
}
