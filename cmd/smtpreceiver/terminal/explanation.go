// Package terminal is what the commands show to people: explain, status, check and jobs.
// Control characters, which may come from mail, never reach the terminal.
package terminal

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"strings"
	"unicode"

	"smtpreceiver/core/explained"
)

// explanationPrinter writes an explanation for people. bufio.Writer keeps the
// first error.
type explanationPrinter struct{ *bufio.Writer }

// Explanation writes what explain found.
func Explanation(w io.Writer, e *explained.Mail) error {
	p := explanationPrinter{bufio.NewWriter(w)}
	p.head(e)
	for _, r := range e.Recipients {
		p.recipient(r)
	}
	if e.Refused != nil && e.Refused.Stage == "message" {
		p.printf("\nthe message is refused\n")
		p.reply("  ", &e.Refused.Reply)
	}
	if e.Message != nil {
		p.message(e.Message)
	}
	for _, w := range e.Warnings {
		p.printf("\nwarning: %s\n", w)
	}
	return p.Flush()
}

func (p explanationPrinter) printf(format string, args ...any) {
	for i, a := range args {
		if s, ok := a.(string); ok {
			args[i] = visible(s)
		}
	}
	fmt.Fprintf(p, format, args...)
}

func (p explanationPrinter) head(e *explained.Mail) {
	if e.Policy {
		p.printf("asked by Postfix for ")
	}
	p.printf("%s, client [%s]", e.Frontend, e.Client.Address)
	if e.Client.Local {
		p.printf(" (local sendmail command)")
	}
	if e.Client.User != "" {
		p.printf(", authenticated as %s", e.Client.User)
	}
	p.printf(", sender <%s>\n", e.Sender)
	switch {
	case e.Refused == nil:
	case e.Refused.Stage == "greeting":
		p.printf("the client may not connect; instead of a greeting it gets\n")
		p.reply("  ", &e.Refused.Reply)
	case e.Refused.Stage == "mail":
		p.printf("MAIL is refused\n")
		p.reply("  ", &e.Refused.Reply)
	}
}

func (p explanationPrinter) reply(indent string, r *explained.Reply) {
	p.printf("%s%d %s %s\n", indent, r.Code, r.Enhanced, r.Text)
	if r.Cause != "" {
		p.printf("%s    because: %s\n", indent, r.Cause)
	}
}

func (p explanationPrinter) recipient(r explained.Recipient) {
	p.printf("\n%s\n", r.Given)
	if r.Match != r.Given && r.Match != "" {
		p.printf("  mailbox %s, matched as %s\n", r.Mailbox, r.Match)
	}
	for _, a := range r.Applications {
		p.application(a)
		if a.Reply != nil && (r.Reply == nil || *a.Reply != *r.Reply) {
			p.reply("    ", a.Reply)
		}
	}
	switch r.Outcome {
	case explained.OutcomeAllowed:
		p.printf("  => allowed, %s would take it\n", r.Application)
	case explained.OutcomeTaken:
		p.printf("  => taken by %s, job %d of the message\n", r.Application, *r.Job+1)
	case explained.OutcomeForwarded:
		p.printf("  => no application takes it: forwarded to %s, which answers for it\n", strings.Join(r.ForwardServers, ", "))
	case explained.OutcomeLeft:
		p.printf("  => no application takes it: left to the mail server\n")
	case explained.OutcomeRefused:
		p.printf("  => refused\n")
		p.reply("     ", r.Reply)
	}
	if r.Action != "" {
		p.printf("  Postfix reads: action=%s\n", r.Action)
	}
}

// answers are the answers of applications in words.
var answers = map[string]string{
	explained.AnswerDisabled: "disabled",
	explained.AnswerNoMatch:  "no expression of its addresses matches",
	explained.AnswerNotAsked: "not asked: one before it takes the recipient",
	explained.AnswerTakes:    "takes it",
	explained.AnswerRefuses:  "refuses it",
	explained.AnswerAside:    "counts as not matching",
}

func (p explanationPrinter) application(a explained.Application) {
	p.printf("  application %s: %s\n", a.Name, answers[a.Answer])
	if m := a.Address; m != nil {
		p.printf("    %s matches: %s\n", m.Key, m.Expression)
		for _, g := range m.Groups {
			p.printf("      %s = %s\n", g.Name, g.Value)
		}
	}
	for _, r := range a.Rules {
		mark := "yes"
		if !r.Passed {
			mark = "no "
		}
		p.printf("    %s %s: %s", mark, r.Key, r.Detail)
		if r.Entry != "" {
			p.printf(": %s", r.Entry)
		}
		p.printf("\n")
	}
	for _, l := range a.Limits {
		p.printf("    limit %s: %d in an hour (what counts already is not known)\n", l.Key, l.Jobs)
	}
}

func (p explanationPrinter) message(m *explained.Message) {
	p.printf("\nmessage of %d bytes", m.Size)
	if len(m.Jobs) > 0 {
		p.printf("; the numbers of its jobs are placeholders")
	}
	p.printf("\n")
	for _, s := range m.Charsets {
		p.printf("charset of %s\n", s)
	}
	for i, j := range m.Jobs {
		p.printf("\njob %d: %s of %s for %s, in %s\n", i+1, j.Name, j.Application, j.Recipient, cmp.Or(j.Folder, "the queue"))
		for _, f := range j.Files {
			p.printf("  %s, %d bytes\n", f.Name, f.Size)
			if f.Text == nil {
				continue
			}
			for line := range strings.Lines(*f.Text) {
				p.printf("    | %s\n", strings.TrimRight(line, "\r\n"))
			}
		}
		p.cost(j.SMS)
	}
}

// cost says what a text makes as SMS.
func (p explanationPrinter) cost(c *explained.SMS) {
	switch {
	case c == nil:
	case c.Refused != "":
		p.printf("  no SMS: %s\n", c.Refused)
	case c.Whole > c.Parts:
		p.printf("  %d SMS, %s: cut, the whole text would make %d\n", c.Parts, c.Alphabet, c.Whole)
	default:
		p.printf("  %d SMS, %s\n", c.Parts, c.Alphabet)
	}
}

// visible shows control characters, with which a mail could steer the
// terminal, as the pictures that Unicode has for them.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || !commands(r):
			return r
		case r < ' ':
			return '\u2400' + r
		case r == 0x7f:
			return '\u2421'
		}
		return '\ufffd'
	}, s)
}

// commands tells a character that does something to the terminal: also one that turns
// about the text behind it.
func commands(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
}
