package main

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestMessageFile(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                    "",
		"a":                   "a\r\n",
		"a\nb\n":              "a\r\nb\r\n",
		"\n":                  "\r\n",
		"a\nb\r\nc":           "a\r\nb\r\nc\r\n", // of Unix, with a line of Windows
		"a\r\nb\nc\r\n":       "a\r\nb\nc\r\n",   // a bare LF stays one
		"a\rb\n":              "a\rb\r\n",        // a bare CR stays one
		"a\r\nb\r":            "a\r\nb\r\n",
		"a\r\n\r\nno newline": "a\r\n\r\nno newline\r\n",
	} {
		got, err := io.ReadAll(messageFile(iotest.OneByteReader(strings.NewReader(in))))
		if err != nil || string(got) != want {
			t.Errorf("%q: %q, %v, want %q", in, got, err, want)
		}
	}
}
