package core

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"smtpreceiver/core/metrics"
)

// everyItem writes each item that a template can read into a CTL value.
var everyItem = []string{"address", "app", "format", "messageFromAddress", "messageFromName", "messageReplyToAddress",
	"messageReplyToName", "msgFileName", "pri", "subject", "msg", "number", "name", "company", "dept", "to", "recipients",
	"client", "user", "date", "messageId", "attachments", "headers['X-Any']", "groups['ext']"}

// TestInjection puts a line that would start a section into every value that
// a stranger chooses: the CTL keeps the sections and keys of an ordinary one.
func TestInjection(t *testing.T) {
	t.Parallel()
	app := `
clients: 127.0.0.1
tags: {own: {note: system|note}}
applications:
  fax:
    output_folder: '{dir}/fax'
    ctl_type: fax
    addresses: '(?P<number>[^@x]+)(?P<ext>x[^@]*)?@fax$'
    process_attachments: 1
    cmd_tags: own
    ctl_settings: ['system|parsed|parse|subject = (?s)(.*)', 'system|text|parse|msg = (?s)(.*)']
    transform:
`
	for i, item := range everyItem {
		app += fmt.Sprintf("      'items/k%d': \"x<%%%s%%>\"\n", i, item)
	}
	encoded := func(s string) string { return "=?utf-8?B?" + base64.StdEncoding.EncodeToString([]byte(s)) + "?=" }
	for _, page := range []string{"utf-8", "cp1250", "shift_jis", "gb18030"} {
		b := open(t, "output_code_page: "+page+app)
		for round, evil := range []string{
			"a\r\n[to]\r\nnumber=900", "a\n[to]\nnumber=900", "a\r[to]\rnumber=900", "\r\n[to]\r\nnumber=900\r\n", "a\u2028[to]\u2028number=900",
			"a\u0085[to]\u0085number=900", "a\x00\x0b\x0c[to]\x1cnumber=900", "[to]", "]", "=900", ";", "\u0338=900", "\u200b\u202e\ufeff[to]", "a\x1a[to]",
			strings.Repeat("a", 40<<10) + "\r\n[to]\r\nnumber=900",
		} {
			word := encoded(evil)
			mail := fmt.Sprintf("From: %s <a@b.example>\nReply-To: %[1]s <r@b.example>\nTo: %[1]s <1@fax>\nSubject: %[1]s\nDate: %[1]s\nMessage-ID: <%[1]s>\nX-Any: %[1]s\nX-Priority: %[1]s\n"+
				"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n%s\n"+
				"--b\nContent-Type: application/pdf; name=\"%[1]s\"\n\nx\n--b--\n", word, base64.StdEncoding.EncodeToString([]byte("@note="+evil+"\n"+evil)))
			ctx := context.Background()
			trx := b.Begin(Client{Frontend: metrics.Milter, Addr: localhost.Addr, Session: "s1", User: evil})
			defer trx.Abort()
			if _, err := trx.Sender("a@b.example", Envelope{EnvID: evil}); err != nil {
				t.Fatal(err)
			}
			for _, rcpt := range []string{"1@fax", `"[to]=2x=900;]"@fax`} {
				if _, err := trx.Recipient(ctx, rcpt, RecipientOptions{Notify: evil, Original: evil}); err != nil {
					t.Fatal(err)
				}
			}
			write(t, trx, mail)
			if err := trx.Stage(ctx); err != nil {
				t.Fatal(err)
			}
			if err := trx.Commit(ctx); err != nil {
				t.Fatal(err)
			}
			for i, j := range b.jobs(t)[2*round:] {
				checkInjected(t, fmt.Sprintf("%s, %.30q, job %d", page, evil, i), j, []string{"1", "[to]=2"}[i])
			}
		}
	}
}

func checkInjected(t *testing.T, what string, j written, number string) {
	t.Helper()
	if got := j.ctl.Sections(); !slices.Equal(got, []string{"system", "from", "to", "attachments", "items"}) {
		t.Errorf("%s: sections %q", what, got)
	}
	if got := j.ctl.Get("to", "number"); got != number {
		t.Errorf("%s: number %q", what, got)
	}
	allowed := map[string]string{
		"system":      "type app id subject priority txt format parsed text note",
		"from":        "name username email gateway smtp",
		"to":          "number ext name address notify envid orcpt",
		"attachments": "count 1 1_name",
	}
	known := 0
	for _, section := range j.ctl.Sections() {
		known++
		for _, key := range j.ctl.Keys(section) {
			known++
			if section == "items" && strings.HasPrefix(key, "k") {
				continue
			}
			if !slices.Contains(strings.Fields(allowed[section]), key) {
				t.Errorf("%s: key %s in [%s]", what, key, section)
			}
		}
	}
	// For readers with other ideas of a line, too: one line for each key.
	if n := strings.Count(j.raw, "\r\n"); n != known {
		t.Errorf("%s: %d lines, want %d:\n%s", what, n, known, j.raw)
	}
	if i := strings.IndexFunc(strings.ReplaceAll(j.raw, "\r\n", ""), func(r rune) bool { return r < ' ' || r == 0x7F }); i >= 0 {
		t.Errorf("%s: control character in %q", what, j.raw)
	}
}
