package metrics

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"smtpreceiver/core/reply"
)

// count is what has been counted since New, as Prometheus reads it: name, labels
// and value. Left out are times of day, the process, and what is 0.
func count(t *testing.T, m *Metrics) []string {
	t.Helper()
	families, err := m.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range families {
		name, ours := strings.CutPrefix(f.GetName(), namespace+"_")
		if !ours || strings.HasPrefix(name, "config_last_reload") {
			continue
		}
		for _, metric := range f.GetMetric() {
			line := name
			for _, l := range metric.GetLabel() {
				line += " " + l.GetValue()
			}
			value := metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
			if h := metric.GetHistogram(); h.GetSampleCount() > 0 {
				line, value = fmt.Sprint(line, " of ", h.GetSampleSum()), float64(h.GetSampleCount())
			}
			if value != 0 {
				all = append(all, fmt.Sprint(line, " ", value))
			}
		}
	}
	slices.Sort(all)
	return all
}

func expect(t *testing.T, m *Metrics, name string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if got := count(t, m); !slices.Equal(got, want) {
		t.Errorf("%s: counted %q, want %q", name, got, want)
	}
}

// TestMessageOnce: a message is counted once, by what became of it.
func TestMessageOnce(t *testing.T) {
	t.Parallel()
	never := &reply.Reply{Code: 550, Reason: reply.ReasonNumber}
	later := &reply.Reply{Code: 451, Reason: reply.ReasonSpool}
	for name, test := range map[string]struct {
		events func(*Message)
		want   []string
	}{
		"spooled":      {func(m *Message) { m.Recipient(); m.Spooled(); m.Aborted() }, []string{"messages_total lmtp spooled 1"}},
		"forwarded":    {func(m *Message) { m.Recipient(); m.Forwarded(true); m.Aborted() }, []string{"messages_total lmtp forwarded 1"}},
		"both":         {func(m *Message) { m.Forwarded(false); m.Spooled() }, []string{"messages_total lmtp spooled_and_forwarded 1"}},
		"half of both": {func(m *Message) { m.Forwarded(false); m.Aborted() }, nil},
		"passed":       {func(m *Message) { m.Passed() }, []string{"messages_total lmtp passed 1"}},
		"refused": {func(m *Message) { m.Recipient(); m.Refused(never); m.Aborted() },
			[]string{"messages_total lmtp refused 1", "refusals_total number 1"}},
		"failed":              {func(m *Message) { m.Refused(later) }, []string{"messages_total lmtp failed 1", "refusals_total spool 1"}},
		"counted by another":  {func(m *Message) { m.Answered(later) }, []string{"messages_total lmtp failed 1"}},
		"nothing but a MAIL":  {func(m *Message) { m.Aborted() }, nil},
		"recipients, no DATA": {func(m *Message) { m.Recipient(); m.Aborted() }, nil},
		"one of two refused": {func(m *Message) { m.Recipient(); m.Recipient(); m.RecipientRefused(never); m.Aborted() },
			[]string{"refusals_total number 1"}},
		"all refused": {func(m *Message) { m.Recipient(); m.RecipientRefused(never); m.Aborted() },
			[]string{"messages_total lmtp refused 1", "refusals_total number 1"}},
		"all refused, then the message too": {func(m *Message) { m.Recipient(); m.RecipientRefused(never); m.Refused(later); m.Aborted() },
			[]string{"messages_total lmtp failed 1", "refusals_total number 1", "refusals_total spool 1"}},
		"all refused, one for now": {func(m *Message) {
			m.Recipient()
			m.RecipientRefused(later)
			m.Recipient()
			m.RecipientRefused(never)
			m.Aborted()
		}, []string{"messages_total lmtp failed 1", "refusals_total number 1", "refusals_total spool 1"}},
	} {
		m := New()
		message := m.Follow(LMTP)
		test.events(&message)
		expect(t, m, name, test.want...)
	}
}

