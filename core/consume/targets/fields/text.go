package fields

import (
	"errors"
	"fmt"
	"strings"

	"smtpreceiver/core/consume"
	"smtpreceiver/core/sms"
)

// Attachments stands for the files of a job: for any number of values.
const Attachments = "{attachments}"

// maxSaid is how much of what the other side says goes into an error, in bytes.
const maxSaid = 1000

// Text is the text of a job, which must be plain.
func Text(j *consume.Job) (string, error) {
	if j.Format != "txt" {
		return "", consume.Permanent(fmt.Errorf("the message is in format %q, and plain text is needed: set format_preference of the application to txt", j.Format))
	}
	return j.ReadFile(j.Text)
}

// Limit cuts a text to no more than maxParts SMS (0: no limit) and to what the job
// allows, and tells the job how many it makes.
func Limit(j *consume.Job, text string, maxParts int) (string, error) {
	if text == "" {
		return "", consume.Permanent(errors.New("the text is empty"))
	}
	allowed, parts, whole, err := sms.NewLimit(maxParts, j.MaxLen, j.Action).Apply(text)
	j.Parts, j.Over = parts.Count, whole.Count-parts.Count
	return allowed, consume.Permanent(err)
}

// OneLine makes a value that can start no other header.
func OneLine(value string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, value)
}

// LastWords are the end of what a program or a service said, on one line.
func LastWords(output string) string {
	text := strings.Join(strings.Fields(output), " ")
	return text[max(0, len(text)-maxSaid):]
}
