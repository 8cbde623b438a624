package metrics

import "smtpreceiver/core/reply"

// Message follows one message, so that it is counted once, by what became of
// it. It is used by one goroutine at a time.
type Message struct {
	metrics   *Metrics
	frontend  Frontend
	rcpts     int  // decided
	refused   int  // of them
	temporary bool // a refusal that may be none later
	forwarded bool
	counted   bool
}

// Follow begins to follow a message of a frontend.
func (m *Metrics) Follow(f Frontend) Message { return Message{metrics: m, frontend: f} }

// Recipient is told of each recipient that is decided.
func (m *Message) Recipient() { m.rcpts++ }

// RecipientRefused is told of each of them that is refused.
func (m *Message) RecipientRefused(r *reply.Reply) {
	m.metrics.Refusal(r.Reason)
	m.refused++
	m.temporary = m.temporary || r.Temporary()
}

// Refused counts the refusal of the whole message.
func (m *Message) Refused(r *reply.Reply) {
	m.metrics.Refusal(r.Reason)
	m.Answered(r)
}

// Answered counts a message that ends with a refusal which is counted already.
func (m *Message) Answered(r *reply.Reply) { m.ended(refusedAs(r.Temporary())) }

// Passed counts a message that is left to the MTA.
func (m *Message) Passed() { m.ended(Passed) }

// Forwarded is told that the forward server has the message; all says that
// nothing of it is to be spooled.
func (m *Message) Forwarded(all bool) {
	if m.forwarded = true; all {
		m.ended(Forwarded)
	}
}

// Spooled counts a message whose jobs are visible.
func (m *Message) Spooled() {
	if m.forwarded {
		m.ended(SpooledAndForwarded)
		return
	}
	m.ended(Spooled)
}

// Aborted counts a message that got no further than its recipients, if all of
// them were refused.
func (m *Message) Aborted() {
	if m.rcpts > 0 && m.refused >= m.rcpts {
		m.ended(refusedAs(m.temporary))
	}
}

func (m *Message) ended(o Outcome) {
	if !m.counted {
		m.counted = true
		m.metrics.message(m.frontend, o)
	}
}

func refusedAs(temporary bool) Outcome {
	if temporary {
		return Failed
	}
	return Refused
}
