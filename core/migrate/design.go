package migrate

import "strings"

// byDesign notes what works otherwise than in the original however it was
// configured, as far as it concerns this configuration.
func (t *translator) byDesign() {
	say := func(text string) { t.doc.notes = append(t.doc.notes, Note{Kind: Design, Text: text}) }
	has := map[string]bool{}
	for _, s := range t.doc.sections {
		for _, st := range s.settings {
			if len(st.entries) > 0 {
				has[st.name] = true
			}
		}
	}
	say("addresses: expressions are RE2, match from the start of the address and ignore case; quotes around the local part are taken off first")
	say("a recipient that matches, but whose client or sender no such application allows, is refused with 550 5.7.1 and never forwarded")
	say("job files are called 00000001.ctl, 00000001.txt and 00000001_1_name.pdf; each recipient has its own CTL and text")
	say("the CTL keys in [to] and [attachments] and the key txt are not documented for the original: ctl_layout renames them")
	say("messages over max_message_size (50MiB) and such with a bare CR or LF (bare_newlines) are refused")
	if has["forward_smtp_server"] {
		say("forward_smtp_server: mail is handed on while its sender waits, who gets that server's own answers; there is no queue")
	}
	if has["transform"] {
		say("transform: expressions run as Starlark, a closed dialect of Python: no modules but time and re, limits of time and size")
	}
	if has["nonstandard_data_terminator"] {
		say("nonstandard_data_terminator: after such an end the connection forwards nothing more")
	}
	if has["log_event_log"] {
		say("log_event_log: syslog or the journal, on Windows the Event Log")
	}
	if has["id_allocated"] {
		say("id_allocated: the floor to begin from; the last number used is kept in state_directory")
	}
	if v := t.base.Value("authentication_lib"); v != nil && strings.Join(v.Text, "") != "" {
		say("authentication: passwords are taken over TLS only (authentication.allow_plaintext), and the envelope sender must be the user name (authentication.sender_must_match)")
		say("senders: the rights of users hold for everybody, also on a list of clients; a sender without a row is refused unless senders.unknown is allow")
	}
}
