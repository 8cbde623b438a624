package registry

import (
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"

	"golang.org/x/text/encoding/unicode"
)

// plain reads data that is not in quotes; nil if there is none to store.
func (r *reader) plain(name, data string, at int) *Value {
	v := &Value{Name: name, Kind: Number, Line: at}
	comment := strings.IndexByte(data, ';')
	if comment >= 0 {
		data = strings.TrimSpace(data[:comment])
	}
	if data == "-" {
		if r.key != nil {
			delete(r.key.values, fold(name))
		}
		return nil
	}
	if digits, ok := cutFold(data, "dword:"); ok {
		number, err := strconv.ParseUint(strings.TrimSpace(digits), 16, 32)
		if err != nil {
			r.problem(at, "dword must have one to eight hexadecimal digits: %.60q", data)
			return nil
		}
		v.Text = []string{strconv.FormatUint(number, 10)}
		return v
	}
	m := hexKind.FindStringSubmatch(data)
	if m == nil {
		r.problem(at, "data of the value is of no known form: %.60q", data)
		return nil
	}
	written := r.continued(data[len(m[0]):])
	b, err := hex.DecodeString(strings.Map(digit, written))
	if err == nil && strings.HasSuffix(strings.TrimSpace(written), ",") {
		r.problem(at, "hex ends with a comma, so more of it is missing: %.60q", data)
	}
	if err != nil {
		r.problem(at, "hex must have pairs of hexadecimal digits: %.60q", data)
		return nil
	}
	switch kind, _ := strconv.ParseUint(m[1], 16, 64); {
	case kind == 1:
		v.Kind, v.Text = String, []string{r.string(b)}
	case kind == 2:
		v.Kind, v.Text = ExpandString, []string{r.string(b)}
	case kind == 7:
		v.Kind, v.Text = MultiString, strings.FieldsFunc(r.string(b), func(c rune) bool { return c == 0 })
	case kind == 4 && len(b) == 4:
		v.Text = []string{strconv.FormatUint(uint64(binary.LittleEndian.Uint32(b)), 10)}
	case kind == 0xb && len(b) == 8:
		v.Text = []string{strconv.FormatUint(binary.LittleEndian.Uint64(b), 10)}
	default:
		v.Kind, v.Text = Binary, []string{m[0] + strings.Join(strings.Fields(written), "")}
	}
	return v
}

// continued adds the lines that follow one which ends with a backslash.
func (r *reader) continued(data string) string {
	var b strings.Builder
	for {
		part, more := strings.CutSuffix(data, `\`)
		b.WriteString(part)
		if !more {
			return b.String()
		}
		if !r.more() {
			r.problem(r.line, "the file ends where the data of a value goes on: %.60q", data)
			return b.String()
		}
		data = r.take()
		if comment := strings.IndexByte(data, ';'); comment >= 0 {
			data = data[:comment]
		}
		data = strings.TrimSpace(data)
	}
}

// digit leaves out what may stand between the digits of hex data.
func digit(c rune) rune {
	if strings.ContainsRune(", \t", c) {
		return -1
	}
	return c
}

// string decodes a string given in hex, less the zeros at its end.
func (r *reader) string(b []byte) string {
	text := ""
	if r.wide {
		text = utf16(b, unicode.LittleEndian)
	} else {
		text = r.ansi(b)
	}
	return strings.TrimRight(text, "\x00")
}

func cutFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}
