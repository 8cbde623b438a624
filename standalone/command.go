package standalone

import (
	"bytes"
	"strconv"
	"strings"
)

// maxBadLines is how many unusable command lines a client may send.
const maxBadLines = 3

// tlsHandshake is the first byte of a ClientHello.
const tlsHandshake = 22

// commandReader judges command lines before go-smtp sees them.
type commandReader struct {
	tooLong bool // the beginning of this line is thrown away already
	spoken  bool // there was a usable line
	bad     int
}

// commandVerdict is what becomes of a line: it is answered, or the client is
// dropped, or the line is handed on.
type commandVerdict struct {
	reply  string
	hangUp bool
	chunk  int64 // bytes of message that follow the line
	// A HELO, EHLO or LHLO.
	greeting, helo bool
	startTLS       bool
	cancel         bool // the line is no answer of AUTH; go-smtp waits for one
}

// cancelAuth is how a client gives an exchange up (RFC 4954 section 4).
var cancelAuth = []byte("*\r\n")

// look judges a line with its LF. A continuation is an answer in AUTH and no
// command.
func (r *commandReader) look(line []byte, continuation bool) (v commandVerdict) {
	long := r.tooLong || len(line) > maxCommandLine
	r.tooLong = false
	switch {
	case !r.spoken && !long && isForeign(line):
		return commandVerdict{hangUp: true} // a browser, say, was made to talk to us
	case continuation && (long || bytes.IndexByte(line, 0) >= 0):
		return commandVerdict{cancel: true}
	case long:
		return r.refuse("500 5.5.2 Line too long")
	case bytes.IndexByte(line, 0) >= 0:
		return r.refuse("500 5.5.2 NUL in command line")
	}
	r.spoken = true
	if continuation || len(line) < 4 {
		return v
	}
	if strings.HasPrefix(strings.ToUpper(string(line[:min(len(line), 16)])), "STARTTLS") {
		v.startTLS = true // whatever stands behind it, and by the same case folding, as for go-smtp
		return v
	}
	switch verb := strings.ToUpper(string(line[:4])); verb {
	case "HELO", "EHLO", "LHLO":
		v.greeting, v.helo = true, verb == "HELO"
	case "BDAT":
		v.chunk = chunkSize(string(line))
	}
	return v
}

func (r *commandReader) refuse(reply string) commandVerdict {
	r.spoken = true
	r.bad++
	if r.bad > maxBadLines {
		reply = "421 4.7.0 Too many errors"
	}
	return commandVerdict{reply: reply}
}

// chunkSize is the size of the chunk that go-smtp reads behind a BDAT line, by
// the same rules: one that it does not read must be limited as command lines
// are.
func chunkSize(line string) int64 {
	line = strings.TrimRight(line, "\r\n")
	if len(line) < 6 || line[4] != ' ' {
		return 0
	}
	args := strings.Fields(line[5:])
	if len(args) == 0 || len(args) > 2 || len(args) == 2 && !strings.EqualFold(args[1], "LAST") {
		return 0
	}
	n, err := strconv.ParseUint(args[0], 10, 32)
	if err != nil {
		return 0
	}
	return int64(n)
}

// isForeign tells the first line of another protocol: HTTP, a PROXY header that
// nobody expects, TLS on the port where it begins with STARTTLS.
func isForeign(line []byte) bool {
	if line[0] == tlsHandshake {
		return true
	}
	for _, verb := range []string{"GET ", "POST ", "CONNECT ", "PUT ", "HEAD ", "OPTIONS ", "PROXY "} {
		if bytes.HasPrefix(line, []byte(verb)) {
			return true
		}
	}
	return false
}
