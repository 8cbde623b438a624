package core

import (
	"smtpreceiver/core/metrics"
	"smtpreceiver/core/reply"
)

// outcomes follows a transaction, so that its message is counted once, by what
// became of it.
type outcomes struct {
	rcpts     int  // decided
	refused   int  // of them
	temporary bool // a refusal that may be none later
	forwarded bool
	counted   bool
}

// ended counts the message.
func (t *Transaction) ended(o metrics.Outcome) {
	if !t.outcome.counted {
		t.outcome.counted = true
		t.recv.metrics.Message(t.client.Frontend, o)
	}
}

// Answered counts a message whose end is answered without Commit or Refused:
// with an error that was logged before, or, where it is nil, with leaving the
// whole message to the MTA.
func (t *Transaction) Answered(err error) {
	if err == nil {
		t.ended(metrics.Passed)
		return
	}
	t.ended(refusedAs(reply.Of(err).Temporary()))
}

// refusal counts that of a recipient, or of the message.
func (t *Transaction) refusal(rcpt string, r *reply.Reply) {
	t.recv.metrics.Refusal(r.Reason)
	if rcpt == "" {
		t.ended(refusedAs(r.Temporary()))
		return
	}
	t.outcome.refused++
	t.outcome.temporary = t.outcome.temporary || r.Temporary()
}

// aborted counts a message that did not get further than its recipients,
// because all of them were refused.
func (t *Transaction) aborted() {
	if o := t.outcome; o.rcpts > 0 && o.refused >= o.rcpts {
		t.ended(refusedAs(o.temporary))
	}
}

func refusedAs(temporary bool) metrics.Outcome {
	if temporary {
		return metrics.Failed
	}
	return metrics.Refused
}
