package senders

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"smtpreceiver/core/datafile"
	"smtpreceiver/core/senders/row"
)

// maxBadLines is how many bad lines of a file are told at once.
const maxBadLines = 20

// sendersFile is the backend file.
type sendersFile struct {
	rows *datafile.File[sheet]
}

// sheet is the content of a file: rows by the name in small letters.
type sheet map[string]row.Row

// Len counts the rows.
func (s sheet) Len() int { return len(s) }

func newSendersFile(o Options, t *Table, log *slog.Logger) (backend, error) {
	parse := func(path string, data []byte) (sheet, error) { return parseSheet(path, data, t.compile) }
	rows, err := datafile.Open(o.File, "senders", parse, log)
	if err != nil {
		return nil, bad("file", "%w", err)
	}
	return &sendersFile{rows}, nil
}

func (f *sendersFile) find(_ context.Context, name string) (row.Row, error) {
	return f.rows.Get()[name], nil
}

func (f *sendersFile) Close() error { return nil }

// parseSheet reads CSV (RFC 4180) whose first line names the columns; lines that
// begin with # are skipped. The error lists the bad lines by path and number.
func parseSheet(path string, data []byte, compile func(string) (row.Numbers, error)) (sheet, error) {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\uFEFF"))))
	r.Comment, r.TrimLeadingSpace, r.ReuseRecord = '#', true, true
	head, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s is empty: name the columns in its first line, such as name,allowed,numbers_allowed", path)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	columns := make([]string, len(head))
	for i, c := range head {
		columns[i] = strings.ToLower(strings.TrimSpace(c))
	}
	if err := row.CheckColumns(columns); err != nil {
		return nil, fmt.Errorf("%s: the first line: %w", path, err)
	}
	out, lines := sheet{}, map[string]int{}
	var problems []error
	for {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			return out, errors.Join(problems...)
		}
		var line int
		if err == nil {
			line, _ = r.FieldPos(0)
			err = out.add(columns, fields, line, lines, compile)
		}
		var syntax *csv.ParseError
		if errors.As(err, &syntax) {
			line, err = syntax.Line, syntax.Err
		}
		if err == nil {
			continue
		}
		if len(problems) == maxBadLines {
			return nil, errors.Join(append(problems, fmt.Errorf("%s: further lines are bad too", path))...)
		}
		problems = append(problems, fmt.Errorf("%s:%d: %w", path, line, err))
	}
}

// add reads one line. The rights are read once to know that they can be.
func (s sheet) add(columns, fields []string, line int, lines map[string]int, compile func(string) (row.Numbers, error)) error {
	r := row.Row{}
	for i, c := range columns {
		r[c] = strings.TrimSpace(fields[i])
	}
	rights, err := r.Rights(compile)
	if err != nil {
		return err
	}
	name := row.Lowered(rights.Name)
	if first, twice := lines[name]; twice {
		return fmt.Errorf("%q has a line already, line %d: remove one", name, first)
	}
	s[name], lines[name] = r, line
	return nil
}
