package typeset

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"codeberg.org/go-pdf/fpdf"
	"golang.org/x/image/font/gofont/goregular"

	"smtpreceiver/core/consume/pages/pagestest"
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
		"بل":        "\uFE91\uFEDE",
		"ل":         "\uFEDD",
		"می\u200Cخ": "\uFEE3\uFBFD\uFEA5", // not over a non-joiner
		"ه\u200D":   "\uFEEB",             // as if joined
		"گپ 12 ב":   "\uFB94\uFB57 12 ב",  // Persian
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

// TestForms: each letter has the forms that Unicode has for it, in their order, and no
// other's.
func TestForms(t *testing.T) {
	t.Parallel()
	for letter, want := range map[rune]string{
		'ٱ': "\uFB50\uFB51", 'ۓ': "\uFBB0\uFBB1", 'ڭ': "\uFBD3\uFBD4\uFBD5\uFBD6", 'ې': "\uFBE4\uFBE5\uFBE6\uFBE7", 'ی': "\uFBFC\uFBFD\uFBFE\uFBFF",
		'ء': "\uFE80", 'ى': "\uFEEF\uFEF0", 'ي': "\uFEF1\uFEF2\uFEF3\uFEF4", 'a': "", 'ـ': "",
	} {
		if got := string(letterForms[letter]); got != want {
			t.Errorf("%c: %+q, want %+q", letter, got, want)
		}
	}
	if got := string(lamAlef['آ']) + string(lamAlef['ا']); got != "\uFEF5\uFEF6\uFEFB\uFEFC" || len(lamAlef) != 4 {
		t.Errorf("with lam %+q, %d of them", got, len(lamAlef))
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
		{"a א1", "a 1א", false},
		{"12 (3)", "12 (3)", false},
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

// TestVisualOfALine: a line of a paragraph from the left may begin with a number, one of a
// paragraph from the right with a word from the left.
func TestVisualOfALine(t *testing.T) {
	t.Parallel()
	for line, want := range map[string][2]string{"12 אב": {"12 בא", "בא 12"}, "x אב": {"x בא", "בא x"}, "12": {"12", "12"}} {
		for i, right := range []bool{false, true} {
			if got := string(visual([]rune(line), right)); got != want[i] {
				t.Errorf("%s, from the right %t: %q, want %q", line, right, got, want[i])
			}
		}
	}
}

// TestFromTheRight: a line from the right ends at the left edge of the right margin.
func TestFromTheRight(t *testing.T) {
	t.Parallel()
	for right, want := range map[bool]float64{false: margin, true: PageWidth - margin - 3*6.001*25.4/72} { // 3 letters of 0.6001 em
		s := &setting{Fpdf: fpdf.New("P", "mm", "A4", ""), of: &Fonts{next: len(fontFiles)}, known: map[*font]bool{}, fonts: map[rune]*font{}, widths: map[rune]float64{}, back: map[rune]float64{}}
		s.SetCompression(false)
		s.AddPage()
		s.font('x')
		s.line([]rune("xxx"), right)
		if s.pieces != 1 {
			t.Errorf("three letters of one font are %d pieces", s.pieces)
		}
		var out bytes.Buffer
		if err := s.Output(&out); err != nil {
			t.Fatal(err)
		}
		place := regexp.MustCompile(`BT ([0-9.]+) [0-9.]+ Td`).FindStringSubmatch(out.String())
		if place == nil {
			t.Fatal(out.String())
		}
		x, err := strconv.ParseFloat(place[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		if d := x*25.4/72 - want; d < -0.05 || d > 0.05 {
			t.Errorf("from the right %t: at %g mm, want %g", right, x*25.4/72, want)
		}
	}
}

// TestRightToLeftMark: the marks of Hebrew to Arabic and no others.
func TestRightToLeftMark(t *testing.T) {
	t.Parallel()
	for r, want := range map[rune]bool{'\u0301': false, '\u058F': false, '\u0591': true, '\u08FF': true, '\u0900': false} {
		if isRightToLeftMark(r) != want {
			t.Errorf("%U: not %t", r, want)
		}
	}
}

// TestFontFiles: a file that is not there, or is no font, is passed over. Not beside other
// tests: it exchanges the list.
func TestFontFiles(t *testing.T) {
	defer func(files []string) { fontFiles = files }(fontFiles)
	dir := t.TempDir()
	junk, good := filepath.Join(dir, "junk.ttf"), filepath.Join(dir, "good.ttf")
	if err := errors.Join(os.WriteFile(junk, []byte("no font"), 0o600), os.WriteFile(good, goregular.TTF, 0o600)); err != nil {
		t.Fatal(err)
	}
	fontFiles = []string{filepath.Join(dir, "none"), junk, good}
	f := new(Fonts)
	if f.with('x') == nil || len(f.read) != 1 || f.next != 0 {
		t.Errorf("%d fonts for a letter of our own", len(f.read))
	}
	for range 2 {
		if f.with('\uE000') != nil || len(f.read) != 2 || f.read[1].name != "font3" || f.next != 3 {
			t.Errorf("%d fonts, %d files", len(f.read), f.next)
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
		if _, _, err := new(Fonts).Document(document, tt.text); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(pagestest.Texts(t, document), "\f"); got != tt.want {
			t.Errorf("%.20s: %q, want %q", tt.text, got, tt.want)
		}
	}
}

// TestFits: a line takes the blanks behind it along, however many; a word that is longer
// than the line is cut, and Chinese is broken where the line ends.
func TestFits(t *testing.T) {
	t.Parallel()
	const place = (PageWidth - 2*margin) / 10.
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
		"xx xxxxxxx国":                         10,
		" xxxxxxxxxx":                         1,
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
		document := filepath.Join(t.TempDir(), "x.pdf")
		_, lacking, err := new(Fonts).Document(document, text)
		if err != nil {
			t.Fatal(err)
		}
		if got := pagestest.Texts(t, document); len(got) != 1 || got[0] != want || len(lacking) > 0 {
			t.Errorf("%s: %q, lacking %q, want %q", text, got, lacking, want)
		}
	}
	document := filepath.Join(t.TempDir(), "x.pdf")
	pages, lacking, err := new(Fonts).Document(document, "b 😀 a \U00012000 😀")
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%d %q %U", pages, pagestest.Texts(t, document), lacking); got != `1 ["b � a � �"] [U+12000 U+1F600]` {
		t.Error(got)
	}
}

// TestOwnFont: without any other, the letters of Europe are there.
func TestOwnFont(t *testing.T) {
	t.Parallel()
	own := &Fonts{next: len(fontFiles)}
	for _, r := range "aáčďéěíňóřšťúůýž äöüß àâçèêëîïôùûœ ñ¿¡ ąćęłńśźż ăâîșț őű åæø ðþ αβγδεζηθικλμνξοπρστυφχψωάέήίόύώ абвгдеёжзийклмнопрстуфхцчшщъыьэюя єіїґ €£§½–—“”„…•\uFFFD" {
		if own.with(r) == nil {
			t.Errorf("%c (%U) is lacking", r, r)
		}
	}
}

func TestDocument(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.pdf")
	for _, text := range []string{"", "\xff\x00\u202e", strings.Repeat("a", 100_000), "😀 \tx\u0301"} {
		if _, _, err := new(Fonts).Document(path, text); err != nil {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

// TestMarks: a mark that stands over no composed letter takes no room. Fonts have it
// behind the place of its letter, but for the marks of Hebrew and Arabic.
func TestMarks(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"); err != nil {
		t.Skip("not here: apt-get install -y fonts-dejavu-core")
	}
	s := &setting{Fpdf: fpdf.New("P", "mm", "A4", ""), of: new(Fonts), known: map[*font]bool{}, fonts: map[rune]*font{}, widths: map[rune]float64{}, back: map[rune]float64{}}
	for r, back := range map[rune]bool{'\u0301': true, '\u05B4': false, '\u064E': false, 'x': false} {
		if s.font(r) == nil || (s.widths[r] == 0) != (r != 'x') || (s.back[r] > 0) != back {
			t.Errorf("%U: %g mm wide, %g mm before", r, s.widths[r], s.back[r])
		}
	}
}

// TestLastPage: a line of the text that is long goes on to the end of the last page.
func TestLastPage(t *testing.T) {
	t.Parallel()
	s := &setting{Fpdf: fpdf.New("P", "mm", "A4", ""), of: new(Fonts), lacking: map[rune]bool{}, known: map[*font]bool{}, fonts: map[rune]*font{}, widths: map[rune]float64{}, back: map[rune]float64{}, y: margin}
	for range maxPages {
		s.AddPage()
	}
	s.paragraph([]rune(strings.Repeat("y", 85*5)))
	if s.y < margin+4.9*lineStep || s.y > margin+5.1*lineStep {
		t.Errorf("%g lines", (s.y-margin)/lineStep)
	}
}

func TestNoPlaceForTheDocument(t *testing.T) {
	t.Parallel()
	if _, _, err := new(Fonts).Document(filepath.Join(t.TempDir(), "gone", "x.pdf"), "x"); err == nil {
		t.Error("no error")
	}
}

func TestTooLong(t *testing.T) {
	t.Parallel()
	for lines, want := range map[int]error{59 * maxPages: nil, 59*maxPages + 1: ErrTooLong} {
		pages, _, err := new(Fonts).Document(filepath.Join(t.TempDir(), "x.pdf"), strings.Repeat("x\n", lines))
		if err != want || err == nil && pages != maxPages {
			t.Errorf("%d lines: %d pages, %v", lines, pages, err)
		}
	}
}

// TestTooMuch: what takes no room on a page, or eight times its bytes, ends where the
// pages would; 16 MiB of tabs took 3 GiB of memory, and of marks 40 s. Not parallel: what
// other tests allocate would count.
func TestTooMuch(t *testing.T) {
	for unit, size := range map[string]int{"x": 15 << 20, "x ": 15 << 20, "\t": 15 << 20, "\u0301": 6 << 20, "\u05b0": 6 << 20, "x\u0300\u0301\u0302": 6 << 20} {
		text := strings.Repeat(unit, size/len(unit))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := time.Now()
		pages, _, err := new(Fonts).Document(filepath.Join(t.TempDir(), "x.pdf"), text)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, ErrTooLong) || pages == 0 || pages > maxPages {
			t.Errorf("%q: %d pages, %v", unit, pages, err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 256<<20 {
			t.Errorf("%q: %d MiB of memory", unit, took>>20)
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("%q: %v", unit, took)
		}
	}
	for text, want := range map[string]int{strings.Repeat("x\u0300", 1000): 1, strings.Repeat("\t", 5000): 1, "x" + strings.Repeat("\u0300", 1000): 1} {
		if pages, _, err := new(Fonts).Document(filepath.Join(t.TempDir(), "x.pdf"), text); pages != want || err != nil {
			t.Errorf("%.10q: %d pages, want %d; %v", text, pages, want, err)
		}
	}
}

// TestUnknownTakesRoom: what stands for a character that no font has is as wide as
// the others, also the first.
func TestUnknownTakesRoom(t *testing.T) {
	t.Parallel()
	own := &Fonts{next: len(fontFiles)}
	pages, lacking, err := own.Document(filepath.Join(t.TempDir(), "x.pdf"), strings.Repeat("\U0001F600", 6000))
	if pages != 2 || len(lacking) != 1 || err != nil {
		t.Errorf("%d pages, %q, %v", pages, lacking, err)
	}
}
