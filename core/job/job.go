// Package job makes the jobs of one message: the text, the attachments and the
// CTL of each.
package job

import (
	"io"
	"time"

	"smtpreceiver/core/codepage"
	"smtpreceiver/core/ctl"
	"smtpreceiver/core/dearchive"
	"smtpreceiver/core/match"
	"smtpreceiver/core/message"
	"smtpreceiver/core/metrics"
	"smtpreceiver/core/sms"
	"smtpreceiver/core/transform"
)

// Job is one job to be filled: data files first, the CTL last. It belongs to
// the output that made it.
type Job interface {
	// ID is the job's number: decimal, zero-padded to 8 digits.
	ID() string
	// Stem is what the names of the job's files begin with: the ID, behind
	// "<instance>-" where an instance is set.
	Stem() string
	// Create makes a data file; name is complete. Close ends it.
	Create(name string) (io.WriteCloser, error)
	// Link gives the job a data file of another job of the same batch, which is
	// closed, under a name of its own.
	Link(name string, from Job, fromName string) error
	// Control takes the CTL.
	Control(ctl []byte) error
}

// Recipe is what an application makes of a message: the half of its rules that
// says what is written. It does not change.
type Recipe struct {
	App             string // name of the application
	Destination     string // where its jobs go, in the terms of the output
	CTLType         string
	AttachedMessage bool // process_att_msg
	Attachments     bool // process_attachments
	InlinePictures  bool // inline_pictures
	Formats         []message.Format
	Settings        []*transform.Setting
	Tags            *transform.TagSet   // nil: no @commands
	Tidy            sms.Tidy            // what the text is written without
	Text            *transform.Template // nil: the message's own text
	Targets         []Target
	Layout          ctl.Layout
	Page            *codepage.Page
	Dearchive       *dearchive.Rules
	Reported        bool // the sender is told what becomes of the job
	Counters        *metrics.App
}

// Target is one entry of transform other than txt.
type Target struct {
	Section, Key string
	Template     *transform.Template
}

// wantsText says whether a rule reads the item msg.
func (r *Recipe) wantsText() bool {
	for _, s := range r.Settings {
		if s.Item() == "msg" {
			return true
		}
	}
	for _, t := range r.Targets {
		if t.Template.Uses("msg") {
			return true
		}
	}
	return r.Text != nil && r.Text.Uses("msg")
}

// Mail is what SMTP says of a message.
type Mail struct {
	Sender     string // as rules see it; empty: the null sender
	Mailbox    string // in RFC 5321 syntax
	EnvID      string // RFC 3461 section 4.4
	Return     string // section 4.3
	Arrived    time.Time
	Recipients []string // mailboxes, those without a job too
	Client     string   // IP address
	User       string   // that the client authenticated as
	// What the site's table of senders holds of the sender: further columns, and the
	// most SMS of one text, 0 where it says nothing.
	SenderData map[string]string
	MaxParts   int
}

// Recipient is whom a job is for.
type Recipient struct {
	match.Recipient
	Groups   []match.Group // of the expression that matched
	Notify   string        // RFC 3461 section 4.1
	Original string        // section 4.2
	// Number gives the number that the CTL gets for one that a rule may have set,
	// or refuses it; nil: as it is.
	Number func(written string) (string, error)
}
