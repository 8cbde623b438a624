package message

import (
	"bytes"
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
