package message

import (
	"strings"
	"testing"

	"smtpreceiver/core/message/htmltext"
)

// TestHTMLCopy looks at the declaration of the charset in an htm file.
func TestHTMLCopy(t *testing.T) {
	t.Parallel()
	const d = declaration
	big := "<img src='data:" + strings.Repeat("x", 2*htmltext.MaxToken) + "'>"
	comment := "<!--" + strings.Repeat("x", 2*htmltext.MaxToken) + "-->"
	for in, want := range map[string]string{
		"<html><head><title>é</title></head>": "<html><head>" + d + "<title>é</title></head>",
		"<p>é":                                d + "<p>é",
		"é":                                   d + "é",
		"":                                    d,
		"<!DOCTYPE html>\n<HTML lang=cs>\n<BODY>é":                                          "<!DOCTYPE html>\n<HTML lang=cs>\n" + d + "<BODY>é",
		"<head><META http-equiv=x content='text/html; charset=windows-1250'><meta name=a>é": "<head>" + d + "<meta name=a>é",
		"<head></head><body>é<meta charset=iso-8859-2>é":                                    "<head>" + d + "</head><body>éé",
		"<p a='é":           d + "<p a='é",
		big + "<p>é":        d + big + "<p>é",
		"é" + comment + "é": d + "é" + comment + "é",
		comment + "é":       comment + d + "é",
		"<" + strings.Repeat("x", 20) + ">é<metadata charset=x>é": d + "<" + strings.Repeat("x", 20) + ">é<metadata charset=x>é",
	} {
		raw := "Content-Type: text/html; charset=utf-8\r\n\r\n" + in
		var b strings.Builder
		if _, err := parse(t, []byte(raw), Limits{}).Body([]Format{HTM}).WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		if b.String() != want {
			t.Errorf("%.100q gives %.200q, want %.200q", in, b.String(), want)
		}
	}
}
