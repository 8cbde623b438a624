package config

import (
	"cmp"
	"path/filepath"
	"strings"
)

// ApplicationOf names the application that the consumer of that name serves.
func (c *Consumer) ApplicationOf(name string) string { return cmp.Or(c.Application, name) }

// Folders are where the consumer of an output folder puts jobs that are done
// and jobs that have failed.
func (c *Consumer) Folders(output string) (done, failed string) {
	return cmp.Or(c.DoneFolder, filepath.Join(output, ".done")), cmp.Or(c.FailedFolder, filepath.Join(output, ".failed"))
}

// consumers checks each consumer against its application and its target.
func (l *loader) consumers(s *Settings) {
	for name, c := range s.Consume {
		shown := KeyPath("consume", name) + "."
		if s.Applications[c.ApplicationOf(name)] == nil {
			l.contradiction(shown+"application", "there is no application "+quote(c.ApplicationOf(name)), "name one of applications", "applications")
		}
		if l.bad[shown+"target"] {
			continue
		}
		for _, k := range []struct {
			key     string
			set     bool
			targets string // that have this key
			needed  bool
			example string
		}{
			{"server", c.Server != "", "hylafax", false, ""},
			{"arguments", len(c.Arguments) > 0, "hylafax", false, ""},
			{"skip_unknown", c.SkipUnknown, "hylafax", false, ""},
			{"target_folder", c.TargetFolder != "", "smstools gammu asterisk", true, "/var/spool/sms/outgoing"},
			{"channel", c.Channel != "", "asterisk", true, "PJSIP/{number}@trunk"},
			{"command", len(c.Command) > 0, "command", true, "[/usr/local/bin/send, '{number}', '{txt}']"},
		} {
			has := strings.Contains(k.targets, c.Target)
			switch {
			case k.set && !has:
				l.contradiction(shown+k.key, "has no meaning for target "+c.Target, "remove it; it is a key of "+strings.ReplaceAll(k.targets, " ", ", "))
			case !k.set && has && k.needed:
				l.contradiction(shown+k.key, "missing, target "+c.Target+" needs it", "set it, for example to "+k.example)
			}
		}
		if c.RetryDelayMax < c.RetryDelay {
			l.contradiction(shown+"retry_delay_max", "less than retry_delay", "make it at least as long", shown+"retry_delay")
		}
	}
}
