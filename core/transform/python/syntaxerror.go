package python

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// SyntaxError is a fault in a template, with its place.
type SyntaxError struct {
	Offset       int // in bytes from the start of the template
	Line, Column int // from 1; the column counts characters
	Reason       string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Reason)
}

// Fault is a fault at a byte offset of the template.
func Fault(template string, offset int, format string, args ...any) *SyntaxError {
	offset = max(0, min(offset, len(template)))
	before := template[:offset]
	return &SyntaxError{
		Offset: offset,
		Line:   1 + strings.Count(before, "\n"),
		Column: 1 + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]),
		Reason: fmt.Sprintf(format, args...),
	}
}
