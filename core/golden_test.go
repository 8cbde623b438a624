package core

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden jobs anew")

// office is a firm as the original served it: faxes as HTML with pictures,
// SMS with what the users may steer, everything in cp1250.
const office = `
output_code_page: cp1250
clients: 127.0.0.1
applications:
  fax:
    output_folder: '{dir}/fax'
    ctl_type: fax
    addresses: '(?:(?P<name>[^/]+)/(?:(?P<company>[^/]+)/(?:(?P<dept>[^/]+)/)?)?)?(?P<number>[+i]?\d+)@fax$'
    process_attachments: 1
    process_anonymous: 1
    format_preference: mht;txt
    cmd_tags: faxchange
  sms:
    output_folder: '{dir}/sms'
    ctl_type: sms
    addresses: '(?P<number>\+?\d+)@sms$'
    process_anonymous: 1
    cmd_tags: mobilchange
    ctl_settings:
      - system|maxlen = 3
      - system|user_app_id|parse|subject = .*ID:(\d+).*
    transform:
      txt: "<%messageFromName|messageFromAddress|'?'%>: <%msg%>"
      from/email: "<%messageReplyToAddress| messageFromAddress |'lamp_room@petrol.org'%>"
`

// TestGoldenJobs holds what a fax operator and the receiver of an SMS get of
// each sample mail against testdata/jobs.
func TestGoldenJobs(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("message/testdata/*.eml")
	if err != nil || len(files) < 60 {
		t.Fatalf("%d samples, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".eml")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			b := open(t, office)
			var got strings.Builder
			for _, j := range b.sendRaw(t, localhost, "sender@firma.cz", []string{"603123456@sms", `"Eva Dvorakova/Firma/261388454"@fax`}, raw) {
				b.describe(t, &got, j)
			}
			golden := filepath.Join("testdata", "jobs", name+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

// describe writes down a job: the CTL in full, the text, and of other files
// size and digest.
func (b *bench) describe(t testing.TB, w *strings.Builder, j written) {
	t.Helper()
	page := b.rules.Load().Page
	fmt.Fprintf(w, "======== %s\n%s", j.name, lines(t, j.name, page.Decode([]byte(j.raw))))
	if name := j.ctl.Get("system", "txt"); j.ctl.Get("system", "format") == "txt" {
		fmt.Fprintf(w, "-------- %s\n%s\n", name, lines(t, name, page.Decode([]byte(j.text))))
	} else {
		fmt.Fprintf(w, "-------- %s %s\n", name, digest(j.text))
	}
	for _, key := range j.ctl.Keys("attachments") {
		if _, err := strconv.Atoi(key); err == nil {
			name := j.ctl.Get("attachments", key)
			fmt.Fprintf(w, "-------- %s %s\n", name, digest(j.file(t, name)))
		}
	}
}

func digest(content string) string {
	return fmt.Sprintf("%d bytes, sha256 %x", len(content), sha256.Sum256([]byte(content)))
}

// lines brings a file with CRLF into a form that is easy to read and compare.
func lines(t testing.TB, name, content string) string {
	t.Helper()
	bare := strings.ReplaceAll(content, "\r\n", "")
	if strings.ContainsAny(bare, "\r\n") {
		t.Errorf("%s has line ends other than CRLF: %q", name, content)
	}
	return strings.ReplaceAll(content, "\r\n", "\n")
}
