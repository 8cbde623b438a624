package core

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

func sample(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile("message/testdata/" + name + ".eml")
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// values checks CTL values by section/key.
func (j written) values(t testing.TB, want map[string]string) {
	t.Helper()
	for target, want := range want {
		section, key, _ := strings.Cut(target, "/")
		if got := j.ctl.Get(section, key); got != want {
			t.Errorf("%s: %s is %q, want %q", j.name, target, got, want)
		}
	}
}

// TestAttachedMessage: of a forwarded mail everything comes from the attached
// message, except what the envelope says.
func TestAttachedMessage(t *testing.T) {
	t.Parallel()
	const app = `{output_folder: '{dir}/fax', ctl_type: fax, process_att_msg: 1, process_attachments: 1, addresses: '(?P<number>\d+)@`
	b := open(t, "clients: 127.0.0.1\napplications:\n"+
		"  txt: "+app+"txt$'}\n"+
		"  eml: "+app+"eml$', format_preference: eml}\n")
	forwarded := string(sample(t, "thunderbird-forward"))
	inner := forwarded[strings.Index(forwarded, "From: zakaznik"):strings.LastIndex(forwarded, "\r\n--------------0A0B--")]
	digest := string(sample(t, "digest"))
	nested := "Subject: outer\r\nContent-Type: message/rfc822\r\n\r\nSubject: middle\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ndeep\r\n"
	for _, tt := range []struct {
		name, mail           string
		subject, from        string
		text, eml, attached1 string
	}{
		{"the first attached one", forwarded, "Objednávka", "zakaznik@example.com", "Objednávám 10 ks.", inner, "o.pdf"},
		{"the first of several", digest, "first", "one@x.cz", "First", "", ""},
		{"encoded", string(sample(t, "forward-base64")), "vnitřní", "a@b.cz", "Vnitřní text\r\n", "", ""},
		{"in a bounce", string(sample(t, "postfix-bounce")), "Ahoj", "petr@firma.cz", "Text", "", ""},
		{"only the outermost", nested, "middle", "a@b.example", "", "", "inner.eml"},
		{"none attached", string(withCRLF(mail)), "hello", "petr@example.com", "body\r\n", string(withCRLF(mail)), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			jobs := b.sendRaw(t, localhost, "a@b.example", []string{"1@txt", "1@eml"}, []byte(tt.mail))
			if len(jobs) != 2 {
				t.Fatalf("%d jobs", len(jobs))
			}
			for _, j := range jobs {
				j.values(t, map[string]string{
					"system/subject": tt.subject, "from/email": tt.from, "from/smtp": "a@b.example", "attachments/1_name": tt.attached1,
				})
			}
			if jobs[0].text != tt.text {
				t.Errorf("text %q, want %q", jobs[0].text, tt.text)
			}
			if tt.eml != "" && jobs[1].text != tt.eml {
				t.Errorf("eml %q, want %q", jobs[1].text, tt.eml)
			}
		})
	}
}

// TestAnonymous: delivery reports go to the applications that ask for them; any
// other refuses them, TestRouting says how.
func TestAnonymous(t *testing.T) {
	t.Parallel()
	b := open(t, `
clients: 127.0.0.1
applications:
  reports: {output_folder: '{dir}/sms', ctl_type: sms, process_anonymous: 1, process_attachments: 1, from_enabled: '.*@firma\.cz$', addresses: '(?P<number>\d+)@reports$'}
  sms: {output_folder: '{dir}/sms', ctl_type: sms, addresses: '(?P<number>\d+)@sms$'}
`)
	for _, tt := range []struct{ mail, text, email string }{
		{"postfix-bounce", "This is the mail system at host mail.firma.cz.", "MAILER-DAEMON@mail.firma.cz"},
		{"exchange-ndr", "Delivery has failed to these recipients or groups:", "postmaster@firma.cz"},
		{"qmail-bounce", "Hi. This is the qmail-send program at example.com.", "MAILER-DAEMON"},
	} {
		for _, sender := range []string{"<>", ""} {
			jobs := b.sendRaw(t, localhost, sender, []string{"1@reports"}, sample(t, tt.mail))
			if len(jobs) != 1 {
				t.Fatalf("%s: %d jobs", tt.mail, len(jobs))
			}
			jobs[0].values(t, map[string]string{"system/app": "reports", "from/email": tt.email, "from/smtp": "", "from/username": "", "from/gateway": "s"})
			if !strings.HasPrefix(jobs[0].text, tt.text+"\r\n") {
				t.Errorf("%s: text %q", tt.mail, jobs[0].text)
			}
		}
	}
}

