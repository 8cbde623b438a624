package config

import (
	"maps"
	"slices"
)

// changedDefaults are the keys whose default is another one than in earlier
// versions. Where that makes a difference and the key is not set, check says so.
var changedDefaults = []struct {
	key         string
	application func(*Application) bool // the key is one of an application; whether it matters
	consumer    func(*Consumer) bool
	top         func(*Settings) bool
	says        string
}{
	{
		key: "default_charset",
		top: func(s *Settings) bool { return true },
		says: "mail without a character set is read as output_code_page; earlier versions read it as windows-1252. " +
			"Set the key to windows-1252 to keep that, or to the character set you want",
	},
	{
		key:         "inline_pictures",
		application: func(a *Application) bool { return a.Enabled && a.ProcessAttachments },
		says: "small pictures that only the HTML of a mail shows are no attachments any more. " +
			"Set the key to 1 to have them, or to 0 to leave them out",
	},
	{
		key:      "skip_unknown",
		consumer: func(c *Consumer) bool { return c.Target == "hylafax" },
		says: "attachments that cannot be faxed are left out, and named in the log and at the end of the fax; earlier versions failed the job. " +
			"Set the key to 0 to keep that, or to 1",
	},
	{
		key:         "max_parts",
		application: func(a *Application) bool { return a.Enabled && a.CTLType == "sms" },
		says: "a text that would make more than 10 SMS is cut where smtpreceiver hands it on. " +
			"Set the key to 0 to send all of it, or to the number you want to pay for",
	},
}

// ChangedDefaults warns of defaults that are not what they were.
func (s *Settings) ChangedDefaults() []string {
	var l []string
	for _, c := range changedDefaults {
		if c.top != nil && !s.given[c.key] && c.top(s) {
			l = append(l, c.key+": not set: "+c.says)
		}
		for _, name := range slices.Sorted(maps.Keys(s.Applications)) {
			key := KeyPath("applications", name, c.key)
			if c.application != nil && !s.given[key] && c.application(s.Applications[name]) {
				l = append(l, key+": not set: "+c.says)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(s.Consume)) {
			key := KeyPath("consume", name, c.key)
			if c.consumer != nil && !s.given[key] && c.consumer(s.Consume[name]) {
				l = append(l, key+": not set: "+c.says)
			}
		}
	}
	return l
}
