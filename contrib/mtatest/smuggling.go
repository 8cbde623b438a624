package mtatest

import "strings"

// Smuggled is a second envelope, for behind what only looks like the end of a
// message.
const Smuggled = "MAIL FROM:<evil@x.test>\r\nRCPT TO:<2@fax>\r\nDATA\r\nsmuggled\r\n"

// SmugglingEnds are the ends of hannob/smtpsmug and those that were published
// after it. None of them ends a message. Bare tells which have a CR or an LF by
// itself.
var SmugglingEnds = []struct {
	End  string
	Bare bool
}{
	{"\n.\n", true}, {"\n.\r\n", true}, {"\r\n.\n", true}, {"\r.\r", true}, {"\r.\n", true}, {"\n.\r", true},
	{"\r.\r\n", true}, {"\r\n.\r", true}, {"\r\n\x00.\r\n", false}, {"\r\n.\x00\r\n", false},
	{"\r\n.\r\r\n", true}, {"\r\r\n.\r\r\n", true}, {"\r\n..\n", true}, {"\r\n.\n.\r\n", true}, {"\n\n.\r\n", true},
	{"\r\n..\r\n", false}, {"\r\n .\r\n", false}, {"\r\n. \r\n", false}, {"\r\n.\t\r\n", false}, {"\r\n\x85.\x85", false}, {"\r\n\v.\r\n", false},
	{"\r\n.\rX\r\n", true}, {"\r\n.\r\r\r\n", true}, {"\r\n\r.\r\n", true}, {"\n\r\n.\n", true},
}

// DoubtfulEnds hold CRLF.CRLF behind more than one CR: an end here, and perhaps
// none to the server before us, so that nothing may be read behind it.
var DoubtfulEnds = []string{"\r\r\n.\r\n", "\r\r\r\n.\r\n", "\r\r\r\r\r\r\r\n.\r\n", "\r\n\r\r\r\n.\r\n"}

// LenientEnds counts what any server could take for the end of a message that
// is sent as wire.
func LenientEnds(wire string) int {
	wire = strings.ReplaceAll(strings.ReplaceAll(wire, "\r\n", "\n"), "\r", "\n")
	n := 0
	for rest := "\n" + wire; ; n++ {
		i := strings.Index(rest, "\n.\n")
		if i < 0 {
			return n
		}
		rest = rest[i+2:]
	}
}
