package report

import (
	"bytes"
	"strings"
	"testing"
)

// TestReportSmugglesNothing: the header of a mail comes back in a report. To a server
// that ends lines at a CR alone it must not be more than that.
func TestReportSmugglesNothing(t *testing.T) {
	t.Parallel()
	q := request()
	q.Header = cutHeader([]byte("Subject: x\r.\rMAIL FROM:<boss@x.test>\rRCPT TO:<all@x.test>\rDATA\r\n folded\r.\r\n\tand\r\r\nX-A: b\r\n.\r\n\r\nbody\r\n"))
	if want := "Subject: x . MAIL FROM:<boss@x.test> RCPT TO:<all@x.test> DATA\r\n folded .\r\n\tand \r\nX-A: b\r\n"; string(q.Header) != want {
		t.Errorf("%q, want %q", q.Header, want)
	}
	o := failure()
	o.Reason, o.Number, o.Name = "no\r.\rMAIL FROM:<a@b>", "1\r.\r2", "n\r.\rn"
	for _, text := range []string{"", "<%reason%>\r.\r<%number%><%name%><%subject%>\r.\rQUIT"} {
		letter, _ := composer(t, text, text).Compose(t.Context(), q, o)
		if rest := strings.ReplaceAll(string(letter), "\r\n", ""); strings.ContainsAny(rest, "\r\n") {
			t.Errorf("a CR or LF alone in %q", letter)
		}
	}
	stored, err := q.Encode()
	if err != nil {
		t.Fatal(err)
	}
	old := bytes.Replace(stored, []byte("X-A: b"), []byte("X-A: b\r.\r"), 1) // as a version before has kept it
	back, err := Decode(bytes.NewReader(old))
	if err != nil || bytes.Contains(bytes.ReplaceAll(back.Header, []byte("\r\n"), nil), []byte("\r")) {
		t.Errorf("%q, %v", back, err)
	}
}
