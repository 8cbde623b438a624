package core

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"smtpreceiver/core/logging"
	"smtpreceiver/core/metrics"
	"smtpreceiver/core/reply"
)

// TestOutcomeOnce: a message is counted once, however its transaction ends.
func TestOutcomeOnce(t *testing.T) {
	t.Parallel()
	refuse := func(trx *Transaction, rcpt string, code int) {
		trx.Refused(t.Context(), rcpt, &reply.Reply{Code: code, Enhanced: [3]int{code / 100, 0, 0}})
	}
	rcpt := func(trx *Transaction, address string) {
		if _, err := trx.Recipient(t.Context(), address, RecipientOptions{}); err != nil {
			trx.Refused(t.Context(), address, err)
		}
	}
	for name, tt := range map[string]struct {
		do   func(*Transaction)
		want metrics.Outcome // empty: none
	}{
		"nothing":                     {func(*Transaction) {}, ""},
		"recipient, then gone":        {func(x *Transaction) { rcpt(x, "1@sms") }, ""},
		"one of two refused":          {func(x *Transaction) { rcpt(x, "\x01@sms"); rcpt(x, "1@sms") }, ""},
		"all refused":                 {func(x *Transaction) { rcpt(x, "\x01@sms"); rcpt(x, "\x02@sms") }, metrics.Refused},
		"all refused, some for now":   {func(x *Transaction) { rcpt(x, "\x01@sms"); rcpt(x, "a@b"); refuse(x, "a@b", 450) }, metrics.Failed},
		"sender refused":              {func(x *Transaction) { refuse(x, "", 550) }, metrics.Refused},
		"message refused":             {func(x *Transaction) { rcpt(x, "1@sms"); refuse(x, "", 554) }, metrics.Refused},
		"message failed":              {func(x *Transaction) { rcpt(x, "1@sms"); refuse(x, "", 451) }, metrics.Failed},
		"left to the MTA":             {func(x *Transaction) { rcpt(x, "a@b"); x.Answered(nil) }, metrics.Passed},
		"refused at the end":          {func(x *Transaction) { rcpt(x, "\x01@sms"); x.Answered(&reply.Reply{Code: 501}) }, metrics.Refused},
		"forwarded":                   {func(x *Transaction) { rcpt(x, "a@b"); x.Forwarded(t.Context(), "s", "ok", nil) }, metrics.Forwarded},
		"forwarded, but not spooled":  {func(x *Transaction) { rcpt(x, "1@sms"); x.Forwarded(t.Context(), "s", "ok", nil); refuse(x, "", 451) }, metrics.Failed},
		"spooled":                     {func(x *Transaction) { rcpt(x, "1@sms"); commit(t, x) }, metrics.Spooled},
		"spooled, one of two refused": {func(x *Transaction) { rcpt(x, "1@sms"); rcpt(x, "\x01@sms"); commit(t, x) }, metrics.Spooled},
		"spooled and forwarded":       {func(x *Transaction) { rcpt(x, "1@sms"); x.Forwarded(t.Context(), "s", "ok", nil); commit(t, x) }, metrics.SpooledAndForwarded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t, spooling)
			c := localhost
			c.Frontend = metrics.LMTP
			x := b.Begin(c)
			if _, err := x.Sender("a@b.example", Envelope{}); err != nil {
				t.Fatal(err)
			}
			tt.do(x)
			x.Abort()
			x.Abort()
			for labels, n := range counters(t, b.Metrics(), "messages_total") {
				want := 0.0
				if labels == fmt.Sprintf("%s %s", metrics.LMTP, tt.want) {
					want = 1
				}
				if n != want {
					t.Errorf("%s: %v, want %v", labels, n, want)
				}
			}
		})
	}
}

// counters are the values of one metric, by the values of its labels in the
// order of the labels' names.
func counters(t *testing.T, m *metrics.Metrics, name string) map[string]float64 {
	t.Helper()
	families, err := m.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, family := range families {
		if family.GetName() != "smtpreceiver_"+name {
			continue
		}
		for _, metric := range family.GetMetric() {
			var labels []string
			for _, label := range metric.GetLabel() {
				labels = append(labels, label.GetValue())
			}
			values[strings.Join(labels, " ")] = metric.GetCounter().GetValue()
		}
	}
	if len(values) == 0 {
		t.Fatalf("no metric %s", name)
	}
	return values
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
		b.send(t, localhost, "a@b.example", []string{"1@sms", "1@fax"}, "Subject: x\n\nx\n")
		if jobs := counters(t, b.Metrics(), "jobs_total"); jobs["sms"] != float64(i+1) || jobs["fax"] != float64(i+1) {
			t.Errorf("%v jobs counted, want %d of each", jobs, i+1)
		}
		if err := b.Reload(b.rules.Load().Settings); err != nil {
			t.Fatal(err)
		}
	}
}

// TestMetricsOfOutputs: each application's room is there from the start.
func TestMetricsOfOutputs(t *testing.T) {
	t.Parallel()
	b := open(t, spooling)
	families, err := b.Metrics().Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if strings.HasPrefix(family.GetName(), "smtpreceiver_spool_") {
				got = append(got, fmt.Sprint(strings.TrimPrefix(family.GetName(), "smtpreceiver_spool_"), " ", metric.GetLabel()[0].GetValue(), " ", metric.GetGauge().GetValue() > 0))
			}
		}
	}
	if want := []string{"free_bytes fax true", "free_bytes sms true", "writable fax true", "writable sms true"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestEventsOfATransaction: what became of a mail is in the log, with all that names it.
func TestEventsOfATransaction(t *testing.T) {
	t.Parallel()
	b := open(t, spooling)
	c := localhost
	c.User, c.Frontend = "jana", metrics.Milter
	x := b.Begin(c)
	x.SetQueueID("Q1")
	if _, err := x.Sender("a@b.example", Envelope{}); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Recipient(t.Context(), "1@sms", RecipientOptions{}); err != nil {
		t.Fatal(err)
	}
	write(t, x, "Subject: x\n\nx\n")
	x.Forwarded(t.Context(), "mx:25", "250 ok", []string{"eva@b.example"})
	x.Refused(t.Context(), "2@sms", &reply.Reply{Code: 550, Enhanced: [3]int{5, 7, 1}, Text: "no"})
	x.Refused(t.Context(), "", &reply.Reply{Code: 451, Enhanced: [3]int{4, 3, 0}, Text: "later"})
	commit(t, x)
	log := b.log.String()
	const of = " session=s1 queue_id=Q1 client=127.0.0.1 user=jana from=<a@b.example> "
	for _, want := range []string{
		"level=INFO msg=forwarded" + of + `rcpt=[eva@b.example] server=mx:25 size=17 status=250 reply="250 ok" took=`,
		"level=INFO msg=refused" + of + `rcpt=2@sms status=550 reason="5.7.1 no"`,
		"level=WARN msg=refused" + of + `status=451 reason="4.3.0 later"`,
		"level=INFO msg=job" + of + "app=sms rcpt=1@sms job=00000001 size=17 status=250 took=",
	} {
		if strings.Count(log, want) != 1 {
			t.Errorf("log %s\nlacks %s", log, want)
		}
	}
	if n := counters(t, b.Metrics(), "job_bytes_total")["sms"]; n != 17 {
		t.Errorf("%v bytes counted", n)
	}
	families, err := b.Metrics().Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "smtpreceiver_commit_duration_seconds" && f.Metric[0].GetHistogram().GetSampleCount() != 1 {
			t.Errorf("the time of making jobs: %v", f)
		}
	}
}
