package transfer

import (
	"bytes"
	"strings"
)

// UUName is the file name in the line that begins a uuencoded file, "begin"
// mode name; ok is whether the line is one.
func UUName(line []byte) (name string, ok bool) {
	rest, ok := bytes.CutPrefix(trimLine(line), []byte("begin "))
	if !ok {
		return "", false
	}
	mode, file, ok := strings.Cut(strings.TrimLeft(string(rest), " "), " ")
	if file = strings.TrimSpace(file); !ok || file == "" || len(mode) < 3 || len(mode) > 4 || strings.Trim(mode, "01234567") != "" {
		return "", false
	}
	return file, true
}

// UULine says whether a line is uuencoded data: its first character counts the
// bytes, and as many characters as these take follow. Blanks at its end may
// have been lost, and a checksum may follow.
func UULine(line []byte) bool {
	line = bytes.TrimRight(line, "\r\n")
	if len(line) == 0 {
		return false
	}
	for _, c := range line {
		if c < ' ' || c > '`' {
			return false
		}
	}
	n := uuValue(line[0])
	need, have := (n+2)/3*4, len(line)-1
	return n > 0 && have <= need+2 && have >= n
}

// UUEnd says whether a line ends a uuencoded file.
func UUEnd(line []byte) bool { return string(trimLine(line)) == "end" }

// UUZero says whether a line is the one of no bytes that stands before the end.
func UUZero(line []byte) bool {
	line = trimLine(line)
	return len(line) == 0 || string(line) == "`"
}

func uuValue(c byte) int { return int(c-' ') & 0x3f }

// beginsUU says whether a uuencoded body begins with this line; some mailers
// leave the begin line out.
func beginsUU(text, next []byte) bool {
	if _, ok := UUName(text); ok {
		return true
	}
	return UULine(text) && (UULine(next) || UUZero(next) || UUEnd(next))
}

// decodeUULine writes the bytes of a line; ends says that it is no data.
func decodeUULine(dst, line []byte) (n int, ends bool) {
	if _, ok := UUName(line); ok || UUZero(line) {
		return 0, false
	}
	line = bytes.TrimRight(line, "\r\n")
	if !UULine(line) {
		return 0, true
	}
	n = uuValue(line[0])
	at := func(i int) byte {
		if i < len(line) {
			return byte(uuValue(line[i]))
		}
		return 0
	}
	for i, k := 1, 0; k < n; i, k = i+4, k+3 {
		a, b, c, e := at(i), at(i+1), at(i+2), at(i+3)
		for j, v := range [3]byte{a<<2 | b>>4, b<<4 | c>>2, c<<6 | e} {
			if k+j < n {
				dst[k+j] = v
			}
		}
	}
	return n, false
}
