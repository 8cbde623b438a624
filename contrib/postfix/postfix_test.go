// Package postfix tests lines of README.md with a real Postfix. The recipes
// themselves are run by the tests of package milter.
package postfix

import (
	"net/smtp"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
)

// lines are the indented blocks of a section of README.md, with the folder of
// a private Postfix for Debian's.
func lines(t *testing.T, section string, blocks int) (list []string) {
	t.Helper()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(readme), "\n## "+section+"\n")
	if !ok {
		t.Fatalf("README.md has no section %q", section)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	for _, block := range regexp.MustCompile(`(?m)(^    .*\n)+`).FindAllString(text, -1) {
		block = regexp.MustCompile(`(?m)^    `).ReplaceAllString(block, "")
		list = append(list, strings.ReplaceAll(block, "/etc/postfix/", "$config_directory/"))
	}
	if len(list) != blocks {
		t.Fatalf("section %q has %d blocks, want %d", section, len(list), blocks)
	}
	return list
}

// answer is what Postfix says to a recipient, "" where it takes it.
func answer(t *testing.T, addr, user, from, to string) string {
	t.Helper()
	c, err := smtp.Dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if user != "" {
		if err := c.Auth(smtp.PlainAuth("", user, "secret", "127.0.0.1")); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Mail(from); err != nil {
		t.Fatal(err)
	}
	if err := c.Rcpt(to); err != nil {
		return err.Error()
	}
	return ""
}

// TestAliasOfInsiders: strangers do not reach the alias, people who log in do.
func TestAliasOfInsiders(t *testing.T) {
	t.Parallel()
	blocks := lines(t, "Addresses that Postfix changes first", 2)
	postfix := mtatest.Postfix(t, mtatest.PostfixOptions{
		SASL:      true,
		ExtraMain: []string{"mynetworks = 192.0.2.0/24", "relay_domains = example.com", blocks[0]},
		Maps:      map[string]string{"insiders": blocks[1]},
	})
	for _, tt := range []struct{ user, to, want string }{
		{"", "sales-fax@example.com", "only from inside"},
		{"", "eva@example.com", ""},
		{"eva", "sales-fax@example.com", ""},
	} {
		if got := answer(t, postfix.Addr, tt.user, "a@x.test", tt.to); (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("user %q, %s: %q, want %q", tt.user, tt.to, got, tt.want)
		}
	}
}

// TestSenderOfTheLogin: who logs in writes under an address of its own, and
// nobody else does under that.
func TestSenderOfTheLogin(t *testing.T) {
	t.Parallel()
	blocks := lines(t, "Senders that are who they say", 2)
	var main []string
	for line := range strings.Lines(blocks[0]) {
		main = append(main, strings.TrimPrefix(strings.TrimSpace(line), "-o "))
	}
	postfix := mtatest.Postfix(t, mtatest.PostfixOptions{SASL: true, ExtraMain: main, Maps: map[string]string{"logins": blocks[1]}})
	for _, tt := range []struct{ user, from, want string }{
		{"eva", "eva@example.com", ""},
		{"eva", "boss@example.com", "not owned by user eva"},
		{"petr", "eva@example.com", "not owned by user petr"},
		{"", "eva@example.com", "not logged in"},
		{"", "device@example.com", ""},
	} {
		if got := answer(t, postfix.Addr, tt.user, tt.from, "123@fax"); (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("user %q, sender %s: %q, want %q", tt.user, tt.from, got, tt.want)
		}
	}
}

// TestTransport: mail for fax and sms goes to the standalone server, by a
// transport of its own.
func TestTransport(t *testing.T) {
	t.Parallel()
	blocks := lines(t, "In front of the standalone server", 3)
	sink, ours := mtatest.NewSink(t, mtatest.SinkOptions{}), mtatest.NewSink(t, mtatest.SinkOptions{})
	postfix := mtatest.Postfix(t, mtatest.PostfixOptions{
		Sink:        sink.Addr,
		ExtraMain:   []string{"transport_maps = hash:$config_directory/transport", blocks[1]},
		ExtraMaster: []string{strings.Replace(blocks[0], " y ", " n ", 1)}, // there is no chroot
		Maps:        map[string]string{"transport": strings.ReplaceAll(blocks[2], "[127.0.0.1]:2525", strings.Replace(ours.Addr, "127.0.0.1", "[127.0.0.1]", 1))},
	})
	if err := smtp.SendMail(postfix.Addr, nil, "a@x.test", []string{"1@fax", "2@sms", "eva@x.test"}, []byte("Subject: x\r\n\r\nx\r\n")); err != nil {
		t.Fatal(err)
	}
	if got := ours.Next(t, time.Minute).Recipients(); !slices.Equal(got, []string{"1@fax", "2@sms"}) {
		t.Errorf("the standalone server got mail for %q", got)
	}
	if got := sink.Next(t, time.Minute).Recipients(); len(got) != 1 || got[0] != "eva@x.test" {
		t.Errorf("mail for %q went its way", got)
	}
	if log := postfix.Log(t); strings.Contains(log, "warning: unused parameter") || strings.Contains(log, "fatal:") {
		t.Error(log)
	}
}

// TestErrorsOfPostfix: main.cf's usual restrictions refuse 123@fax with the words
// of the README, and let it pass where it says.
func TestErrorsOfPostfix(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ restriction, want string }{
		{"reject_non_fqdn_recipient", "504 5.5.2 <123@fax>: Recipient address rejected: need fully-qualified address"},
		{"reject_unknown_recipient_domain", "450 4.1.2 <123@fax>: Recipient address rejected: Domain not found"},
	} {
		t.Run(tt.restriction, func(t *testing.T) {
			t.Parallel()
			strict := mtatest.Postfix(t, mtatest.PostfixOptions{ExtraMain: []string{"smtpd_recipient_restrictions = " + tt.restriction}})
			got := strings.ReplaceAll(answer(t, strict.Addr, "", "a@x.test", "123@fax"), `"`, "") // net/textproto quotes the words
			if !strings.HasPrefix(got, tt.want) || !strings.Contains(string(readme), "`"+tt.want+"`") {
				t.Errorf("%q, and README.md, want %q", got, tt.want)
			}
			mended := mtatest.Postfix(t, mtatest.PostfixOptions{ExtraMain: []string{"smtpd_recipient_restrictions = permit_mynetworks, permit_sasl_authenticated, " + tt.restriction}})
			if got := answer(t, mended.Addr, "", "a@x.test", "123@fax"); got != "" {
				t.Errorf("with permit_mynetworks in front: %q", got)
			}
		})
	}
}
