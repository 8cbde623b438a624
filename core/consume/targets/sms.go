package targets

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf16"

	"smtpreceiver/core/consume"
	"smtpreceiver/core/consume/targets/fields"
	"smtpreceiver/core/sms"
)

// shortMessage is what of a job goes into an SMS.
type shortMessage struct {
	number, text  string
	report, flash bool
	priority      string
}

// readMessage makes no more than maxParts SMS of a job (0: no limit), and tells the
// job how many.
func readMessage(j *consume.Job, maxParts int) (*shortMessage, error) {
	number, err := fields.Phone(j.Number)
	if err != nil {
		return nil, err
	}
	text, err := fields.Text(j)
	if err != nil {
		return nil, err
	}
	if text, err = fields.Limit(j, sms.Plain(text), maxParts); err != nil {
		return nil, err
	}
	return &shortMessage{number, text, j.Report == "1", j.Flash == "1", j.Priority}, nil
}

// Smstools hands jobs to smstools3 (from 3.1.16, which knows Alphabet: UTF-8) as
// files in its folder outgoing.
type Smstools struct {
	*Drop
	MaxParts int // SMS of one text; 0: no limit
}

// Prepare implements consume.Target.
func (s Smstools) Prepare(_ context.Context, j *consume.Job) (note string, err error) {
	m, err := readMessage(j, s.MaxParts)
	if err != nil {
		return "", err
	}
	return s.prepare(j, j.Key, m.smstools(j.FromSMTP))
}

// smstools is the file as smsd reads it: headers, an empty line, the text. from has
// no meaning there, but event handlers may want it.
func (m *shortMessage) smstools(from string) []byte {
	var b strings.Builder
	header := func(name, value string) { fmt.Fprintf(&b, "%s: %s\n", name, fields.OneLine(value)) }
	// International numbers go without '+'. Any other is dialled as it is.
	number, international := strings.CutPrefix(m.number, "+")
	header("To", number)
	if !international {
		header("To_TOA", "unknown")
	}
	if from != "" {
		header("From", from)
	}
	text := sms.Fill(m.text)                  // smsd breaks escapes and surrogate pairs
	if sms.Count(text).Alphabet == sms.UCS2 { // of UTF-8 it would leave letters out, or their accents
		header("Alphabet", "UCS")
		text = string(sms.Encode(text))
	} else {
		header("Alphabet", "UTF-8")
	}
	if m.report {
		header("Report", "yes")
	}
	if m.flash {
		header("Flash", "yes")
	}
	if m.priority == "high" {
		header("Priority", "High")
	}
	b.WriteString("\n" + text) // a line end behind it would be sent
	return []byte(b.String())
}

// Gammu hands jobs to gammu-smsd with its files backend, as files in its outbox.
// Its own gammu-smsd-inject makes another message each time it is run.
type Gammu struct {
	*Drop
	MaxParts int // SMS of one text; 0: no limit
}

// Prepare implements consume.Target.
func (g Gammu) Prepare(_ context.Context, j *consume.Job) (note string, err error) {
	m, err := readMessage(j, g.MaxParts)
	if err != nil {
		return "", err
	}
	return g.prepare(j, m.gammuName(j.Key, time.Now()), m.gammu())
}

// gammuName tells number, priority and options. gammu-smsd sends in the order of
// the names; C is the priority of gammu-smsd-inject.
func (m *shortMessage) gammuName(key string, now time.Time) string {
	priority := "C"
	switch m.priority {
	case "high":
		priority = "A"
	case "low":
		priority = "E"
	}
	name := fmt.Sprintf("OUT%s%s_00_%s_%s.txt", priority, now.Format("20060102_150405"), m.number, key)
	if m.report {
		name += "d"
	}
	if m.flash {
		name += "f"
	}
	return name
}

// gammu is the text in UTF-16 with a byte order mark: without one gammu-smsd
// guesses by its locale.
func (m *shortMessage) gammu() []byte {
	b := []byte{0xFF, 0xFE}
	for _, unit := range utf16.Encode([]rune(sms.Fill(m.text))) { // gammu-smsd breaks surrogate pairs
		b = append(b, byte(unit), byte(unit>>8))
	}
	return b
}
