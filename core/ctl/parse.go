package ctl

import (
	"errors"
	"fmt"
	"strings"
)

// MaxSize is how large a control file may be, in bytes, in UTF-8 and in the code
// page of the file. What is larger is neither written nor read.
const MaxSize = 1 << 20

// Parse reads a control file; text is UTF-8, decoded from the code page of the
// file by the caller. Lines may end in LF alone; empty lines, comments after ';'
// and a byte order mark are skipped, spaces around names and values too. Of a key
// that stands twice in a section the first counts, as for Windows. Any other line
// and a text over 1 MiB is an error.
func Parse(text string) (*Document, error) {
	if len(text) > MaxSize {
		return nil, fmt.Errorf("control file of %d bytes is larger than 1 MiB", len(text))
	}
	d, section, number := New(), "", 0
	for line := range strings.Lines(strings.TrimPrefix(text, "\uFEFF")) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == ';' {
			continue
		}
		if err := d.parseLine(line, &section); err != nil {
			return nil, fmt.Errorf("control file, line %d: %w", number, err)
		}
	}
	return d, nil
}

func (d *Document) parseLine(line string, section *string) error {
	if line[0] == '[' {
		name, ok := strings.CutSuffix(line[1:], "]")
		if !ok {
			return errors.New("a section heading without ']'")
		}
		*section = strings.TrimSpace(name)
		return ValidName(*section)
	}
	key, value, ok := strings.Cut(line, "=")
	key = strings.TrimSpace(key)
	switch {
	case !ok:
		return errors.New("neither [section], key=value nor ;comment")
	case *section == "":
		return errors.New("a key before the first section")
	}
	if err := ValidName(key); err != nil {
		return err
	}
	if d.Get(*section, key) == "" {
		d.Set(*section, key, value)
	}
	return nil
}