// TestNamesAndLabels: dashboards and alerts read these names; each value of a
// label is there from the start, so that a rate of it can be computed.
func TestNamesAndLabels(t *testing.T) {
	t.Parallel()
	m := New()
	families, err := m.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	series := map[string]int{}
	for _, f := range families {
		name, ours := strings.CutPrefix(f.GetName(), namespace+"_")
		if ours || name == "go_goroutines" || name == "process_start_time_seconds" {
			series[name] = len(f.GetMetric())
		}
	}
	want := map[string]int{
		"go_goroutines": 1, "process_start_time_seconds": 1,
		"messages_total": 3 * 6, "refusals_total": len(reply.Reasons()), "logins_total": 4, "policy_requests_total": 2 * 3,
		"connections": 3, "connections_total": 3, "connections_refused_total": 4, "forward_duration_seconds": 1, "commit_duration_seconds": 1,
		"config_last_reload_success": 1, "config_last_reload_timestamp_seconds": 1,
	}
	if !maps.Equal(series, want) {
		t.Errorf("series %v, want %v", series, want)
	}
}

// TestBuckets: queries of users name the bounds, so none of them moves.
func TestBuckets(t *testing.T) {
	t.Parallel()
	m := New()
	families, err := m.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range families {
		for _, metric := range f.GetMetric() {
			if name, ours := strings.CutPrefix(f.GetName(), namespace+"_"); ours && metric.GetHistogram() != nil {
				for _, b := range metric.GetHistogram().GetBucket() {
					got[name] += fmt.Sprint(b.GetUpperBound(), " ")
				}
			}
		}
	}
	want := map[string]string{
		"forward_duration_seconds": "0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 30 60 300 ",
		"commit_duration_seconds":  "0.001 0.0025 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 30 ",
	}
	if !maps.Equal(got, want) {
		t.Errorf("buckets %q, want %q", got, want)
	}
}

// TestCounters: what each method counts.
func TestCounters(t *testing.T) {
	t.Parallel()
	m := New()
	m.LoggedIn(LoginLocked)
	m.Asked(LMTP, nil)
	m.Asked(Milter, &reply.Reply{Code: 550})
	m.Asked(Milter, errors.New("x"))
	m.Forward(2 * time.Second)
	m.Committed(time.Second / 2)
	c := m.Connections(SMTP)
	c.Opened()
	c.Opened()
	c.Closed()
	c.Refused(AwayProxy)
	m.App("fax").Job(100)
	m.App("fax").TemplateError()
	m.Outputs(func() []Output {
		return []Output{{App: "fax", Free: 7, Known: true, Writable: true}, {App: "sms", Free: 8, Known: true}, {App: "gone"}}
	})
	m.LogMessages(func(letter string) uint64 { return map[string]uint64{"E": 1, "W": 2}[letter] })
	m.Build("1.2", "milter")
	var build string
	for _, line := range count(t, m) {
		if strings.HasPrefix(line, "build_info milter go") && strings.HasSuffix(line, " 1.2 1") {
			build = line
		}
	}
	expect(t, m, "all", build,
		"logins_total locked 1", "policy_requests_total allowed lmtp 1", "policy_requests_total refused milter 1", "policy_requests_total failed milter 1",
		"forward_duration_seconds of 2 1", "commit_duration_seconds of 0.5 1",
		"connections smtp 1", "connections_total smtp 2", "connections_refused_total proxy 1",
		"jobs_total fax 1", "job_bytes_total fax 100", "template_errors_total fax 1",
		"spool_free_bytes fax 7", "spool_free_bytes sms 8", "spool_writable fax 1",
		"log_messages_total error 1", "log_messages_total warning 2")
}

// TestReloaded: a reload that failed is seen, and leaves the time of the last
// good one.
func TestReloaded(t *testing.T) {
	t.Parallel()
	m := New()
	read := func() (ok, at float64) {
		families, err := m.Registry().Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			switch f.GetName() {
			case namespace + "_config_last_reload_success":
				ok = f.GetMetric()[0].GetGauge().GetValue()
			case namespace + "_config_last_reload_timestamp_seconds":
				at = f.GetMetric()[0].GetGauge().GetValue()
			}
		}
		return ok, at
	}
	ok, at := read()
	if now := float64(time.Now().Unix()); ok != 1 || at < now-60 || at > now+60 {
		t.Errorf("at the start: %v at %v", ok, at)
	}
	m.Reloaded(errors.New("x"))
	if bad, then := read(); bad != 0 || then != at {
		t.Errorf("behind a failed reload: %v at %v, want 0 at %v", bad, then, at)
	}
	m.Reloaded(nil)
	if good, then := read(); good != 1 || then < at {
		t.Errorf("behind a good one: %v at %v", good, then)
	}
}
