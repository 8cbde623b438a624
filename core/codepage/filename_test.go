package codepage

import (
	"strings"
	"testing"
)

func TestFileName(t *testing.T) {
	t.Parallel()
	a := func(n int) string { return strings.Repeat("a", n) }
	tests := []struct{ in, want string }{
		{"invoice.pdf", "invoice.pdf"},
		{"Žluťoučký kůň.PDF", "Zlutoucky kun.PDF"},
		{"../../etc/passwd", "passwd"},
		{`C:\Users\jan\dopis.doc`, "dopis.doc"},
		{`a/b\c/..`, "attachment"},
		{"dir/", "attachment"},
		{"a:b<c>d\"e|f?g*.txt", "a_b_c_d_e_f_g_.txt"},
		{"a／b：c.txt", "a_b_c.txt"}, // full-width forms become ASCII only here
		{"½.txt", "1_2.txt"},
		{"a\r\n\tb\x00c\u0085d\u2028e.txt", "a b c d e.txt"},
		{"a    b .txt", "a b.txt"},
		{" . .hidden. . ", "hidden"},
		{"fdp\u202excod.exe", "fdpxcod.exe"},
		{"a\u200b\u200d\ufeffb", "ab"},
		{"🎉.pdf", "_.pdf"},
		{"漢字.pdf", "Han Zi.pdf"},
		{"a\xff.txt", "a_.txt"},
		{"", "attachment"}, {"   ", "attachment"}, {"...", "attachment"}, {"\x00", "attachment"}, {"\u200b", "attachment"},
		{"CON", "_CON"}, {"con.txt", "_con.txt"}, {"nul .tar.gz", "_nul .tar.gz"}, {"Aux.", "_Aux"}, {"prn.a", "_prn.a"},
		{"com1", "_com1"}, {"COM¹.txt", "_COM1.txt"}, {"lpt9.x", "_lpt9.x"}, {"ＣＯＮ", "_CON"}, {"CONIN$", "_CONIN$"}, {"conout$.txt", "_conout$.txt"},
		{"com9", "_com9"}, {"lpt1", "_lpt1"}, {"com/", "attachment"}, {"com:", "com_"}, {"xcom1", "xcom1"}, {"com1x", "com1x"},
		{"a\x7fb", "a b"}, {"a!b~c", "a!b~c"}, {"." + a(16), a(16)}, {"a." + a(15), "a." + a(15)},
		{"com0", "com0"}, {"com10", "com10"}, {"CONSOLE", "CONSOLE"}, {"icon", "icon"}, {"lpt", "lpt"},
		{a(64), a(64)}, {a(65), a(64)},
		{a(100) + ".pdf", a(60) + ".pdf"},
		{a(100) + "." + a(15), a(48) + "." + a(15)},
		{"a.b." + a(16), "a_b_" + a(16)},
		{"Smlouva c. 12 o dílo a dalších věcech", "Smlouva c_ 12 o dilo a dalsich vecech"},
		{a(63) + " b", a(63)}, // no space at the end after cutting
		{"a.tar.gz", "a.tar.gz"},
		{strings.Repeat("ﷺ", 1000) + ".txt", ""},
	}
	for _, tt := range tests {
		got := FileName(tt.in)
		if tt.want != "" && got != tt.want {
			t.Errorf("%.100q is %q, want %q", tt.in, got, tt.want)
		}
		checkFileName(t, tt.in, got)
	}
}

// checkFileName is the promise of FileName in one place.
func checkFileName(t *testing.T, in, got string) {
	t.Helper()
	fail := func(why string) { t.Errorf("%.100q is %q: %s", in, got, why) }
	if len(got) == 0 || len(got) > maxFileName {
		fail("length")
	}
	for i := range len(got) {
		if got[i] < ' ' || got[i] > '~' || strings.IndexByte(`<>:"/\|?*`, got[i]) >= 0 {
			fail("character")
		}
	}
	if strings.Trim(got, ". ") != got || strings.Contains(got, "  ") {
		fail("spaces or dots")
	}
	if dot := strings.LastIndexByte(got, '.'); dot >= 0 && len(got)-dot > maxExtension {
		fail("extension")
	}
	base, _, _ := strings.Cut(strings.ToLower(got), ".")
	base = strings.TrimSpace(base)
	for _, device := range strings.Fields("con prn aux nul conin$ conout$ com1 com2 com3 com4 com5 com6 com7 com8 com9 lpt1 lpt2 lpt3 lpt4 lpt5 lpt6 lpt7 lpt8 lpt9") {
		if base == device {
			fail("device")
		}
	}
	if again := FileName(got); again != got {
		fail("cleaned again it is " + again)
	}
}
