package core

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"smtpreceiver/core/metrics"
	"smtpreceiver/core/reply"
)

const spooling = `
clients: 127.0.0.1
applications:
  fax:
    output_folder: '{dir}/fax'
    ctl_type: fax
    addresses: '(?:(?P<name>[^/]+)/(?:(?P<company>[^/]+)/(?:(?P<dept>[^/]+)/)?)?)?(?P<number>\+?\d+)@fax$'
    process_attachments: 1
  sms:
    output_folder: '{dir}/sms'
    ctl_type: sms
    addresses: '(?P<number>\+?\d+)(?P<ext>x\d+)?@sms$'
`

// TestRecipientsItem: a template sees all recipients of the mail, those that no
// application takes too, in their order.
func TestRecipientsItem(t *testing.T) {
	t.Parallel()
	b := open(t, strings.Replace(spooling, "  sms:\n", "  sms:\n    transform: {subject: '<%recipients%>'}\n", 1))
	got := b.send(t, localhost, "a@b.example", []string{"1@sms", "eva@example.com", "2@fax", "3@sms"}, mail)
	for _, j := range got {
		if want := "1@sms, eva@example.com, 2@fax, 3@sms"; j.folder == filepath.Join(b.dir, "sms") && j.ctl.Get("system", "subject") != want {
			t.Errorf("%s: %q, want %q", j.name, j.ctl.Get("system", "subject"), want)
		}
	}
	if len(got) != 3 {
		t.Errorf("%d jobs", len(got))
	}
}

