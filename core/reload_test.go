package core

import (
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"smtpreceiver/core/auth"
	"smtpreceiver/core/output"
)

// TestReloadIntoQueue: what the jobs go to is decided at the start. The names of a queue
// would be folders of the working directory to output folders, and the other way round.
func TestReloadIntoQueue(t *testing.T) {
	t.Parallel()
	b := open(t, routing)
	s := settings(t, b.dir, basics+`
clients: 127.0.0.1
instance: gw1
queue: {servers: 'nats://127.0.0.1:1', unsynced: accept}
applications:
  sms: {ctl_type: sms, addresses: '.*@sms$'}
`)
	if err := b.Reload(s); err == nil || !strings.HasPrefix(err.Error(), "queue.servers: ") || !strings.Contains(err.Error(), "restart") {
		t.Errorf("%v", err)
	}
	if jobs := b.send(t, localhost, "a@b.example", []string{"1@sms"}, "Subject: x\n\nx\n"); len(jobs) != 1 || filepath.Base(jobs[0].folder) != "sms" {
		t.Errorf("jobs after it: %+v", jobs)
	}
}

// TestReloadLeavesTheTable: a transaction ends by the table of senders that it began
// with, though the new rules have another, or none.
func TestReloadLeavesTheTable(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "senders.db")
	if err := os.WriteFile(file, nil, 0o600); err != nil { // an empty database
		t.Fatal(err)
	}
	const query = "SELECT ? AS name, 'sms' AS allowed"
	b := open(t, "senders: {backend: sql, driver: sqlite, dsn: '"+filepath.ToSlash(file)+"', query: \""+query+"\"}\n"+withSenders)
	trx := b.Begin(localhost)
	defer trx.Abort()
	trx.Sender("eva@x.example", Envelope{})
	s := *b.rules.Load().Settings
	s.Senders.Backend, s.Senders.DSN, s.Senders.Query = "none", "", ""
	if err := b.Reload(&s); err != nil {
		t.Fatal(err)
	}
	for to, want := range map[string]string{"1@sms": "", "1@fax": "5.7.1 fax: sender may not use it"} {
		_, err := trx.Recipient(t.Context(), to, RecipientOptions{})
		if got := told(err); got != want {
			t.Errorf("%s: %q, want %q", to, got, want)
		}
	}
}

// TestReloadThatFails leaves the output and the rules as they were.
func TestReloadThatFails(t *testing.T) {
	t.Parallel()
	b := open(t, routing)
	out := &usedOutput{Output: b.output}
	b.output = out
	before := b.rules.Load()
	for _, test := range []struct {
		name, addresses string
		err             error
		used            int
	}{
		{"an expression", "(", nil, 0},
		{"the output", ".*@sms$", errors.New("no such folder"), 1},
	} {
		out.used, out.err = 0, test.err
		s := settings(t, b.dir, "output_code_page: utf-8\n"+basics+"clients: 127.0.0.1\napplications:\n  sms: {output_folder: '{dir}/sms', ctl_type: sms, addresses: '"+test.addresses+"'}\n")
		if err := b.Reload(s); err == nil || test.err != nil && !errors.Is(err, test.err) {
			t.Errorf("%s: %v", test.name, err)
		}
		if out.used != test.used || b.rules.Load() != before {
			t.Errorf("%s: the output was given folders %d times, rules exchanged: %t", test.name, out.used, b.rules.Load() != before)
		}
	}
}

type usedOutput struct {
	output.Output
	used int
	err  error
}

func (u *usedOutput) Use(destinations []string) error {
	if u.used++; u.err != nil {
		return u.err
	}
	return u.Output.Use(destinations)
}

// TestReloadWithoutTheApplication: a transaction ends by the rules that it began with, and
// where the folder is not there any more either, the client is told to try again.
func TestReloadWithoutTheApplication(t *testing.T) {
	t.Parallel()
	for _, away := range []bool{false, true} {
		b := open(t, routing)
		trx := b.transaction(t, "1@sms")
		if err := b.Reload(settings(t, b.dir, "output_code_page: utf-8\n"+basics+"clients: 127.0.0.1\napplications:\n  other: {output_folder: '{dir}/fax', ctl_type: fax, addresses: '.*@fax$'}\n")); err != nil {
			t.Fatal(err)
		}
		want, jobs := "", 1
		if sms := filepath.Join(b.dir, "sms"); away {
			if err := os.Rename(sms, sms+".away"); err != nil {
				t.Fatal(err)
			}
			want, jobs = "451 4.3.0", 0
		}
		if _, err := trx.Write(withCRLF("Subject: x\n\nx\n")); err != nil {
			t.Fatal(err)
		}
		err := trx.Stage(t.Context())
		if err == nil {
			err = trx.Commit(t.Context())
		}
		if got := replyTo(err); got != want {
			t.Errorf("folder away: %t: %q, want %q", away, got, want)
		}
		if shown, err := filepath.Glob(filepath.Join(b.dir, "sms*", "*.ctl")); len(shown) != jobs || err != nil {
			t.Errorf("folder away: %t: visible %q, %v", away, shown, err)
		}
	}
}

// TestClose: a database is let go, and so are the output folders.
func TestClose(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "users.db")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := settings(t, dir, "output_code_page: utf-8\nstate_directory: '{dir}/state'\nauthentication: {allow_plaintext: 1, backend: sql, driver: sqlite, dsn: '"+filepath.ToSlash(file)+"', query: \"SELECT 'x' AS name, 'y' AS hash WHERE ? = 'z'\"}\n"+withSenders)
	r, err := Open(t.Context(), s, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	verify := func() error {
		_, err := r.rules.Load().Auth.Verify(t.Context(), netip.Prefix{}, "a", "b")
		return err
	}
	if err := verify(); !errors.Is(err, auth.ErrBadCredentials) {
		t.Errorf("before: %v", err)
	}
	staging := filepath.Join(dir, "sms", ".staging", "*")
	if before, err := filepath.Glob(staging); len(before) == 0 || err != nil {
		t.Fatalf("%q, %v", before, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if left, err := filepath.Glob(staging); len(left) > 0 || err != nil {
		t.Errorf("left in staging: %q, %v", left, err)
	}
	if err := verify(); err == nil || !strings.Contains(err.Error(), "database is closed") {
		t.Errorf("after it: %v", err)
	}
}
