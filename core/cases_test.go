package core

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestMailCases sends the mails of core/message/testdata/cases as frontends do
// and looks at what stands in the jobs' CTL and text.
func TestMailCases(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("message/testdata/cases/*.eml")
	if err != nil || len(files) < 74 {
		t.Fatalf("%d cases, %v", len(files), err)
	}
	b := open(t, `
clients: localhost
applications:
  fax: {output_folder: '{dir}/fax', ctl_type: fax, addresses: '\d+@fax$', process_attachments: 1, process_anonymous: 1, format_preference: htm;txt}
  sms: {output_folder: '{dir}/sms', ctl_type: sms, addresses: '\d+@sms$', process_anonymous: 1}
`)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			wanted, err := os.ReadFile(strings.TrimSuffix(file, ".eml") + ".json")
			if err != nil {
				t.Fatal(err)
			}
			want := struct {
				Text        *string                 `json:"sms_text"`
				Subject     *string                 `json:"subject"`
				FromName    *string                 `json:"from_name"`
				Email       *string                 `json:"email"`
				Sender      *string                 `json:"sender"`
				Config      string                  `json:"config"`
				Attachments []struct{ Name string } `json:"attachments"`
			}{}
			if err := json.Unmarshal(wanted, &want); err != nil {
				t.Fatal(err)
			}
			if want.Config != "" {
				t.Skip("has settings of its own; core/message reads it")
			}
			sender := "alice@example.com"
			if want.Sender != nil {
				sender = *want.Sender
			}
			jobs := b.sendRaw(t, localhost, sender, []string{"1@fax", "2@sms"}, raw)
			if len(jobs) != 2 {
				t.Fatalf("%d jobs", len(jobs))
			}
			for _, j := range jobs {
				for _, v := range []struct {
					section, key string
					want         *string
				}{{"system", "subject", want.Subject}, {"from", "name", want.FromName}, {"from", "email", want.Email}} {
					if got := j.ctl.Get(v.section, v.key); v.want != nil && got != *v.want {
						t.Errorf("[%s] %s=%q, want %q", v.section, v.key, got, *v.want)
					}
				}
			}
			if want.Text != nil {
				lines := strings.Split(strings.ReplaceAll(jobs[1].text, "\r\n", "\n"), "\n")
				for i := range lines {
					lines[i] = strings.TrimRight(lines[i], " \t")
				}
				if d := cmp.Diff(*want.Text, strings.TrimRight(strings.Join(lines, "\n"), "\n")); d != "" {
					t.Errorf("text (-want +got):\n%s", d)
				}
			}
			for i, a := range want.Attachments {
				if got := jobs[0].ctl.Get("attachments", string(rune('1'+i))+"_name"); a.Name != "" && got != a.Name {
					t.Errorf("file %d is %q, want %q", i+1, got, a.Name)
				}
			}
		})
	}
}

// TestExplainSaysHowItRead asks explain for the character sets that were guessed.
func TestExplainSaysHowItRead(t *testing.T) {
	t.Parallel()
	b := open(t, routing)
	e := explain(t, b, Question{Client: localhost, Sender: "a@boss.example", Recipients: []string{"123@fax"}, Message: strings.NewReader(
		"From: a@boss.example\r\nSubject: =?iso-8859-1?Q?=C4=8Dau?=\r\nContent-Type: text/plain; charset=iso-2022-jp\r\n\r\nčau\r\n")})
	if e.Message == nil {
		t.Fatalf("no message: %+v", e)
	}
	want := []string{
		`Subject: declared "iso-8859-1", read as utf-8 because its bytes are valid UTF-8`,
		`text/plain: declared "iso-2022-jp", read as utf-8 because its bytes are valid UTF-8`,
	}
	if d := cmp.Diff(want, e.Message.Charsets); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}