// TestCommitLetsGo: behind a commit nothing of the message is held, whatever the frontend
// does with its transaction.
func TestCommitLetsGo(t *testing.T) {
	t.Parallel()
	b := open(t, spooling)
	for _, to := range []string{"1@sms", "eva@example.com"} {
		trx := b.Begin(localhost)
		if _, err := trx.Sender("a@b.example", Envelope{}); err != nil {
			t.Fatal(err)
		}
		if _, err := trx.Recipient(t.Context(), to, RecipientOptions{}); err != nil {
			t.Fatal(err)
		}
		write(t, trx, mail)
		if err := trx.Stage(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := trx.Commit(t.Context()); err != nil || trx.buffer != nil {
			t.Errorf("%s: %v, the message is held: %t", to, err, trx.buffer != nil)
		}
		trx.Abort()
	}
}

func TestJob(t *testing.T) {
	t.Parallel()
	b := open(t, spooling)
	jobs := b.send(t, localhost, "petr@example.com", []string{
		"eva@example.com", "<+420603123456x7@sms>", `"Petr Brouzda/Datasys/61388454"@fax`,
	}, mail)
	if len(jobs) != 2 {
		t.Fatalf("%d jobs", len(jobs))
	}
	// Envelope order: the SMS has the first number.
	want := "[system]\r\ntype=sms\r\napp=sms\r\nid=00000001\r\nsubject=hello\r\npriority=normal\r\ntxt=00000001.txt\r\nformat=txt\r\n" +
		"[from]\r\nname=Petr Novak\r\nusername=petr\r\nemail=petr@example.com\r\ngateway=s\r\nsmtp=petr@example.com\r\n" +
		"[to]\r\nnumber=+420603123456\r\next=x7\r\naddress=+420603123456x7@sms\r\nenvid=QQ1\r\n"
	if jobs[0].raw != want {
		t.Errorf("CTL:\n%s\nwant:\n%s", jobs[0].raw, want)
	}
	if jobs[0].text != "body\r\n" {
		t.Errorf("text %q", jobs[0].text)
	}
	for key, want := range map[string]string{"number": "61388454", "name": "Petr Brouzda", "company": "Datasys", "dept": "", "address": `"Petr Brouzda/Datasys/61388454"@fax`} {
		if got := jobs[1].ctl.Get("to", key); got != want {
			t.Errorf("to/%s is %q, want %q", key, got, want)
		}
	}
	if log := b.log.String(); strings.Count(log, "msg=job") != 2 || !strings.Contains(log, "session=s1") || !strings.Contains(log, "job=00000001") {
		t.Errorf("log: %s", log)
	}
}

func TestSameRecipientTwiceIsOneJob(t *testing.T) {
	t.Parallel()
	b := open(t, spooling)
	jobs := b.send(t, localhost, "a@b.example", []string{"1@sms", "<1@SMS>", `"1"@sms`, "2@sms"}, mail)
	if len(jobs) != 2 {
		t.Errorf("%d jobs, want 2", len(jobs))
	}
}

func TestNameFromHeader(t *testing.T) {
	t.Parallel()
	b := open(t, spooling)
	jobs := b.send(t, localhost, "a@b.example", []string{"+420603123456@sms"}, mail)
	if got := jobs[0].ctl.Get("to", "name"); got != "Jana" {
		t.Errorf("to/name is %q", got)
	}
}

func TestNoValueStartsAKey(t *testing.T) {
	t.Parallel()
	b := open(t, spooling)
	jobs := b.send(t, localhost, "a@b.example", []string{"1@sms"}, `From: =?utf-8?q?x=0D=0A[to]=0D=0Anumber=3D900?= <a@b.example>
Subject: =?utf-8?q?a=0D=0A[to]=0D=0Anumber=3D900=0D=0A=00=E2=80=A8b?=
Reply-To: "x
 [to]" <r@b.example>

x
`)
	d := jobs[0].ctl
	if got := d.Get("to", "number"); got != "1" {
		t.Errorf("number is %q", got)
	}
	if got := strings.Join(strings.Fields(d.Get("system", "subject")), " "); got != "a [to] number=900 b" {
		t.Errorf("subject is %q", got)
	}
	if n := strings.Count(jobs[0].raw, "\r\n["); n != 2 {
		t.Errorf("%d sections:\n%s", n+1, jobs[0].raw)
	}
}

// TestPrecedence is the table of who wins: built-in, ctl_settings, @commands,
// transform, weakest first.
func TestPrecedence(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		settings, command, transform bool
		want                         string
	}{
		{false, false, false, "normal"},
		{true, false, false, "low"},
		{false, true, false, "high"},
		{false, false, true, "from-template"},
		{true, true, false, "high"},
		{true, false, true, "from-template"},
		{false, true, true, "from-template"},
		{true, true, true, "from-template"},
	} {
		yaml := `
clients: 127.0.0.1
applications:
  sms:
    output_folder: '{dir}/sms'
    ctl_type: sms
    addresses: '(?P<number>\d+)@sms$'
    cmd_tags: mobilchange
`
		if tt.settings {
			yaml += "    ctl_settings: 'system|priority = low'\n"
		}
		if tt.transform {
			yaml += "    transform: {system/priority: from-template}\n"
		}
		text := "body"
		if tt.command {
			text = "@priority=high\n\nbody"
		}
		b := open(t, yaml)
		jobs := b.send(t, localhost, "a@b.example", []string{"1@sms"}, "Subject: x\n\n"+text+"\n")
		if got := jobs[0].ctl.Get("system", "priority"); got != tt.want {
			t.Errorf("%+v: priority is %q", tt, got)
		}
		if jobs[0].text != "body\r\n" {
			t.Errorf("%+v: text is %q", tt, jobs[0].text)
		}
	}
}

