package codepage

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestWriterSplitAnywhere(t *testing.T) {
	t.Parallel()
	const text = "Příliš e\u0301\u0323 “žluťoučký” 表示 각\u1100\u1161\u11a8 \ufeff👍 \xff\xc5 ệ\u200b\r\n\xe2\x80"
	for _, name := range []string{"cp1250", "utf-8", "us-ascii", "shift_jis", "gb18030", "cp1258"} {
		p := mustLookup(t, name)
		want := string(p.Encode(text))
		for i := range text {
			for _, step := range []int{1, len(text)} {
				var out bytes.Buffer
				w := p.Writer(&out)
				for rest := text[i:]; ; rest = rest[min(step, len(rest)):] {
					if len(rest) == len(text)-i {
						io.WriteString(w, text[:i])
					}
					io.WriteString(w, rest[:min(step, len(rest))])
					if rest == "" {
						break
					}
				}
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				if out.String() != want {
					t.Errorf("%s, cut at %d, step %d: %q, want %q", name, i, step, out.String(), want)
				}
			}
		}
	}
}

func TestWriterHoldsLittle(t *testing.T) {
	t.Parallel()
	var scripts strings.Builder
	for r := rune(0x4E00); r < 0x9FFF; r++ {
		scripts.WriteRune(r)
	}
	for name, unit := range map[string]string{
		"text": "Žluťoučký kůň. ", "marks": "\u0301\u0323", "vowels of Hangul": "\u1161", "parts of Hangul": "\u1100\u1161\u11a8",
		"half characters": "\xe2\x80", "continuations": "\x80", "zero width": "\u200b", "long decomposition": "\ufdfa", "many characters": scripts.String(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := mustLookup(t, "cp1250").Writer(io.Discard).(*writer)
			piece := []byte(strings.Repeat(unit, 256<<10/len(unit)))
			if n, err := w.Write(piece); n != len(piece) || err != nil {
				t.Fatalf("wrote %d of %d: %v", n, len(piece), err)
			}
			held := w.composed
			if cap(held.tail) > 16 || cap(held.buf) > 64<<10 || len(held.enc.spelling) > maxSpellings {
				t.Errorf("holds %d and %d bytes and %d spellings", cap(held.tail), cap(held.buf), len(held.enc.spelling))
			}
		})
	}
}

// shortWriter fails after some calls.
type shortWriter struct{ calls int }

var errFull = errors.New("no space left on device")

func (w *shortWriter) Write(b []byte) (int, error) {
	if w.calls--; w.calls < 0 {
		return 0, errFull
	}
	return len(b), nil
}

func TestWriterErrors(t *testing.T) {
	t.Parallel()
	p := mustLookup(t, "cp1250")
	text := []byte(strings.Repeat("kůň ", 16<<10))
	for calls := range 4 {
		w := p.Writer(&shortWriter{calls})
		if _, err := w.Write(text); !errors.Is(err, errFull) {
			t.Errorf("after %d calls Write returns %v", calls, err)
		}
		if _, err := w.Write([]byte("x")); !errors.Is(err, errFull) {
			t.Errorf("after %d calls the next Write returns %v", calls, err)
		}
		if err := w.Close(); !errors.Is(err, errFull) {
			t.Errorf("after %d calls Close returns %v", calls, err)
		}
	}
	w := p.Writer(&shortWriter{0})
	if err := w.Close(); err != nil {
		t.Errorf("Close of an empty writer: %v", err)
	}
	w = p.Writer(&shortWriter{0})
	_, err := w.Write([]byte("e"))
	if err = errors.Join(err, w.Close()); !errors.Is(err, errFull) {
		t.Errorf("the last character is lost without an error: %v", err)
	}
	for n := pieceSize - 3; n < pieceSize+3; n++ { // the last character may be what fills a piece
		for _, last := range []string{"x", "\xc5"} {
			w = p.Writer(&shortWriter{0})
			_, err = w.Write([]byte(strings.Repeat("x", n) + last))
			if err = errors.Join(err, w.Close()); !errors.Is(err, errFull) {
				t.Errorf("%d bytes and %q are lost without an error: %v", n, last, err)
			}
		}
	}
}
