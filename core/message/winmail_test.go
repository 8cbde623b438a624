package message

import (
	"strings"
	"testing"
)

// TestTNEFWhoseTextCannotBeRead: where nothing else says what the message says,
// the stream with its RTF stays among the attachments.
func TestTNEFWhoseTextCannotBeRead(t *testing.T) {
	t.Parallel()
	const stream = "eJ8+IgEAAQeQBgAIAAAA4gQAAAAAAAAAAAECkAYADgAAAAAAAAAAAAAAAAAAAAAAAAABD4AGAAMAAABvbmUAAAEFkAYAGAAAAAEAAAAeAAQ3AQAAAAgAAABvbmUucGRmAAAA" // holds one.pdf, no text
	for text, want := range map[string]string{"": "one.pdf|winmail.dat", "see attachment": "one.pdf"} {
		m := parse(t, crlf("MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=b", "",
			"--b", "Content-Type: text/plain", "", text,
			"--b", "Content-Type: application/ms-tnef; name=winmail.dat", "Content-Transfer-Encoding: base64", "",
			stream, "--b--", ""), Limits{})
		var names []string
		for _, a := range m.Attachments(m.Body([]Format{TXT})) {
			names = append(names, a.Name)
		}
		if got := strings.Join(names, "|"); got != want {
			t.Errorf("beside the text %q: %s, want %s", text, got, want)
		}
	}
}
