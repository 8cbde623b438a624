package main

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/emersion/go-smtp"
	"github.com/spf13/cobra"

	"smtpreceiver/core/config"
)

//go:embed samples/*.eml
var samples embed.FS

// demoConfig is the configuration of the demo: what a first one of one's own
// could look like.
const demoConfig = `
smtp_ip_address: 127.0.0.1
smtp_port: 0
clients: localhost
forward_smtp_server: 127.0.0.1
forward_smtp_server_port: {port}
output_code_page: utf-8
state_directory: '{folder}/state'
min_free_space: 0
log_console: {log}
log_event_log: ""
applications:
  fax:
    ctl_type: fax
    output_folder: '{folder}/fax'
    addresses:
      - '(?:(?P<name>[^/]+)/(?:(?P<company>[^/]+)/(?:(?P<dept>[^/]+)/)?)?)?(?P<number>\+?\d+)@fax$'
    format_preference: mht;txt
    process_attachments: 1
    cmd_tags: faxchange
  sms:
    ctl_type: sms
    output_folder: '{folder}/sms'
    addresses:
      - '(?P<number>\+?\d+)@sms$'
    cmd_tags: mobilchange
    ctl_settings:
      - system|maxlen = 3
`

// demoMail is one sample: what is sent to whom.
type demoMail struct {
	title, file, from string
	to                []string
}

var demoMails = []demoMail{
	{"A text message to one phone", "1-text.eml", "petr.novak@example.com", []string{"+420603123456@sms"}},
	{"HTML with a picture to a fax: the job holds one MHT file", "2-html.eml", "marketing@example.com", []string{"61388454@fax"}},
	{"A scanned PDF to a fax: the attachment becomes a file of the job", "3-pdf.eml", "scanner@example.com", []string{"61388454@fax"}},
	{"@commands in front of the text become CTL keys", "4-commands.eml", "petr.novak@example.com", []string{"+420603123456@sms"}},
	{"One mail to a fax, a phone and a colleague: two jobs, and the mail server gets the rest", "5-mixed.eml", "petr.novak@example.com",
		[]string{`"Petr/Datasys/61388454"@fax`, "+420603123456@sms", "eva@example.com"}},
}

func (a *app) demo() *cobra.Command {
	var once bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show what the program does, on this machine, with nothing configured",
		Long: `demo starts the standalone listener on a free loopback port with built-in
settings, sends it sample mails over SMTP, prints what appeared in the spool,
and goes on listening until Ctrl-C. A small mail server of its own stands for
the company's.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return demo(c.Context(), c.OutOrStdout(), c.ErrOrStderr(), once)
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "end after the samples")
	return cmd
}

func demo(ctx context.Context, stdout, stderr io.Writer, once bool) error {
	folder, err := os.MkdirTemp("", "smtpreceiver-demo-")
	if err != nil {
		return err
	}
	for _, sub := range []string{"fax", "sms", "state"} {
		if err := os.Mkdir(filepath.Join(folder, sub), 0o750); err != nil {
			return err
		}
	}
	behind, err := newMailServer()
	if err != nil {
		return err
	}
	defer behind.Close()
	settings, err := demoSettings(folder, behind.port, once)
	if err != nil {
		return err
	}
	v, err := start(ctx, standaloneKind, settings, stderr)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		err := v.run(ctx, unmanaged())
		v.close()
		ended <- err
	}()

	d := &demonstration{out: stdout, addr: v.listeners[0].Addr().String(), folder: folder, behind: behind}
	d.printf("smtpreceiver %s demo\n\nlistening on   %s\njobs appear in %s\n               %s\n",
		release, d.addr, filepath.Join(folder, "fax"), filepath.Join(folder, "sms"))
	for i, m := range demoMails {
		d.printf("\n%d. %s\n", i+1, m.title)
		if err := d.show(m); err != nil {
			return errors.Join(err, d.err)
		}
	}
	if !once {
		d.farewell()
		<-ctx.Done()
	}
	stop()
	return errors.Join(<-ended, d.err)
}

func demoSettings(folder string, port int, quiet bool) (*config.Settings, error) {
	log := "EWI"
	if quiet {
		log = "EW"
	}
	yaml := strings.NewReplacer("{folder}", filepath.ToSlash(folder), "{log}", log, "{port}", strconv.Itoa(port)).Replace(demoConfig)
	return config.Parse("yaml", []byte(yaml), nil)
}

// demonstration sends mails and prints what came of them.
type demonstration struct {
	out    io.Writer
	err    error
	addr   string
	folder string
	behind *mailServer
}

func (d *demonstration) printf(format string, args ...any) {
	if _, err := fmt.Fprintf(d.out, format, args...); d.err == nil {
		d.err = err
	}
}

func (d *demonstration) show(m demoMail) error {
	before, err := d.files()
	if err != nil {
		return err
	}
	if err := d.send(m); err != nil {
		return fmt.Errorf("sample %s: %w", m.file, err)
	}
	after, err := d.files()
	if err != nil {
		return err
	}
	for _, name := range after {
		if !slices.Contains(before, name) {
			if err := d.print(name); err != nil {
				return err
			}
		}
	}
	for _, got := range d.behind.taken() {
		d.printf("   the mail server behind got the mail for %s\n", strings.Join(got.to, ", "))
	}
	return nil
}

// send is a mail client that tells what it is told.
func (d *demonstration) send(m demoMail) error {
	body, err := samples.ReadFile("samples/" + m.file)
	if err != nil {
		return err
	}
	c, err := smtp.Dial(d.addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Mail(m.from, nil); err != nil {
		return err
	}
	d.printf("   MAIL FROM:<%s>\n", m.from)
	for _, to := range m.to {
		if err := c.Rcpt(to, nil); err != nil {
			return err
		}
		d.printf("   RCPT TO:<%s>\n", to)
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(bytes.ReplaceAll(body, []byte("\n"), []byte("\r\n"))); err != nil {
		return err
	}
	reply, err := w.CloseWithResponse()
	if err != nil {
		return err
	}
	d.printf("   DATA … 250 %s\n", reply.StatusText)
	return c.Quit()
}

// files lists the spool: folder/name of every file a fax or SMS server sees.
func (d *demonstration) files() ([]string, error) {
	var names []string
	for _, sub := range []string{"fax", "sms"} {
		entries, err := os.ReadDir(filepath.Join(d.folder, sub))
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if !e.IsDir() {
				names = append(names, filepath.Join(sub, e.Name()))
			}
		}
	}
	return names, nil
}

// print shows a file of a job: CTL and text in full, of others the size.
func (d *demonstration) print(name string) error {
	content, err := os.ReadFile(filepath.Join(d.folder, name))
	if err != nil {
		return err
	}
	d.printf("   %s, %d bytes\n", name, len(content))
	switch filepath.Ext(name) {
	case ".ctl", ".txt":
		for line := range strings.Lines(string(content)) {
			d.printf("      | %s\n", strings.TrimRight(line, "\r\n"))
		}
	}
	return nil
}

func (d *demonstration) farewell() {
	host, port, err := net.SplitHostPort(d.addr)
	if err != nil {
		host, port = d.addr, ""
	}
	d.printf(`
Now try it yourself:

   printf 'Subject: hello\n\nhello\n' | curl -sS --url smtp://%s:%s --mail-from me@example.com --mail-rcpt +420603123456@sms --crlf --upload-file -

and look into %s. Ctrl-C ends the demo; the folder stays.
`, host, port, d.folder)
}