// TestFormatPreference walks preferences over messages that have one, both or
// neither kind of text; each application has one preference, and one message
// serves them all.
func TestFormatPreference(t *testing.T) {
	t.Parallel()
	preferences := []string{"txt", "eml", "mht", "htm", "txt;eml;mht;htm", "htm;mht;eml;txt", "mht;txt", "htm;txt", "eml;txt", "mht;htm"}
	yaml := "clients: 127.0.0.1\napplications:\n"
	for i, p := range preferences {
		yaml += fmt.Sprintf("  app%d: {output_folder: '{dir}/sms', ctl_type: sms, addresses: '\\d+@p%d$', format_preference: '%s'}\n", i, i, p)
	}
	b := open(t, yaml)
	const html, plain = "Content-Type: text/html\n\n<p>one <b>text</b></p>\n", "Content-Type: text/plain\n\none text\n"
	for _, tt := range []struct{ name, mail, formats string }{
		{"plain", plain, "txt eml mht htm txt eml txt txt eml mht"},
		{"html", html, "txt eml mht htm eml htm mht htm eml mht"},
		{"both", "Content-Type: multipart/alternative; boundary=b\n\n--b\n" + plain + "--b\n" + html + "--b--\n", "txt eml mht htm txt htm mht htm eml mht"},
		{"neither", "Content-Type: application/pdf\n\none text", "txt eml mht htm eml eml mht htm eml mht"},
		{"empty", "\n", "txt eml mht htm txt eml txt txt eml mht"},
	} {
		var to []string
		for i := range preferences {
			to = append(to, fmt.Sprintf("1@p%d", i))
		}
		jobs := b.send(t, localhost, "a@b.example", to, tt.mail)
		for i, want := range strings.Fields(tt.formats) {
			j := jobs[i]
			stem := strings.TrimSuffix(j.name, ".ctl")
			if j.ctl.Get("system", "format") != want || j.ctl.Get("system", "txt") != stem+"."+want {
				t.Errorf("%s, %s: %s in %s, want %s", tt.name, preferences[i], j.ctl.Get("system", "format"), j.ctl.Get("system", "txt"), want)
				continue
			}
			shows := strings.Contains(j.text, "one text") || strings.Contains(j.text, "one <b>text</b>")
			if pictureless := tt.name == "empty" || tt.name == "neither" && want != "eml"; shows == pictureless {
				t.Errorf("%s, %s: %s", tt.name, preferences[i], j.text)
			}
			switch want {
			case "eml":
				if j.text != string(withCRLF(tt.mail)) {
					t.Errorf("%s: eml is not the message: %q", tt.name, j.text)
				}
			case "mht":
				if !strings.Contains(j.text, "Content-Type: multipart/related;") {
					t.Errorf("%s: mht %q", tt.name, j.text)
				}
			case "htm":
				if !strings.Contains(j.text, `<meta charset="utf-8">`) {
					t.Errorf("%s: htm names no charset: %q", tt.name, j.text)
				}
			}
		}
	}
}

// TestOneMessageSeveralApplications: each has its own folder, format,
// attachments and own attachment files.
func TestOneMessageSeveralApplications(t *testing.T) {
	t.Parallel()
	b := open(t, office)
	jobs := b.sendRaw(t, localhost, "a@b.example", []string{"1@sms", "1@fax", "2@sms", "eva@firma.cz", "2@fax"}, sample(t, "gmail-attachment"))
	var got []string
	for _, j := range jobs {
		got = append(got, j.ctl.Get("system", "app")+" "+j.ctl.Get("to", "number")+" "+j.ctl.Get("system", "format")+" "+j.ctl.Get("attachments", "1"))
		if !strings.HasSuffix(j.folder, j.ctl.Get("system", "app")) {
			t.Errorf("job of %s in %s", j.ctl.Get("system", "app"), j.folder)
		}
	}
	want := []string{"sms 1 txt ", "fax 1 mht 00000002_1_Faktura c. 117.pdf", "sms 2 txt ", "fax 2 mht 00000004_1_Faktura c. 117.pdf"}
	if !slices.Equal(got, want) {
		t.Errorf("jobs %q, want %q", got, want)
	}
	for folder, want := range map[string]int{"sms": 4, "fax": 6} {
		if files := b.files(t, folder); len(files) != want {
			t.Errorf("%s holds %q", folder, files)
		}
	}
}

// files lists what a reader of the folder sees.
func (b *bench) files(t testing.TB, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(b.dir + "/" + folder)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}

// TestStageStopsWithItsContext: a client that is gone leaves nothing.
func TestStageStopsWithItsContext(t *testing.T) {
	t.Parallel()
	b := open(t, spooling)
	ctx, cancel := context.WithCancel(context.Background())
	trx := b.transaction(t, "1@sms")
	write(t, trx, mail)
	cancel()
	if err := trx.Stage(ctx); err == nil {
		t.Error("staged after its context ended")
	}
	if files := b.files(t, "sms"); len(files) > 0 {
		t.Errorf("left over: %q", files)
	}
}
