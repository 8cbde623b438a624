// Package explained is what explain answers: the decision of each recipient and
// the jobs that would be written.
package explained

// Mail says what would become of a mail, and why. Its JSON form is what
// explain --json prints; fields are only ever added to it.
type Mail struct {
	Frontend   string      `json:"frontend"` // standalone, milter, or lmtp where Policy is set
	Policy     bool        `json:"policy"`   // what Postfix is told that asks policy_listen of the frontend
	Client     Client      `json:"client"`
	Sender     string      `json:"sender"`  // as a mailbox, as given if it is refused; empty: the null sender
	Refused    *Refusal    `json:"refused"` // of the whole mail; null: none
	Recipients []Recipient `json:"recipients"`
	Message    *Message    `json:"message"` // null: none was given, or it would not be read
	Warnings   []string    `json:"warnings"`
}

// Client is the client that hands in the mail.
type Client struct {
	Address string `json:"address"`
	User    string `json:"user"`  // it authenticated as; empty: it did not
	Local   bool   `json:"local"` // the sendmail command
}

// Reply is a reply that refuses.
type Reply struct {
	Code     int    `json:"code"`     // RFC 5321
	Enhanced string `json:"enhanced"` // RFC 3463
	Text     string `json:"text"`
	Cause    string `json:"cause"` // for the administrator: the key behind it; empty where text says all
}

// Refusal is the refusal of a whole mail.
type Refusal struct {
	Stage string `json:"stage"` // greeting, mail or message: what the reply answers
	Reply Reply  `json:"reply"`
}

// Recipient is the decision of one recipient.
type Recipient struct {
	Given          string        `json:"given"`
	Mailbox        string        `json:"mailbox"` // RFC 5321 syntax
	Match          string        `json:"match"`   // what the expressions see
	Applications   []Application `json:"applications"`
	Outcome        string        `json:"outcome"`         // one of the Outcome constants
	Application    string        `json:"application"`     // that takes it
	Job            *int          `json:"job"`             // its place in message.jobs, if it is taken
	ForwardServers []string      `json:"forward_servers"` // that it goes to, tried in order
	Reply          *Reply        `json:"reply"`           // that refuses it
	Action         string        `json:"action"`          // of the policy service, as Postfix reads it (access(5)); empty: it was not asked
}

// What becomes of a recipient.
const (
	OutcomeTaken     = "taken"     // an application makes a job of it
	OutcomeForwarded = "forwarded" // the forward server answers for it
	OutcomeLeft      = "left"      // the milter leaves it to the mail server
	OutcomeAllowed   = "allowed"   // by the policy service: application would take it
	OutcomeRefused   = "refused"   // with reply
)

// What an application says of a recipient.
const (
	AnswerDisabled = "disabled"    // it is switched off
	AnswerNoMatch  = "no_match"    // none of its expressions matches
	AnswerNotAsked = "not_asked"   // one before it takes the recipient
	AnswerTakes    = "takes"       // its rules allow it
	AnswerRefuses  = "refuses"     // with reply
	AnswerAside    = "steps_aside" // it counts as not matching
)

// Application is the part of one application in the decision.
type Application struct {
	Name    string  `json:"name"`
	Answer  string  `json:"answer"`  // one of the Answer constants
	Address *Match  `json:"address"` // the expression that matched; null: none did
	Rules   []Rule  `json:"rules"`   // in the order they were held
	Reply   *Reply  `json:"reply"`   // that it refuses with
	Limits  []Limit `json:"limits"`  // on jobs, where it takes the recipient; what counts already is not known
}

// Match is the address expression that matched.
type Match struct {
	Key        string  `json:"key"`
	Expression string  `json:"expression"`
	Groups     []Group `json:"groups"`
}

// Group is a named group that is not empty.
type Group struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Rule is one rule that was held.
type Rule struct {
	Rule   string `json:"rule"` // the key without applications.<name>
	Passed bool   `json:"passed"`
	Key    string `json:"key"`   // that decided; with an index where it is an entry of a list
	Entry  string `json:"entry"` // that entry
	Detail string `json:"detail"`
}

// Limit is max_jobs_per_sender or max_jobs_per_client.
type Limit struct {
	Key  string `json:"key"`
	Jobs int    `json:"jobs"` // in an hour
}

// Message is the message and what would be written of it.
type Message struct {
	Size     int64    `json:"size"`     // bytes
	Charsets []string `json:"charsets"` // of what is not simply in the character set it declares: how it was read, and why
	Jobs     []Job    `json:"jobs"`     // numbers in them are placeholders that start with 1
}

// Job is a job as it would be written.
type Job struct {
	Name        string `json:"name"`
	Application string `json:"application"`
	Recipient   string `json:"recipient"`
	Folder      string `json:"folder"` // empty: the queue
	Files       []File `json:"files"`  // the CTL, the message file, attachments, what a report will need
	SMS         *SMS   `json:"sms"`    // of ctl_type sms with a text; null: others
}

// SMS is what a text costs where smtpreceiver hands it on.
type SMS struct {
	Parts    int    `json:"parts"`    // that are sent; 0: none
	Whole    int    `json:"whole"`    // that the whole text would make; more than parts: it is cut
	Alphabet string `json:"alphabet"` // of the whole text
	Refused  string `json:"refused"`  // why nothing is sent; empty: it is
}

// File is one file of a job.
type File struct {
	Name string  `json:"name"`
	Size int64   `json:"size"` // bytes
	Text *string `json:"text"` // of the CTL and of a txt file, decoded; null for others
}

// OK says whether nothing of the mail is refused.
func (e *Mail) OK() bool {
	if e.Refused != nil {
		return false
	}
	for _, r := range e.Recipients {
		if r.Outcome == OutcomeRefused {
			return false
		}
	}
	return true
}
