// Package addresses holds address patterns against the table of examples that
// stands beside them.
package addresses

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core"
	"smtpreceiver/core/config"
	"smtpreceiver/core/ctl"
)

// example is a row of the table. to is the section [to] of the job but for the
// address; app is empty if there is none.
type example struct {
	rcpt, header, app string
	to                map[string]string
}

func examples(t *testing.T) (rows []example) {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "| \n"), " |")
		for len(cells) < 8 { // the trim took the empty ones at the end
			cells = append(cells, "")
		}
		for i := range cells {
			cells[i] = strings.Trim(cells[i], " `")
		}
		e := example{rcpt: cells[0], header: cells[1], app: cells[2], to: map[string]string{
			"number": cells[3], "name": cells[4], "company": cells[5], "dept": cells[6],
		}}
		key, value, _ := strings.Cut(cells[7], "=")
		e.to["subaddress"] = ""
		if key != "" {
			e.to[key] = value
		}
		rows = append(rows, e)
	}
	return rows
}

// TestExamples pastes the patterns into a configuration, checks it, and sends
// every example.
func TestExamples(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	patterns, err := os.ReadFile("addresses.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"fax", "sms"} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	pasted := fmt.Sprintf("state_directory: '%s'\nclients: localhost\noutput_code_page: utf-8\nmin_free_space: 0\n", filepath.ToSlash(dir)) +
		strings.ReplaceAll(string(patterns), "/var/spool/smtpreceiver", filepath.ToSlash(dir))
	settings, err := config.Parse("yaml", []byte(pasted), nil)
	if err != nil {
		t.Fatal(err)
	}
	if problems, warnings := core.Check(settings); len(problems)+len(warnings) > 0 {
		t.Fatal(problems, warnings)
	}
	log := new(mtatest.Log)
	r, err := core.Open(t.Context(), settings, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	rows := examples(t)
	if len(rows) < 30 {
		t.Fatalf("only %d examples in the table", len(rows))
	}
	for _, e := range rows {
		job, err := send(t.Context(), r, dir, e)
		if err != nil {
			t.Errorf("%s: %v", e.rcpt, err)
			continue
		}
		if got := job.Get("system", "app"); got != e.app {
			t.Errorf("%s: application %q, want %q", e.rcpt, got, e.app)
		}
		for key, want := range e.to {
			if got := job.Get("to", key); got != want {
				t.Errorf("%s, To header %q: %s=%q, want %q", e.rcpt, e.header, key, got, want)
			}
		}
	}
	if strings.Contains(log.String(), "level=WARN") {
		t.Errorf("templates complain:\n%s", log)
	}
}

// send has e taken and returns the CTL of its job, an empty one if no
// application takes it.
func send(ctx context.Context, r *core.Receiver, dir string, e example) (*ctl.Document, error) {
	trx := r.Begin(core.Client{Addr: netip.MustParseAddr("127.0.0.1")})
	defer trx.Abort()
	if _, err := trx.Sender("petr@example.com", core.Envelope{}); err != nil {
		return nil, err
	}
	if _, err := trx.Recipient(ctx, "<"+e.rcpt+">", core.RecipientOptions{}); err != nil || !trx.Diverting() {
		return ctl.New(), err
	}
	header := "Subject: x\r\n"
	if e.header != "" {
		header += fmt.Sprintf("To: %q <%s>\r\n", e.header, e.rcpt)
	}
	if _, err := trx.Write([]byte(header + "\r\nx\r\n")); err != nil {
		return nil, err
	}
	if err := trx.Stage(ctx); err != nil {
		return nil, err
	}
	if err := trx.Commit(ctx); err != nil {
		return nil, err
	}
	raw, err := os.ReadFile(filepath.Join(dir, e.app, trx.Jobs()[0]+".ctl"))
	if err != nil {
		return nil, err
	}
	return ctl.Parse(string(raw))
}
