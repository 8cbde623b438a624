package python

import "testing"

// TestRespelledOffsets maps each byte of a respelled expression to its original.
func TestRespelledOffsets(t *testing.T) {
	t.Parallel()
	const template = `<%u'\d\xe9' <> 'ž\q' + x%>`
	src, end, terr := respell(template, 2)
	if terr != nil {
		t.Fatal(terr)
	}
	if want := ` '\\d\u00e9' != 'ž\\q' + x`; string(src.text) != want || end != len(template) {
		t.Errorf("%s, end %d, want %s", src.text, end, want)
	}
	for at := range src.text {
		offset := src.offset(at)
		if offset < 2 || offset > len(template) {
			t.Errorf("byte %d comes from %d", at, offset)
		}
		if c := src.text[at]; c == 'd' || c == '+' || c == 'x' || c == 'q' {
			if template[offset] != c {
				t.Errorf("byte %d %q comes from %d %q", at, c, offset, template[offset])
			}
		}
	}
}