func TestTransformAndLayout(t *testing.T) {
	t.Parallel()
	b := open(t, `
clients: 127.0.0.1
ctl_layout: {system/app: "", from/gateway: from/gw}
applications:
  sms:
    output_folder: '{dir}/sms'
    ctl_type: sms
    addresses: '(?P<number>\d+)@sms$'
    ctl_layout: {from/gateway: ""}
    ctl_settings:
      - system|user_app_id|parse|subject = .*ID:(\d+).*
      - system|maxlen = 1
    transform:
      subject: '<%subject%> to <%number%>'
      txt: '<%messageFromName%>: <%msg%>[<%headers["X-Room"]%>]'
      from/email: "<%messageReplyToAddress|messageFromAddress|'lamp_room@petrol.org'%>"
      system/Broken: '<%subject[99]%>x'
`)
	jobs := b.send(t, localhost, "a@b.example", []string{"123@sms"}, "From: Petr <p@b.example>\nSubject: lamp ID:42\nX-Room: 7\n\nhi\n")
	d := jobs[0].ctl
	for target, want := range map[string]string{
		"system/subject": "lamp ID:42 to 123", "system/user_app_id": "42", "system/maxlen": "1",
		"system/app": "", "from/gateway": "", "from/gw": "", "from/email": "p@b.example", "system/Broken": "x",
	} {
		section, key, _ := strings.Cut(target, "/")
		if got := d.Get(section, key); got != want {
			t.Errorf("%s is %q, want %q", target, got, want)
		}
	}
	if want := "Petr: hi\r\n[7]"; jobs[0].text != want {
		t.Errorf("text %q, want %q", jobs[0].text, want)
	}
	if log := b.log.String(); !strings.Contains(log, "msg=template") || !strings.Contains(log, "target=system/Broken") {
		t.Errorf("the broken template is not in the log: %s", log)
	}
}

func TestTemplateOverLongTextLosesNothing(t *testing.T) {
	t.Parallel()
	b := open(t, `
clients: 127.0.0.1
applications:
  sms:
    output_folder: '{dir}/sms'
    ctl_type: sms
    addresses: '(?P<number>\d+)@sms$'
    transform: {txt: 'head <%msg%>'}
`)
	line := strings.Repeat("x", 99) + "\n"
	text := strings.Repeat(line, (1<<20)/len(line)+1)
	jobs := b.send(t, localhost, "a@b.example", []string{"1@sms"}, "Subject: x\n\n"+text)
	if jobs[0].text != strings.ReplaceAll(text, "\n", "\r\n") {
		t.Errorf("%d bytes of text, want %d", len(jobs[0].text), len(text))
	}
}

