package logging

import (
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"

	"github.com/coreos/go-systemd/v22/journal"
)

// identifier is our name in the system's logs.
const identifier = "smtpreceiver"

// newJournalHandler hands events to journald by its native protocol. MESSAGE is
// the line as it stands in every other log; each attribute is a field too, such
// as SMTPRECEIVER_SESSION, for journalctl to select by.
func newJournalHandler() *eventHandler {
	h := newEventHandler(nil)
	h.fields = map[string]string{
		"SYSLOG_IDENTIFIER": identifier,
		"SYSLOG_FACILITY":   "2", // mail
	}
	h.send = func(letter, line string, fields map[string]string) error {
		return journal.Send(strings.TrimSuffix(line, "\n"), priority(letter), fields)
	}
	return h
}

// newStreamHandler is for a console that journald reads line by line: the
// priority goes in front (sd-daemon(3)), and journald adds the time.
func newStreamHandler(w io.Writer) *eventHandler {
	return newEventHandler(func(letter, line string) error {
		_, err := io.WriteString(w, "<"+strconv.Itoa(int(priority(letter)))+">"+line)
		return err
	})
}

// isJournal says whether what is written to w goes into the journal.
func isJournal(w io.Writer) bool {
	if w != io.Writer(os.Stderr) {
		return false
	}
	is, err := journal.StderrIsJournalStream()
	return is && err == nil
}

func priority(letter string) journal.Priority {
	switch letter {
	case "E":
		return journal.PriErr
	case "W":
		return journal.PriWarning
	case "I":
		return journal.PriInfo
	}
	return journal.PriDebug
}

// maxFieldName is journald's limit.
const maxFieldName = 64

// addField adds an attribute as a field of the journal. A name keeps to what
// journald takes: capitals, digits and underscores.
func addField(fields map[string]string, group string, a slog.Attr) {
	value := a.Value.Resolve()
	if value.Kind() == slog.KindGroup {
		if a.Key != "" {
			group += a.Key + "_"
		}
		for _, inner := range value.Group() {
			addField(fields, group, inner)
		}
		return
	}
	name := "SMTPRECEIVER_" + strings.Map(fieldRune, group+a.Key)
	fields[name[:min(len(name), maxFieldName)]] = value.String()
}

func fieldRune(r rune) rune {
	switch {
	case r >= 'a' && r <= 'z':
		return r - 'a' + 'A'
	case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return r
	}
	return '_'
}

// without is set less the letters of others.
func without(set, others string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(others, r) {
			return -1
		}
		return r
	}, set)
}
