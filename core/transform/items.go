package transform

import (
	"time"

	"smtpreceiver/core/transform/python"
)

// Items are the values of one job that templates and ctl_settings rules read
// by name. A zero field is an empty item.
type Items struct {
	Address string // address: envelope sender, empty for the null sender
	App     string // app: application name
	Format  string // format: txt, eml, mht or htm

	MessageFromAddress    string // address of the header From
	MessageFromName       string // display name of the header From
	MessageReplyToAddress string // address of Reply-To
	MessageReplyToName    string // display name of Reply-To

	MsgFileName string // name of the file that holds the message text
	Pri         string // high, normal or low
	Subject     string
	Msg         string // the text; only read if the template Uses "msg"

	Number, Name, Company, Dept string // named groups of the recipient address

	To        string // recipient as received
	Client    string // who handed the message over
	User      string // authenticated user
	Date      string
	MessageID string // messageId

	Recipients  []string
	Attachments []string // names of the attachments

	// Reason, Status and Target are those of a report; only a template of
	// ParseReport knows them.
	Reason, Status, Target string

	// Groups are the named groups of the recipient address, for groups['any'].
	Groups map[string]string
	// Sender is what the site's table holds of the sender, for sender['any'].
	Sender map[string]string
	// Header gives the decoded value of a header field by its name in any
	// case, for headers['X-Any']; nil if there are no headers.
	Header func(name string) string

	// Budget bounds what the templates of all jobs of a message use together; nil:
	// each template has its own limits only.
	Budget *python.Budget

	// Now is the time that the time module tells, in the time zone of its
	// localtime. Zero means the moment of evaluation and the local zone.
	Now time.Time
}

// item reads one named value; exactly one of its functions is set.
type item struct {
	text   func(*Items) string
	list   func(*Items) []string
	lookup func(it *Items, key string) string
}

var itemByName = map[string]item{
	"address":               {text: func(it *Items) string { return it.Address }},
	"app":                   {text: func(it *Items) string { return it.App }},
	"format":                {text: func(it *Items) string { return it.Format }},
	"messageFromAddress":    {text: func(it *Items) string { return it.MessageFromAddress }},
	"messageFromName":       {text: func(it *Items) string { return it.MessageFromName }},
	"messageReplyToAddress": {text: func(it *Items) string { return it.MessageReplyToAddress }},
	"messageReplyToName":    {text: func(it *Items) string { return it.MessageReplyToName }},
	"msgFileName":           {text: func(it *Items) string { return it.MsgFileName }},
	"pri":                   {text: func(it *Items) string { return it.Pri }},
	"subject":               {text: func(it *Items) string { return it.Subject }},
	"msg":                   {text: func(it *Items) string { return it.Msg }},
	"number":                {text: func(it *Items) string { return it.Number }},
	"name":                  {text: func(it *Items) string { return it.Name }},
	"company":               {text: func(it *Items) string { return it.Company }},
	"dept":                  {text: func(it *Items) string { return it.Dept }},
	"to":                    {text: func(it *Items) string { return it.To }},
	"client":                {text: func(it *Items) string { return it.Client }},
	"user":                  {text: func(it *Items) string { return it.User }},
	"date":                  {text: func(it *Items) string { return it.Date }},
	"messageId":             {text: func(it *Items) string { return it.MessageID }},
	"recipients":            {list: func(it *Items) []string { return it.Recipients }},
	"attachments":           {list: func(it *Items) []string { return it.Attachments }},
	"groups":                {lookup: func(it *Items, key string) string { return it.Groups[key] }},
	"sender":                {lookup: func(it *Items, key string) string { return it.Sender[key] }},
	"headers": {lookup: func(it *Items, key string) string {
		if it.Header == nil {
			return ""
		}
		return it.Header(key)
	}},
}

// reportItems are those that only templates of reports have.
var reportItems = map[string]item{
	"reason": {text: func(it *Items) string { return it.Reason }},
	"status": {text: func(it *Items) string { return it.Status }},
	"target": {text: func(it *Items) string { return it.Target }},
}

// itemNames are the items as expressions name them; reportNames with those of a
// report.
var (
	itemNames   = namesOf(itemByName)
	reportNames = namesOf(itemByName, reportItems)
)

func namesOf(tables ...map[string]item) python.Names {
	names := make(python.Names)
	for _, table := range tables {
		for name, i := range table {
			switch {
			case i.text != nil:
				names[name] = python.Text
			case i.list != nil:
				names[name] = python.List
			default:
				names[name] = python.Table
			}
		}
	}
	return names
}

// values gives the items to expressions.
type values struct{ it *Items }

func (v values) Text(name string) string {
	if i, ok := reportItems[name]; ok {
		return i.text(v.it)
	}
	return itemByName[name].text(v.it)
}

func (v values) List(name string) []string       { return itemByName[name].list(v.it) }
func (v values) Lookup(table, key string) string { return itemByName[table].lookup(v.it, key) }

func (v values) Now() time.Time {
	if v.it.Now.IsZero() {
		return time.Now()
	}
	return v.it.Now
}
