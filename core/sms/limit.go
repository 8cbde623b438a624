package sms

import (
	"fmt"
	"strconv"
)

// Limit is what one text may cost.
type Limit struct {
	Max    int  // SMS; 0: no limit
	Refuse bool // a longer text is not sent; otherwise it is cut
	by     string
}

// NewLimit is the limit of a job: that of its application (max_parts; 0: none), or
// a lower one of its CTL (system/maxlen), and what the CTL wants done with a longer
// text (system/action: 1 and 2 refuse it). A maxlen that is no number from 1 on
// bounds nothing.
func NewLimit(maxParts int, maxlen, action string) Limit {
	l := Limit{Max: maxParts, by: "max_parts", Refuse: action == "1" || action == "2"}
	if n, err := strconv.Atoi(maxlen); err == nil && n > 0 && (l.Max <= 0 || n < l.Max) {
		l.Max, l.by = n, "maxlen"
	}
	return l
}

// TooLongError is a text that the limit refuses.
type TooLongError struct {
	Parts Parts
	Limit Limit
}

func (e *TooLongError) Error() string {
	return fmt.Sprintf("the text makes %d SMS and %s allows %d; with action 1 or 2 a longer text is not sent: shorten it", e.Parts.Count, e.Limit.by, e.Limit.Max)
}

// Apply returns the text as it may be sent, and what it and the whole text cost. The
// error is a *TooLongError.
func (l Limit) Apply(text string) (allowed string, parts, whole Parts, err error) {
	whole = Count(text)
	allowed, less := Cut(text, l.Max)
	if !less {
		return text, whole, whole, nil
	}
	if l.Refuse {
		return "", Parts{}, whole, &TooLongError{whole, l}
	}
	return allowed, Count(allowed), whole, nil
}
