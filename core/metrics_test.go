package core

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"smtpreceiver/core/logging"
)

// TestReason: every refusal of ours is of a kind, and none is made up of an
// error's text.
func TestReason(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		want Reason
	}{
		{&fs.PathError{Op: "write", Path: "/x", Err: syscall.ENOSPC}, ReasonSpace},
		{fmt.Errorf("stage: %w", &fs.PathError{Op: "write", Path: "/x", Err: syscall.EIO}), ReasonSpool},
		{fmt.Errorf("spool is closed"), ReasonOther},
		{fmt.Errorf("deep: %w", &Reply{450, [3]int{4, 7, 1}, "x", nil, ReasonQuota}), ReasonQuota},
		{&Reply{Code: 550, Reason: "made up\n"}, ReasonOther},
	} {
		m := newMetrics()
		reply := AsReply(tt.err)
		m.Refusal(reply.Reason)
		if n := testutil.ToFloat64(m.refusals[tt.want]); n != 1 {
			t.Errorf("%v: counted %v times as %s", tt.err, n, tt.want)
		}
		if log := fmt.Sprint(reply.Attrs()...); !strings.Contains(log, "refusal"+string(tt.want)) {
			t.Errorf("%v: log has %q, want refusal %s", tt.err, log, tt.want)
		}
	}
}

// TestOutcomeOnce: a message is counted once, however its transaction ends.
func TestOutcomeOnce(t *testing.T) {
	t.Parallel()
	refuse := func(trx *Transaction, rcpt string, code int) {
		trx.Refused(t.Context(), rcpt, &Reply{Code: code, Enhanced: [3]int{code / 100, 0, 0}})
	}
	rcpt := func(trx *Transaction, address string) {
		if _, err := trx.Recipient(t.Context(), address, RecipientOptions{}); err != nil {
			trx.Refused(t.Context(), address, err)
		}
	}
	for name, tt := range map[string]struct {
		do   func(*Transaction)
		want outcome // empty: none
	}{
		"nothing":                     {func(*Transaction) {}, ""},
		"recipient, then gone":        {func(x *Transaction) { rcpt(x, "1@sms") }, ""},
		"one of two refused":          {func(x *Transaction) { rcpt(x, "\x01@sms"); rcpt(x, "1@sms") }, ""},
		"all refused":                 {func(x *Transaction) { rcpt(x, "\x01@sms"); rcpt(x, "\x02@sms") }, refusedForGood},
		"all refused, some for now":   {func(x *Transaction) { rcpt(x, "\x01@sms"); rcpt(x, "a@b"); refuse(x, "a@b", 450) }, failedForNow},
		"sender refused":              {func(x *Transaction) { refuse(x, "", 550) }, refusedForGood},
		"message refused":             {func(x *Transaction) { rcpt(x, "1@sms"); refuse(x, "", 554) }, refusedForGood},
		"message failed":              {func(x *Transaction) { rcpt(x, "1@sms"); refuse(x, "", 451) }, failedForNow},
		"left to the MTA":             {func(x *Transaction) { rcpt(x, "a@b"); x.Answered(nil) }, passed},
		"refused at the end":          {func(x *Transaction) { rcpt(x, "\x01@sms"); x.Answered(&Reply{Code: 501}) }, refusedForGood},
		"forwarded":                   {func(x *Transaction) { rcpt(x, "a@b"); x.Forwarded(t.Context(), "s", "ok", nil) }, forwarded},
		"forwarded, but not spooled":  {func(x *Transaction) { rcpt(x, "1@sms"); x.Forwarded(t.Context(), "s", "ok", nil); refuse(x, "", 451) }, failedForNow},
		"spooled":                     {func(x *Transaction) { rcpt(x, "1@sms"); commit(t, x) }, spooled},
		"spooled, one of two refused": {func(x *Transaction) { rcpt(x, "1@sms"); rcpt(x, "\x01@sms"); commit(t, x) }, spooled},
		"spooled and forwarded":       {func(x *Transaction) { rcpt(x, "1@sms"); x.Forwarded(t.Context(), "s", "ok", nil); commit(t, x) }, spooledAndForwarded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t, spooling)
			c := localhost
			c.Frontend = LMTP
			x := b.Begin(c)
			if _, err := x.Sender("a@b.example", Envelope{}); err != nil {
				t.Fatal(err)
			}
			tt.do(x)
			x.Abort()
			x.Abort()
			for f, counters := range b.metrics.messages {
				for o, counter := range counters {
					want := 0.0
					if f == LMTP && o == tt.want {
						want = 1
					}
					if n := testutil.ToFloat64(counter); n != want {
						t.Errorf("%s %s: %v, want %v", f, o, n, want)
					}
				}
			}
		})
	}
}

func commit(t *testing.T, x *Transaction) {
	t.Helper()
	if err := x.Stage(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := x.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestNoMetrics: a nil one counts nothing and hurts nobody.
func TestNoMetrics(t *testing.T) {
	t.Parallel()
	var m *Metrics
	m.Forward(1)
	m.Refusal(ReasonOther)
	m.message(SMTP, spooled)
	m.login(loginOK)
	m.committed(1)
	m.app("x").job(1)
	m.app("x").templateError()
	m.Connections(SMTP).Opened()
	m.Connections(SMTP).Closed()
	m.Connections(SMTP).Refused(AwayProxy)
}

// TestReceivedDataIsLogged: with log_rcv_data, only where T is on, and in lines
// of bounded length that together are the message.
func TestReceivedDataIsLogged(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		set  string
		on   string
		want bool
	}{{"EWIT", "1", true}, {"EWI", "1", false}, {"EWIT", "0", false}} {
		var out strings.Builder
		log, err := logging.Open(logging.Options{Console: tt.set}, &out)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		r, err := Open(context.Background(), settings(t, dir, basics+"log_file: EWIT\nlog_rcv_data: "+tt.on+"\n"+spooling), log.Logger)
		if err != nil {
			t.Fatal(err)
		}
		message := strings.Repeat("line of text\r\n", 5000)
		x := r.Begin(localhost)
		if _, err := x.Write([]byte(message)); err != nil {
			t.Fatal(err)
		}
		x.Abort()
		var got strings.Builder
		for line := range strings.Lines(out.String()) {
			if len(line) > 4*maxLoggedData+200 {
				t.Errorf("a line of %d bytes", len(line))
			}
			if _, data, ok := strings.Cut(line, ` data="`); ok {
				got.WriteString(strings.NewReplacer(`\r`, "\r", `\n`, "\n").Replace(strings.TrimSuffix(data, "\"\n")))
			}
		}
		if tt.want && got.String() != message || !tt.want && got.Len() > 0 {
			t.Errorf("%+v: %d bytes of %d logged", tt, got.Len(), len(message))
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestReloadKeepsCounting: counters of an application go on over a reload.
func TestReloadKeepsCounting(t *testing.T) {
	t.Parallel()
	b := open(t, spooling)
	for i := range 2 {
		b.send(t, localhost, "a@b.example", []string{"1@sms"}, "Subject: x\n\nx\n")
		if n := testutil.ToFloat64(b.metrics.jobs.WithLabelValues("sms")); n != float64(i+1) {
			t.Errorf("%v jobs counted, want %d", n, i+1)
		}
		if err := b.Reload(b.rules.Load().settings); err != nil {
			t.Fatal(err)
		}
	}
}
