package transform

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// The bounds of a block of @commands; what lies behind them stays text.
const (
	maxBlockLines = 64
	maxBlockBytes = 8 << 10
)

const byteOrderMark = "\ufeff"

// Tag is what one @command asks for: a CTL value.
type Tag struct{ Section, Key, Value string }

// TagSet is a set of @commands.
type TagSet struct {
	commands map[string]command // by name in lower case
}

// command says where the value of an @command goes.
type command struct {
	section, key string
	fixed        string // value that the user cannot change, "" for none
	accept       func(value string) (string, bool)
}

// ParseTagSet reads a set of own commands. Each is "section|key", whose value
// is what the user writes after =, or 1 without it, in any words; or
// "section|key|value", which the user writes alone or with =1. All faults are
// reported, joined.
func ParseTagSet(m map[string]string) (*TagSet, error) {
	ts := &TagSet{commands: make(map[string]command, len(m))}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(m)) {
		c, err := parseCommand(name, m[name])
		if err != nil {
			errs = append(errs, fmt.Errorf("command %q: %w", name, err))
			continue
		}
		lower := strings.ToLower(name)
		if _, twice := ts.commands[lower]; twice {
			errs = append(errs, fmt.Errorf("command %q: given twice, case is ignored", name))
			continue
		}
		ts.commands[lower] = c
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return ts, nil
}

func parseCommand(name, rule string) (command, error) {
	if name == "" || strings.ContainsFunc(name, notInName) {
		return command{}, errors.New("a name is letters, digits, - and _, without the @")
	}
	fields := strings.SplitN(rule, "|", 3)
	for i := range fields {
		fields[i] = strings.TrimSpace(fields[i])
	}
	if len(fields) < 2 {
		return command{}, fmt.Errorf("%q: write section|key or section|key|value", rule)
	}
	if err := checkTarget(fields[0], fields[1]); err != nil {
		return command{}, fmt.Errorf("%q: %w", rule, err)
	}
	c := command{section: fields[0], key: fields[1], accept: anyText}
	if len(fields) == 3 {
		if fields[2] == "" {
			return command{}, fmt.Errorf("%q: the value is missing", rule)
		}
		c.fixed, c.accept = fields[2], onlyOne
	}
	return c, nil
}

func notInName(r rune) bool {
	return r != '-' && r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
}

// Builtin gives the set mobilchange or faxchange: dr, action and maxlen (not
// for fax) take numbers, report is dr=1, priority is high, normal or low.
func Builtin(name string) (*TagSet, bool) {
	commands := map[string]command{
		"dr":       {section: "system", key: "dr", accept: number},
		"report":   {section: "system", key: "dr", fixed: "1", accept: onlyOne},
		"action":   {section: "system", key: "action", accept: number},
		"maxlen":   {section: "system", key: "maxlen", accept: number},
		"priority": {section: "system", key: "priority", accept: priority},
	}
	switch strings.ToLower(name) {
	case "mobilchange":
	case "faxchange":
		delete(commands, "maxlen")
	default:
		return nil, false
	}
	return &TagSet{commands}, true
}

func anyText(v string) (string, bool) { return v, true }

func onlyOne(v string) (string, bool) { return v, v == "1" }

// number takes what fits a signed 32-bit number.
func number(v string) (string, bool) {
	return v, v != "" && len(v) <= 9 && strings.Trim(v, "0123456789") == ""
}

func priority(v string) (string, bool) {
	v = strings.ToLower(v)
	return v, v == "high" || v == "normal" || v == "low"
}

// Cut takes the block of @commands off the start of a text and gives the
// commands in their order and the rest of the text, which is read on demand.
// The block ends at the first line that is not a command of the set with a
// value that it takes, or after 64 lines or 8 KiB; one empty line behind it
// goes too. err is an error of r; then rest gives what was read all the same.
func (ts *TagSet) Cut(r io.Reader) (tags []Tag, rest io.Reader, err error) {
	br := bufio.NewReaderSize(r, maxBlockBytes)
	start, err := br.Peek(len(byteOrderMark) + 1)
	if err != nil && err != io.EOF {
		return nil, br, err
	}
	block, marked := bytes.CutPrefix(start, []byte(byteOrderMark))
	if len(block) == 0 || block[0] != '@' {
		return nil, br, nil
	}
	if block, err = br.Peek(maxBlockBytes); err != nil && err != io.EOF {
		return nil, br, err
	}
	whole := err == io.EOF
	used := 0
	if marked {
		used = len(byteOrderMark)
	}
	for len(tags) < maxBlockLines {
		line, size := cutLine(block[used:], whole)
		tag, ok := ts.read(line)
		if !ok {
			break
		}
		tags = append(tags, tag)
		used += size
	}
	if len(tags) == 0 {
		return nil, br, nil
	}
	if line, size := cutLine(block[used:], whole); len(bytes.TrimSpace(line)) == 0 {
		used += size
	}
	_, err = br.Discard(used)
	return tags, br, err
}

// cutLine gives the first line and its size with the line end. A line that is
// not known to its end is none, unless the text ends there.
func cutLine(b []byte, whole bool) (line []byte, size int) {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return b[:i], i + 1
	}
	if whole {
		return b, len(b)
	}
	return nil, 0
}

// read reads a line as a command.
func (ts *TagSet) read(line []byte) (Tag, bool) {
	text, ok := strings.CutPrefix(string(bytes.TrimRight(line, " \t\r")), "@")
	if !ok {
		return Tag{}, false
	}
	name, value, given := strings.Cut(text, "=")
	c, ok := ts.commands[strings.ToLower(strings.TrimRight(name, " \t"))]
	if !ok {
		return Tag{}, false
	}
	if value = strings.TrimSpace(value); !given {
		value = "1"
	}
	value, ok = c.accept(value)
	if c.fixed != "" {
		value = c.fixed
	}
	return Tag{c.section, c.key, value}, ok
}
