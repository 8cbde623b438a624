package message

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

func TestHeadCharset(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`<html><META http-equiv=x content="text/html; CharSet = 'utf-8'">`: "utf-8",
		`<?xml version="1.0" encoding="iso-8859-2"?><html>`:                "iso-8859-2",
		`<meta name=a><p charset=b><meta charset=koi8-r>`:                  "koi8-r",
		`<meta charset=a charset=b charset=>`:                              "b",
		`<meta ` + strings.Repeat("x", 299) + `charset=a>`:                 "a",
		`<meta ` + strings.Repeat("x", 300) + `charset=a>`:                 "",
		`<?xml ` + strings.Repeat("x", 100) + `encoding=a?>`:               "",
		`<meta charset="` + strings.Repeat("y", 50):                        strings.Repeat("y", 40),
		`<meta charset`: "", `<met`: "", ``: "", `<meta > charset=a`: "", `<metacharset=a`: "a",
	} {
		if got := headCharset([]byte(in)); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// TestHeadCharsetAsExpression compares with an expression of the same meaning,
// which takes much longer.
func TestHeadCharsetAsExpression(t *testing.T) {
	t.Parallel()
	slow := regexp.MustCompile(`(?i)<(?:meta[^>]{0,300}charset|\?xml[^>]{0,100}encoding)\s*=\s*["']?\s*([A-Za-z0-9._:-]{1,40})`)
	pieces := []string{"<", ">", "meta", "META", "<meta ", "<?xml ", "charset", "Charset=", "encoding", "encoding=", "=", " ", "\n", "'", `"`,
		"utf-8", "é", ";", strings.Repeat("z", 97), strings.Repeat("-", 45), "?"}
	r := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		var s strings.Builder
		for range r.IntN(14) {
			s.WriteString(pieces[r.IntN(len(pieces))])
		}
		want := ""
		if m := slow.FindStringSubmatch(s.String()); m != nil {
			want = m[1]
		}
		if got := headCharset([]byte(s.String())); got != want {
			t.Fatalf("%q: %q, want %q", s.String(), got, want)
		}
	}
}
