package metrics

import (
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"smtpreceiver/core/reply"
)

// TestReason: every refusal of ours is of a kind, and none is made up of an
// error's text.
func TestReason(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		want reply.Reason
	}{
		{&fs.PathError{Op: "write", Path: "/x", Err: syscall.ENOSPC}, reply.ReasonSpace},
		{fmt.Errorf("stage: %w", &fs.PathError{Op: "write", Path: "/x", Err: syscall.EIO}), reply.ReasonSpool},
		{fmt.Errorf("spool is closed"), reply.ReasonOther},
		{fmt.Errorf("deep: %w", &reply.Reply{Code: 450, Enhanced: [3]int{4, 7, 1}, Text: "x", Reason: reply.ReasonQuota}), reply.ReasonQuota},
		{&reply.Reply{Code: 550, Reason: "made up\n"}, reply.ReasonOther},
	} {
		m := New()
		refusal := reply.Of(tt.err)
		m.Refusal(refusal.Reason)
		if n := testutil.ToFloat64(m.refusals[tt.want]); n != 1 {
			t.Errorf("%v: counted %v times as %s", tt.err, n, tt.want)
		}
		if log := fmt.Sprint(refusal.Attrs()...); !strings.Contains(log, "refusal"+string(tt.want)) {
			t.Errorf("%v: log has %q, want refusal %s", tt.err, log, tt.want)
		}
	}
}

// TestNoMetrics: every method can be called on nil.
func TestNoMetrics(t *testing.T) {
	t.Parallel()
	var m *Metrics
	m.Forward(1)
	m.Refusal(reply.ReasonOther)
	message := m.Follow(SMTP)
	message.Spooled()
	m.LoggedIn(LoginOK)
	m.Committed(1)
	m.Asked(LMTP, nil)
	m.App("x").Job(1)
	m.App("x").TemplateError()
	m.Connections(SMTP).Opened()
	m.Connections(SMTP).Closed()
	m.Connections(SMTP).Refused(AwayProxy)
}