func TestAttachmentsAreWrittenOnceAndLinked(t *testing.T) {
	t.Parallel()
	b := open(t, spooling)
	jobs := b.send(t, localhost, "a@b.example", []string{"1@fax", "2@fax"}, `Subject: two
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=m

--m
Content-Type: text/plain

see attachment
--m
Content-Type: application/pdf
Content-Disposition: attachment; filename="../../etc/in voice.pdf"
Content-Transfer-Encoding: base64

JVBERi0xLjQK
--m
Content-Type: application/pdf
Content-Disposition: attachment; filename="CON"

x
--m
Content-Type: application/octet-stream
Content-Disposition: attachment; filename="job.CTL"

[system]
--m--
`)
	if len(jobs) != 2 {
		t.Fatalf("%d jobs", len(jobs))
	}
	var first os.FileInfo
	for i, j := range jobs {
		stem := strings.TrimSuffix(j.name, ".ctl")
		if got := j.ctl.Get("attachments", "count"); got != "3" {
			t.Fatalf("count %q:\n%s", got, j.raw)
		}
		file := j.ctl.Get("attachments", "1")
		if file != stem+"_1_in voice.pdf" || j.ctl.Get("attachments", "1_name") == "" {
			t.Errorf("CTL:\n%s", j.raw)
		}
		if got := j.file(t, file); got != "%PDF-1.4\n" {
			t.Errorf("content %q", got)
		}
		if second := j.ctl.Get("attachments", "2"); strings.EqualFold(second, stem+"_2_CON") {
			t.Errorf("reserved name %q", second)
		}
		if third := j.ctl.Get("attachments", "3"); third != stem+"_3_job.CTL_" {
			t.Errorf("an attachment that looks like a job: %q", third)
		}
		info, err := os.Stat(filepath.Join(j.folder, file))
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = info
		} else if !os.SameFile(first, info) {
			t.Error("the attachment is stored twice")
		}
		text, err := os.Stat(filepath.Join(j.folder, j.ctl.Get("system", "txt")))
		if err != nil {
			t.Fatal(err)
		}
		if other, err := os.Stat(filepath.Join(j.folder, jobs[1-i].ctl.Get("system", "txt"))); err != nil || os.SameFile(text, other) {
			t.Errorf("one text file serves two jobs: %v", err)
		}
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	b := open(t, "max_message_size: 2000\nmax_header_size: 1024\nmax_hops: 3\nmax_recipients: 2\n"+spooling)
	hops := func(n int) string { return strings.Repeat("rEceived: by x\n\tfolded\n", n) }
	for _, tt := range []struct{ name, message, want string }{
		{"size just right", "A: b\n\n" + strings.Repeat("x", 2000-len("A: b\r\n\r\n")), ""},
		{"size", "A: b\n\n" + strings.Repeat("x", 2001-len("A: b\r\n\r\n")), "552 5.3.4"},
		{"header", "A: " + strings.Repeat("x", 1020) + "\n", "552 5.3.4"},
		{"large body is no header", "\n" + strings.Repeat("x", 1500), ""},
		{"hops just right", hops(3) + "\nbody\n", ""},
		{"hops", hops(4) + "\nbody\n", "554 5.4.6"},
		{"Received in the body", hops(3) + "\n" + hops(3), ""},
		{"empty", "", ""},
	} {
		for _, piece := range []int{1, 7, 4096} {
			t.Run(fmt.Sprintf("%s by %d", tt.name, piece), func(t *testing.T) {
				trx := b.transaction(t, "1@sms")
				var err error
				raw := strings.ReplaceAll(tt.message, "\n", "\r\n")
				for len(raw) > 0 && err == nil {
					n := min(piece, len(raw))
					_, err = trx.Write([]byte(raw[:n]))
					raw = raw[n:]
				}
				if err == nil {
					err = trx.Stage(context.Background())
				}
				got := ""
				if err != nil {
					got = verdict(Recipient{}, reply.Of(err))
				}
				if got != tt.want {
					t.Errorf("%q, want %q (%v)", got, tt.want, err)
				}
			})
		}
	}
	trx := b.Begin(localhost)
	defer trx.Abort()
	if _, err := trx.Sender("a@b.example", Envelope{}); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"divert", "divert", "452 4.5.3"} {
		if got := verdict(trx.Recipient(context.Background(), fmt.Sprintf("%d@sms", i), RecipientOptions{})); got != want {
			t.Errorf("recipient %d: %s, want %s", i, got, want)
		}
	}
}

