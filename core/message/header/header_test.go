package header

import (
	"fmt"
	"strings"
	"testing"
)

// block reads a header in lines, each in pieces of at most size bytes, as a reader
// with a small buffer hands them on.
func block(text string, size int, limit int64, most int) *Block {
	h := new(Block)
	h.Reset(limit, most)
	at := int64(0)
	for line := range strings.Lines(text) {
		for i := 0; i < len(line); i += size {
			piece := line[i:min(len(line), i+size)]
			h.Add([]byte(piece), at, i == 0)
			at += int64(len(piece))
		}
	}
	return h
}

func shown(h *Block) string {
	var all []string
	for _, f := range h.Fields() {
		all = append(all, f.Name+"="+strings.TrimSpace(f.Value))
	}
	return strings.Join(all, "|")
}

// TestBlock: what is a field, what belongs to one, and where the lines begin that
// belong to none.
func TestBlock(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in, want string
		stray    int64
	}{
		{"", "", -1},
		{"Subject: a\r\nTo: b\r\n", "Subject=a|To=b", -1},
		{"Subject:a\nTo : b\n", "Subject=a|To=b", -1},
		{"Subject: a\r\n b\r\n\tc\r\n", "Subject=a b c", -1},
		{"\ufeffSubject: a\r\n", "Subject=a", -1},
		{"  Subject: a\r\n  To: b\r\n", "Subject=a|To=b", -1},
		{" no field: a\r\n", "", 0},
		{"Subject: a\r\nno field\r\nTo: b\r\n", "Subject=a|To=b", -1},
		{"Subject: a\r\nno field\r\nno more\r\n", "Subject=a", 12},
		{": a\r\nSubject: b\r\n", "Subject=b", -1},
		{"Sub ject: a\r\n", "", 0},
		{"S~!: a\r\nS\x7f: b\r\n", "S~!=a", 8},
		{"no field\r\nno more\r\nSubject: a\r\n b\r\nno\r\n no\r\n", "Subject=a b", 35},
		{"\ufeff\ufeffSubject: a\r\n", "Subject=a", -1},
		{"\u00a0\u200b Subject: a\r\n", "Subject=a", -1},
		{"\u00a0Pump: a\r\n", "", 0},
		{"A: b\r\n\ufeffSubject: a\r\n", "A=b", 6},
		{"  Subject: a\r\n  words: b\r\n", "Subject=a words: b", -1},
		{"Subject: a\r\n To: b\r\n", "Subject=a To: b", -1},
	} {
		for _, size := range []int{1 << 10, 64} {
			h := block(tt.in, size, 1<<20, 100)
			if got := shown(h); got != tt.want || h.StrayAt != tt.stray || h.Cut {
				t.Errorf("%q: %q, stray at %d, cut %v; want %q, %d", tt.in, got, h.StrayAt, h.Cut, tt.want, tt.stray)
			}
		}
	}
	// A long line comes in pieces: what looks like a field in its middle is none.
	long := "Subject: " + strings.Repeat("x", 55) + "To: b" + strings.Repeat("y", 200) + "\r\nCc: c\r\n"
	if got, want := shown(block(long, 64, 1<<20, 100)), "Subject="+strings.TrimSuffix(strings.TrimPrefix(long, "Subject: "), "\r\nCc: c\r\n")+"|Cc=c"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestBlockBounds: past the limits nothing is kept, and that is said.
func TestBlockBounds(t *testing.T) {
	t.Parallel()
	fields := strings.Repeat("A: b\r\n", 10)
	for _, tt := range []struct {
		limit int64
		most  int
		kept  int
		cut   bool
	}{{60, 10, 10, false}, {1 << 10, 9, 9, true}, {59, 10, 10, true}, {6, 10, 1, true}} {
		h := block(fields, 1<<10, tt.limit, tt.most)
		if got := len(h.Fields()); got != tt.kept || h.Cut != tt.cut {
			t.Errorf("%d bytes, %d fields: %d kept, cut %v; want %d, %v", tt.limit, tt.most, got, h.Cut, tt.kept, tt.cut)
		}
		h.Reset(1<<10, 100)
		if h.Cut || len(h.Fields()) != 0 {
			t.Error("a block that is reset has fields")
		}
	}
}

// TestIsMail: by which fields a text is known as a mail.
func TestIsMail(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"From": true, "SUBJECT": true, "Date": true, "Received": true, "Content-Type": true, "X-Mailer": true, "List-Id": true, "Resent-To": true, "ARC-Seal": true,
		"Errors-To": true, "User-Agent": true, "Return-Receipt-To": true, "Disposition-Notification-To": true, "Apparently-To": true, "Mime-Version": true,
		"Pump": false, "Content": false, "X": false, "Fromage": false, "": false, strings.Repeat("x", 100): false,
	} {
		if got := IsMail([]Field{{Name: "Value"}, {Name: name}}); got != want || IsMail([]Field{{Name: name}, {Name: "Value"}}) != want {
			t.Errorf("%.40s: %v", name, got)
		}
	}
	for name := range mailFields {
		if !IsMail([]Field{{Name: name}}) {
			t.Errorf("%s is listed and is none", name)
		}
	}
	if IsMail(nil) {
		t.Error("no header is one")
	}
}

func TestSpaceControlsAndCut(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"a\r\n[to]\x00\x7f\u0085\u009fb": "a  [to]    b", "a\u2028b\u2029c": "a b c", " ~\u00a0ž": " ~\u00a0ž"} {
		if got := SpaceControls(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	for n, want := range map[int]string{0: "", 1: "a", 2: "a", 3: "až", 4: "ažb", 9: "ažb"} {
		if got := Cut("ažb", n); got != want {
			t.Errorf("%s: %q, want %q", fmt.Sprint(n), got, want)
		}
	}
	for line, want := range map[string]bool{"": true, "\r\n": true, "\n": true, " \r\n": false, "x": false} {
		if IsBlank([]byte(line)) != want {
			t.Errorf("%q is blank: %v", line, !want)
		}
	}
}
