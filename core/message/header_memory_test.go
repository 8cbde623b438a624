package message

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// TestHeaderMemoryIsBoundedByItsBytes: a header of 262,000 fields
// took 150 times its size. What is allocated in all counts here, not the peak.
func TestHeaderMemoryIsBoundedByItsBytes(t *testing.T) {
	for name, field := range map[string]string{"short": "a:\r\n", "long": "a: " + strings.Repeat("x", 1019) + "\r\n"} {
		text := []byte(strings.Repeat(field, 1<<20/len(field)) + "\r\nx\r\n")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		m, err := Parse(bytes.NewReader(text), int64(len(text)), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		if made := after.TotalAlloc - before.TotalAlloc; made > 16<<20 || field == "a:\r\n" && made > 4<<20 {
			t.Errorf("%s fields: %d bytes allocated for a header of 1 MiB", name, made)
		}
		if len(m.fields) > 1000 {
			t.Errorf("%s fields: %d are kept", name, len(m.fields))
		}
	}
}

// TestPartsKeepNoFields: a part keeps what it needs of its header, not the fields that
// it was cut out of, and of the references in HTML those to another part.
func TestPartsKeepNoFields(t *testing.T) {
	const parts, size, most = 30, 60 << 10, 500 << 10
	value := strings.Repeat(" ", size/2) + strings.Repeat("x", size/2)
	var pictures strings.Builder
	for i := range 60 {
		fmt.Fprintf(&pictures, "<img src=cid:%d.%s>", i, value[size-900:])
	}
	for _, part := range []string{
		"Content-Disposition: " + value + "\r\n", "Content-Type: text/plain; charset=" + value + "\r\n", "Content-Type: multipart/related; start=" + value + "; boundary=" + value + "\r\n",
		"Content-Type: text/plain; name=" + value + "\r\n", "Content-Location: " + value + "\r\n", "Content-Id: " + value + "\r\n",
		"Content-Type: text/html\r\n\r\n" + pictures.String(),
	} {
		mail := []byte("Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n"+part+"\r\n\r\n", parts))
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		m := parse(t, mail, Limits{})
		m.Attachments(m.Body([]Format{HTM}))
		runtime.GC()
		runtime.ReadMemStats(&after)
		if live := int64(after.HeapAlloc) - int64(before.HeapAlloc); live > most {
			t.Errorf("%.40q: %d bytes are live for %d parts", part, live, parts)
		}
		runtime.KeepAlive([]any{m, mail})
	}
}