// TestSpaceIsEnough: as much free as min_free_space asks for is enough.
func TestSpaceIsEnough(t *testing.T) {
	t.Parallel()
	b := open(t, spooling)
	b.rules.Load().Settings.MinFreeSpace = 1
	if err := b.Space(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestSpaceOfAll: a folder of two applications is asked once, and the others too.
func TestSpaceOfAll(t *testing.T) {
	t.Parallel()
	b := open(t, `
applications:
  a: {output_folder: '{dir}/sms', ctl_type: sms, addresses: a}
  b: {output_folder: '{dir}/sms', ctl_type: sms, addresses: b}
  c: {output_folder: '{dir}/fax', ctl_type: sms, addresses: c}
`)
	if err := os.RemoveAll(filepath.Join(b.dir, "fax")); err != nil {
		t.Fatal(err)
	}
	if err := b.Space(t.Context()); err == nil {
		t.Error("there is room in a folder that is gone")
	}
}

// TestMessageCannotBeRead: a mail that the disk does not give back is no mail without jobs.
func TestMessageCannotBeRead(t *testing.T) {
	t.Parallel()
	b := open(t, spooling)
	trx := b.transaction(t, "1@sms")
	write(t, trx, "Subject: x\n\n")
	write(t, trx, strings.Repeat("text\n", int(trx.buffer.Memory())/5+1))
	if err := trx.buffer.Close(); err != nil {
		t.Fatal(err)
	}
	if err := trx.Stage(t.Context()); err == nil || !strings.HasPrefix(verdict(Recipient{}, err), "451 ") {
		t.Errorf("%v", err)
	}
	if jobs := b.jobs(t); len(jobs) != 0 {
		t.Errorf("%d jobs", len(jobs))
	}
}

// TestSpaceIsFoundForASecond: then it is asked for again, and at once for a recipient
// that is ours.
func TestSpaceIsFoundForASecond(t *testing.T) {
	t.Parallel()
	b := open(t, spooling)
	if err := b.Space(t.Context()); err != nil {
		t.Fatal(err)
	}
	rules := b.rules.Load()
	rules.Settings.MinFreeSpace = 1 << 62
	if err := b.Space(t.Context()); err != nil {
		t.Errorf("within the second: %v", err)
	}
	trx := b.Begin(localhost)
	defer trx.Abort()
	if _, err := trx.Sender("a@b.example", Envelope{}); err != nil {
		t.Fatal(err)
	}
	if got := verdict(trx.Recipient(t.Context(), "1@sms", RecipientOptions{})); got != "452 4.3.1" {
		t.Errorf("at RCPT: %s", got)
	}
	found := rules.roomy.Load().Add(-roomFor)
	rules.roomy.Store(&found)
	for range 2 { // a refusal is not kept
		if got := verdict(Recipient{}, b.Space(t.Context())); got != "452 4.3.1" {
			t.Errorf("behind the second: %s", got)
		}
	}
}

func TestNoSpaceNoDiversion(t *testing.T) {
	t.Parallel()
	b := open(t, spooling)
	b.rules.Load().Settings.MinFreeSpace = 1 << 62
	if got := verdict(Recipient{}, b.Space(t.Context())); got != "452 4.3.1" {
		t.Errorf("at MAIL: %s", got)
	}
	trx := b.Begin(localhost)
	defer trx.Abort()
	if _, err := trx.Sender("a@b.example", Envelope{}); err != nil {
		t.Fatal(err)
	}
	_, err := trx.Recipient(context.Background(), "1@sms", RecipientOptions{})
	if got := verdict(Recipient{}, err); got != "452 4.3.1" {
		t.Errorf("at RCPT: %s", got)
	}
	if err != nil && !strings.Contains(err.Error(), "min_free_space") {
		t.Errorf("the log does not name the key: %v", err)
	}
	if got := verdict(trx.Recipient(context.Background(), "eva@example.com", RecipientOptions{})); got != "pass" {
		t.Errorf("ordinary mail: %s", got)
	}
}

func TestFolderGone(t *testing.T) {
	t.Parallel()
	b := open(t, spooling)
	trx := b.transaction(t, "1@sms")
	write(t, trx, mail)
	if err := os.RemoveAll(filepath.Join(b.dir, "sms")); err != nil {
		t.Fatal(err)
	}
	err := trx.Stage(context.Background())
	if err == nil {
		t.Fatal("staged into a folder that is gone")
	}
	refusal := reply.Of(err)
	if refusal.Code != 451 || strings.Contains(refusal.Text, b.dir) {
		t.Errorf("client is told %d %s", refusal.Code, refusal.Text)
	}
	if !strings.Contains(err.Error(), filepath.Join(b.dir, "sms")) {
		t.Errorf("the log does not name the folder: %v", err)
	}
	large := b.Begin(localhost) // it does not stay in memory
	defer large.Abort()
	large.Sender("a@b.example", Envelope{})
	large.plans = trx.plans
	if _, err := large.Write(withCRLF("Subject: x\n\n" + strings.Repeat("x\n", 1<<20))); !errors.As(err, &refusal) || replyTo(err) != "451 4.3.0" {
		t.Errorf("a large message: %v", err)
	}
}

// TestRecipientRefusedWithTheMessage: with LMTP a recipient may be refused when its job is made,
// and the others have theirs; what was refused counts for no limit. Otherwise the message is.
func TestRecipientRefusedWithTheMessage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		frontend metrics.Frontend
		rcpts    []string
		staged   string
		answers  string // of the recipients
	}{
		{metrics.LMTP, []string{"1@sms", "2@fax", "3@sms"}, "", "550 5.7.1,job,550 5.7.1"},
		{metrics.LMTP, []string{"1@sms"}, "550 5.7.1", "550 5.7.1"},
		{metrics.SMTP, []string{"1@sms", "2@fax"}, "550 5.7.1", ""},
		{metrics.Milter, []string{"2@fax", "1@sms"}, "550 5.7.1", ""},
	} {
		b := open(t, `
clients: 127.0.0.1
max_files_per_message: 100
applications:
  fax: {output_folder: '{dir}/fax', ctl_type: fax, addresses: '(?P<number>\d+)@fax$'}
  sms: {output_folder: '{dir}/sms', ctl_type: sms, addresses: '(?P<number>\d+)@sms$', max_jobs_per_sender: 2, numbers_denied: '90', ctl_settings: ['to|number|parse|subject = (\d+)']}
`)
		for range 2 { // the second finds both places of the sender free
			trx := b.Begin(Client{Frontend: tt.frontend, Addr: localhost.Addr, Session: "s1"})
			trx.SetQueueID("Q1")
			trx.Sender("a@b.example", Envelope{})
			for _, to := range tt.rcpts {
				if _, err := trx.Recipient(t.Context(), to, RecipientOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			write(t, trx, "Subject: 907\n\nbody\n")
			err := trx.Stage(t.Context())
			if got := replyTo(err); got != tt.staged {
				t.Errorf("%s, %q: %q", tt.frontend, tt.rcpts, got)
			}
			if err == nil {
				text, err := io.ReadAll(trx.Message())
				if err != nil || string(text) != "Subject: 907\r\n\r\nbody\r\n" {
					t.Errorf("the message is %q, %v", text, err)
				}
				if names := trx.Jobs(); len(names) != 1 {
					t.Errorf("jobs %q", names)
				}
				if err := trx.Commit(t.Context()); err != nil {
					t.Error(err)
				}
			}
			var answers []string
			for i := range tt.rcpts {
				name, refusal := trx.Job(i)
				if refusal != nil {
					name = replyTo(refusal)
				} else if name != "" {
					name = "job"
				}
				answers = append(answers, name)
			}
			if got := strings.Join(answers, ","); tt.answers != "" && got != tt.answers {
				t.Errorf("%s, %q: answers %s, want %s", tt.frontend, tt.rcpts, got, tt.answers)
			}
			trx.Abort()
		}
		jobs := b.jobs(t)
		if (len(jobs) == 2) != (tt.staged == "") || len(jobs) > 0 && filepath.Base(jobs[0].folder) != "fax" {
			t.Errorf("%s, %q: jobs %v", tt.frontend, tt.rcpts, jobs)
		}
		log := b.log.String()
		for _, rcpt := range []string{"1@sms", "3@sms"} {
			n := strings.Count(log, "level=INFO msg=refused session=s1 queue_id=Q1 client=127.0.0.1 from=<a@b.example> rcpt="+rcpt)
			if want := 2 * strings.Count(strings.Join(tt.rcpts, " "), rcpt); tt.staged == "" && n != want {
				t.Errorf("%d lines of %s, want %d: %s", n, rcpt, want, log)
			}
		}
	}
}
