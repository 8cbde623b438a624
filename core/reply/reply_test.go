package reply

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"syscall"
	"testing"
)

// TestReply: the log has all of a reply, the client its codes and text only.
func TestReply(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		reply     Reply
		log       string
		attrs     []any
		temporary bool
	}{
		{
			Reply{Code: 550, Enhanced: [3]int{5, 7, 1}, Text: "Not for you", Reason: ReasonSender},
			"550 5.7.1 Not for you",
			[]any{"status", 550, "reason", "5.7.1 Not for you", "refusal", "sender"}, false,
		},
		{
			Reply{Code: 451, Enhanced: [3]int{4, 3, 0}, Text: "Later", Cause: io.ErrUnexpectedEOF},
			"451 4.3.0 Later: unexpected EOF",
			[]any{"status", 451, "reason", "4.3.0 Later", "refusal", "other", "error", "unexpected EOF"}, true,
		},
		{
			Reply{Code: 500, Enhanced: [3]int{5, 5, 1}, Text: "x", Reason: "no such reason"},
			"500 5.5.1 x",
			[]any{"status", 500, "reason", "5.5.1 x", "refusal", "other"}, false,
		},
	} {
		r := &test.reply
		if r.Error() != test.log || !reflect.DeepEqual(r.Attrs(), test.attrs) || r.Temporary() != test.temporary || r.Unwrap() != r.Cause {
			t.Errorf("%q, %v, temporary %v; want %q, %v, %v", r.Error(), r.Attrs(), r.Temporary(), test.log, test.attrs, test.temporary)
		}
	}
}

// TestOf: a reply is found in an error and stays itself; what is no reply is ours
// to mend, so the mail may come again.
func TestOf(t *testing.T) {
	t.Parallel()
	given := &Reply{Code: 550, Enhanced: [3]int{5, 1, 1}, Text: "No such user", Cause: syscall.ENOSPC, Reason: ReasonRelay}
	for _, test := range []struct {
		err  error
		want Reply
	}{
		{given, *given},
		{fmt.Errorf("recipient 2: %w", given), *given},
		{NoSpace(io.EOF), Reply{Code: 452, Enhanced: [3]int{4, 3, 1}, Text: "Insufficient system storage, try again later", Cause: io.EOF, Reason: ReasonSpace}},
		{errors.New("x"), Reply{Code: 451, Enhanced: [3]int{4, 3, 0}, Text: "Local error, message not taken, try again later", Cause: errors.New("x"), Reason: ReasonOther}},
		{syscall.EBADF, Reply{Code: 451, Enhanced: [3]int{4, 3, 0}, Text: "Local error, message not taken, try again later", Cause: syscall.EBADF, Reason: ReasonSpool}},
	} {
		if got := Of(test.err); !reflect.DeepEqual(*got, test.want) {
			t.Errorf("%v: %+v, want %+v", test.err, *got, test.want)
		}
	}
	if got := Of(syscall.ENOSPC); got.Code != 452 || got.Status() != "4.3.1" || got.Reason != ReasonSpace {
		t.Errorf("a full disk is %v", got)
	}
}

// TestReasons: each is counted as itself.
func TestReasons(t *testing.T) {
	t.Parallel()
	for _, r := range Reasons() {
		if r.orOther() != r {
			t.Errorf("%s is counted as %s", r, r.orOther())
		}
	}
	if Reasons()[0] = "changed"; Reasons()[0] == "changed" {
		t.Error("the list can be changed from outside")
	}
}

func TestPrintable(t *testing.T) {
	t.Parallel()
	if got := Printable("a\r\nb\x00\x7f\u0085\u017e"); got != "a  b   \u017e" {
		t.Errorf("got %q", got)
	}
}
