package pages

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestShaped(t *testing.T) {
	t.Parallel()
	all := func(rune) bool { return true }
	for text, want := range map[string]string{
		"Novák":     "Novák",
		"بيت":       "\uFE91\uFEF4\uFE96",
		"دار":       "\uFEA9\uFE8D\uFEAD",       // none joins the next
		"سلام":      "\uFEB3\uFEFC\uFEE1",       // lam and alef are one
		"لا":        "\uFEFB",                   //
		"بَيت":      "\uFE91\u064E\uFEF4\uFE96", // over a mark
		"بـ":        "\uFE91ـ",                  // with a stroke
		"می\u200Cخ": "\uFEE3\uFBFD\uFEA5",       // not over a non-joiner
		"ه\u200D":   "\uFEEB",                   // as if joined
		"گپ 12 ב":   "\uFB94\uFB57 12 ב",        // Persian
		"بيت بيت":   "\uFE91\uFEF4\uFE96 \uFE91\uFEF4\uFE96",
	} {
		if got := string(shaped([]rune(text), all)); got != want {
			t.Errorf("%s: %+q, want %+q", text, got, want)
		}
	}
	if got := string(shaped([]rune("بلا"), func(r rune) bool { return r < 0xFE00 })); got != "بلا" {
		t.Errorf("a font without forms: %+q", got)
	}
}

func TestVisual(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		line, want string
		right      bool
	}{
		{"plain (1)", "plain (1)", false},
		{"אבג", "גבא", true},
		{"אב 12 גד", "דג 12 בא", true},
		{"אב (גד) x y", "x y (דג) בא", true},
		{"a אב 12 גד b", "a דג 12 בא b", false},
		{"a אב b גד c", "a בא b דג c", false},
		{"a אב 12", "a 12 בא", false},
		{"a אב, b", "a בא, b", false},
	} {
		line := []rune(tt.line)
		if got := isRightToLeft(line); got != tt.right {
			t.Errorf("%s: from the right: %t", tt.line, got)
		}
		if got := string(visual(line, tt.right)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.line, got, tt.want)
		}
	}
}

func TestPrintable(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"a\tb\x07c\x00d\uFEFF": "a       bcd", "1234567\t8\t9": "1234567 8       9", "e\u0301\u00A0x": "é x", "❤\uFE0F\u00AD\u200E": "❤",
	} {
		if got := string(printable(in)); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// extracted is what Ghostscript reads in a document, page by page, without blanks at
// the ends of lines and without blank lines.
func extracted(t *testing.T, document string) []string {
	t.Helper()
	if _, err := exec.LookPath("gs"); err != nil {
		t.Skip("no gs here: apt-get install -y ghostscript")
	}
	dir := t.TempDir()
	if out, err := exec.Command("gs", "-q", "-dSAFER", "-sDEVICE=txtwrite", "-o", filepath.Join(dir, "%03d.txt"), document).CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("%v, %s", err, out)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*.txt"))
	var texts []string
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for line := range strings.Lines(string(data)) {
			if line = strings.TrimSpace(line); line != "" {
				lines = append(lines, line)
			}
		}
		texts = append(texts, strings.Join(lines, "\n"))
	}
	return texts
}

// TestLayout: lines that are too long are broken at blanks, in Chinese anywhere, and
// pages are full before the next begins.
func TestLayout(t *testing.T) {
	t.Parallel()
	word := strings.Repeat("x", 30)
	for _, tt := range []struct{ text, want string }{
		{word + " " + word + " " + word + "\r\nnext", word + " " + word + "\n" + word + "\nnext"},
		{strings.Repeat("y", 100), strings.Repeat("y", 85) + "\n" + strings.Repeat("y", 15)},
		{strings.Repeat("z", 84) + "   " + word, strings.Repeat("z", 84) + "\n" + word},
		{strings.Repeat("line\n", 60), strings.Repeat("line\n", 58) + "line\f" + "line"},
	} {
		document := filepath.Join(t.TempDir(), "x.pdf")
		if err := (&Maker{}).Message(upper).Text(document, tt.text); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(extracted(t, document), "\f"); got != tt.want {
			t.Errorf("%.20s: %q, want %q", tt.text, got, tt.want)
		}
	}
}

// TestFits: a line takes the blanks behind it along, however many; a word that is longer
// than the line is cut, and Chinese is broken where the line ends.
func TestFits(t *testing.T) {
	t.Parallel()
	const place = (pageWidth - 2*margin) / 10.
	s := &setting{widths: map[rune]float64{'x': place, ' ': place, '国': place, '|': 100 * place}}
	for text, want := range map[string]int{
		"":                                    0,
		"xxxxxxxxxx":                          10,
		"xxxxxxxxxxx":                         10,
		"xxxxx xxxxx":                         6,
		"xxxxxxxxxx xx":                       11,
		"xxxxxxxxxx    xx":                    14,
		"xxx" + strings.Repeat(" ", 14) + "x": 17,
		"国国国国国国国国国国国":                         10,
		"xx xxx国国国国国国":                        10,
		"xx xxx国xxxxx":                        7,
		"|":                                   1,
		"||":                                  1,
	} {
		if got := s.fits([]rune(text)); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

// TestScripts: other letters than those of Europe come from Debian's fonts, and what
// none has is told.
func TestScripts(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf"} {
		if _, err := os.Stat(file); err != nil {
			t.Skip("not here: apt-get install -y fonts-dejavu-core fonts-droid-fallback")
		}
	}
	for text, want := range map[string]string{ // Ghostscript reads what is drawn from the left
		"Příliš žluťoučký kůň": "Příliš žluťoučký kůň",
		"Καλημέρα, ἐν ἀρχῇ":    "Καλημέρα, ἐν ἀρχῇ",
		"Съешь ещё, їжак":      "Съешь ещё, їжак",
		"您好 お世話に 안녕":           "您好 お世話に 안녕",
		"שלום (12)":            "(12) םולש",
		"بيت":                  "\uFE96\uFEF4\uFE91",
	} {
		files, document := (&Maker{}).Message(upper), filepath.Join(t.TempDir(), "x.pdf")
		if err := files.Text(document, text); err != nil {
			t.Fatal(err)
		}
		if got := extracted(t, document); len(got) != 1 || got[0] != want || len(files.Lacking()) > 0 {
			t.Errorf("%s: %q, lacking %q, want %q", text, got, files.Lacking(), want)
		}
	}
	files, document := (&Maker{}).Message(upper), filepath.Join(t.TempDir(), "x.pdf")
	if err := files.Text(document, "b 😀 a \U00012000 😀"); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%q %U", extracted(t, document), files.Lacking()); got != `["b � a � �"] [U+12000 U+1F600]` {
		t.Error(got)
	}
}

// TestOwnFont: without any other, the letters of Europe are there.
func TestOwnFont(t *testing.T) {
	t.Parallel()
	own := &fonts{next: len(fontFiles)}
	for _, r := range "aáčďéěíňóřšťúůýž äöüß àâçèêëîïôùûœ ñ¿¡ ąćęłńśźż ăâîșț őű åæø ðþ αβγδεζηθικλμνξοπρστυφχψωάέήίόύώ абвгдеёжзийклмнопрстуфхцчшщъыьэюя єіїґ €£§½–—“”„…•\uFFFD" {
		if own.with(r) == nil {
			t.Errorf("%c (%U) is lacking", r, r)
		}
	}
}
