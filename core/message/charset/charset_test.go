package charset

import (
	"strings"
	"testing"

	"smtpreceiver/core/message/charset/labels"
)

func TestNames(t *testing.T) {
	t.Parallel()
	for label, in := range map[string]string{
		"cp1250": "\x9e", "CP-1250": "\x9e", "win-1250": "\x9e", "windows1250": "\x9e", "x-cp1250": "\x9e",
		"Windows-1250": "\x9e", "ISO-8859-2": "\xbe", "iso8859-2": "\xbe", "latin2": "\xbe", "ISO_8859-2:1987": "\xbe",
		"cp852": "\xa7", "IBM852": "\xa7", "x-mac-ce": "\xec", "28592": "\xbe", "utf-8": "ž", "utf8": "ž", "UTF-7": "+AX4-",
		"utf-16le": "\x7e\x01", "utf-16be": "\x01\x7e", "UTF-16": "\x01\x7e", "\"utf-8\"": "ž", "utf-8-sig": "ž", "iso-8859-4": "\xbe",
		"windows-1257": "\xfe", "cp775": "", "gb18030": "\x81\x30\x91\x38",
	} {
		_, ok := labels.Lookup(label)
		if label == "cp775" {
			if ok {
				t.Errorf("%s is known", label)
			}
			continue
		}
		if !ok {
			t.Errorf("%s is unknown", label)
			continue
		}
		if got := Decode([]byte(in), label, Context{Default: "windows-1252"}); got != "ž" && label != "gb18030" {
			t.Errorf("%s: %q is %q", label, in, got)
		}
	}
	for _, label := range []string{"", "unknown-8bit", "8bit", "default", "binary", "x-user-undefined", strings.Repeat("x", 1000)} {
		if labels.Known(label) {
			t.Errorf("%.20q is known", label)
		}
	}
}
