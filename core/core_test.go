package core

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/config"
	"smtpreceiver/core/ctl"
	"smtpreceiver/core/reply"
)

// bench is a receiver on temporary folders. In its YAML, {dir} is the folder
// that holds fax, sms and state.
type bench struct {
	*Receiver
	dir string
	log *mtatest.Log
}

const basics = `
state_directory: '{dir}/state'
min_free_space: 0
`

func settings(t testing.TB, dir, yaml string) *config.Settings {
	t.Helper()
	for _, sub := range []string{"fax", "sms", "state"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s, err := config.Parse("yaml", []byte(strings.ReplaceAll(yaml, "{dir}", filepath.ToSlash(dir))), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// open readies yaml, whose jobs are in UTF-8 if it names no code page.
func open(t testing.TB, yaml string) *bench {
	t.Helper()
	if !strings.Contains(yaml, "output_code_page:") {
		yaml = "output_code_page: utf-8\n" + yaml
	}
	b := &bench{dir: t.TempDir(), log: new(mtatest.Log)}
	log := slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	r, err := Open(context.Background(), settings(t, b.dir, basics+yaml), log)
	if err != nil {
		t.Fatal(err)
	}
	b.Receiver = r
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(b.log.String())
		}
	})
	return b
}

// send runs a whole transaction, line ends made CRLF, and returns the jobs it
// made.
func (b *bench) send(t testing.TB, c Client, from string, rcpts []string, message string) []written {
	t.Helper()
	return b.sendRaw(t, c, from, rcpts, withCRLF(message))
}

// transaction has begun and has one recipient, who is taken.
func (b *bench) transaction(t testing.TB, to string) *Transaction {
	t.Helper()
	trx := b.Begin(localhost)
	t.Cleanup(trx.Abort)
	if _, err := trx.Sender("a@b.example", Envelope{}); err != nil {
		t.Fatal(err)
	}
	if _, err := trx.Recipient(context.Background(), to, RecipientOptions{}); err != nil {
		t.Fatal(err)
	}
	return trx
}

func (b *bench) sendRaw(t testing.TB, c Client, from string, rcpts []string, message []byte) []written {
	t.Helper()
	ctx := context.Background()
	trx := b.Begin(c)
	defer trx.Abort()
	if _, err := trx.Sender(from, Envelope{EnvID: "QQ1"}); err != nil {
		t.Fatal(err)
	}
	for _, to := range rcpts {
		if _, err := trx.Recipient(ctx, to, RecipientOptions{}); err != nil {
			t.Fatalf("%s: %v", to, err)
		}
	}
	before := b.jobs(t)
	if _, err := trx.Write(message); err != nil {
		t.Fatal(err)
	}
	if err := trx.Stage(ctx); err != nil {
		t.Fatal(err)
	}
	if got := b.jobs(t); len(got) != len(before) {
		t.Fatal("a staged job is visible")
	}
	if err := trx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	return b.jobs(t)[len(before):]
}

func write(t testing.TB, trx *Transaction, message string) {
	t.Helper()
	if _, err := trx.Write(withCRLF(message)); err != nil {
		t.Fatal(err)
	}
}

func withCRLF(s string) []byte {
	return []byte(strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\n", "\r\n"))
}

// written is one visible job, read back.
type written struct {
	folder, name string
	ctl          *ctl.Document
	text         string // of the message file
	raw          string // of the CTL
}

// jobs reads the visible jobs in the order of their names, and fails the test
// if one names a file that is not there.
func (b *bench) jobs(t testing.TB) []written {
	t.Helper()
	page := b.rules.Load().Page
	var out []written
	for _, folder := range []string{"fax", "sms"} {
		names, err := filepath.Glob(filepath.Join(b.dir, folder, "*.ctl"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			raw, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			doc, err := ctl.Parse(page.Decode(raw))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			j := written{folder: filepath.Join(b.dir, folder), name: filepath.Base(name), ctl: doc, raw: string(raw)}
			if file := doc.Get("system", "txt"); file != "" {
				j.text = j.file(t, file)
			}
			out = append(out, j)
		}
	}
	slices.SortFunc(out, func(a, b written) int { return strings.Compare(a.name, b.name) })
	return out
}

func (j written) file(t testing.TB, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(j.folder, name))
	if err != nil {
		t.Fatalf("%s names a file that is not there: %v", j.name, err)
	}
	return string(content)
}

var (
	localhost = Client{Addr: netip.MustParseAddr("127.0.0.1"), Session: "s1"}
	stranger  = Client{Addr: netip.MustParseAddr("192.0.2.5"), Session: "s2"}
)

const mail = `From: Petr Novak <petr@example.com>
To: Jana <+420603123456@sms>
Subject: hello

body
`

// verdict is one decision in words: divert, pass, or the reply.
func verdict(r Recipient, err error) string {
	var refusal *reply.Reply
	switch {
	case errors.As(err, &refusal):
		return fmt.Sprintf("%d %s", refusal.Code, refusal.Status())
	case err != nil:
		return err.Error()
	case r.Verdict == Divert:
		return "divert"
	}
	return "pass"
}
