//go:build linux

package main

import (
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"

	"smtpreceiver/contrib/mtatest"
)

// forwardingTo are the settings for a forward server.
func forwardingTo(addr string) string {
	host, port, _ := net.SplitHostPort(addr)
	return "forward_smtp_server: " + host + "\nforward_smtp_server_port: " + port
}

// scripted is a running receiver in front of a server that answers as told.
func scripted(t *testing.T, replies ...mtatest.Reply) (*receiver, *mtatest.Script) {
	t.Helper()
	script := mtatest.NewScript(t, mtatest.ScriptOptions{Replies: replies})
	return running(t, forwardingTo(script.Addr)), script
}

// oddBytes is a message that a careless server would change.
const oddBytes = "From: a@example.com\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.com>\r\nX-Tab:\tx \r\n\r\n.dot\r\n..dots\r\n\r\n8-bit \xc3\xa9 \xff\r\ntrailing \t\r\n.\x20\r\nend\r\n"

// TestForwardThroughPostfix sends one mail to a fax, a phone and a colleague,
// with a real mail server behind.
func TestForwardThroughPostfix(t *testing.T) {
	t.Parallel()
	sink := mtatest.NewSink(t, mtatest.SinkOptions{})
	postfix := mtatest.Postfix(t, mtatest.PostfixOptions{Sink: sink.Addr})
	r := running(t, forwardingTo(postfix.Addr))
	wantDelivery(t, r.addr, mail{"petr.novak@example.com", []string{"61388454@fax", "+420603123456@sms", "eva@example.com"}, oddBytes}, "250 2.0.0 ")
	r.wantJobs(t, "61388454@fax", "+420603123456@sms")

	got := sink.Next(t, patience)
	if got.Sender() != "petr.novak@example.com" || !slices.Equal(got.Recipients(), []string{"eva@example.com"}) {
		t.Errorf("envelope %q, %q", got.Mail, got.Rcpt)
	}
	trace, ok := strings.CutSuffix(string(got.Data), oddBytes)
	if !ok {
		t.Fatalf("the message was changed:\n%q", got.Data)
	}
	// Postfix's own field, and ours.
	ours := regexp.MustCompile(`(?m)^Received: from client\.test \(\[127\.0\.0\.1\]\)\r\n\tby receiver\.test .*\bwith ESMTP\b`)
	if n := len(ours.FindAllString(trace, -1)); n != 1 {
		t.Errorf("%d Received fields of ours, want 1, in\n%s", n, trace)
	}
	r.stop(t)
	postfix.Stop(t)
	if n := len(sink.All()); n != 1 {
		t.Errorf("delivered %d times", n)
	}
}

// TestForwardRecipientReplies: what the forward server says of a recipient reaches
// the client as it is, and the others go on.
func TestForwardRecipientReplies(t *testing.T) {
	t.Parallel()
	refusals := map[string]string{
		"busy@example.com":    "450 4.2.1 mailbox busy, try later",
		"unknown@example.com": "550 5.1.1 <unknown@example.com>: no such user here",
		"full@example.com":    "452 4.2.2 over quota",
		"moved@example.com":   "551-5.1.6 moved away\n551 5.1.6 ask <new@example.com>",
		"plain@example.com":   "553 no enhanced code here",
	}
	var replies []mtatest.Reply
	for rcpt, reply := range refusals {
		replies = append(replies, mtatest.Reply{On: mtatest.OnRCPT, Match: rcpt, Text: reply})
	}
	r, script := scripted(t, replies...)
	c := hello(t, r.addr)
	c.want(t, "MAIL FROM:<a@example.com>", "250 ")
	c.want(t, "RCPT TO:<1@fax>", "250 ")
	for rcpt, refusal := range refusals {
		got, err := c.command("RCPT TO:<" + rcpt + ">")
		if rcpt == "plain@example.com" {
			// Every reply of ours has an enhanced code; this one can only be a general one.
			got = strings.Replace(got, "553 5.0.0 ", "553 ", 1)
		}
		if err != nil || got != refusal {
			t.Errorf("%s: %q, %v, want %q", rcpt, got, err, refusal)
		}
	}
	c.want(t, "RCPT TO:<eva@example.com>", "250 ")
	c.want(t, "DATA", "354 ")
	c.want(t, "Subject: x\r\n\r\nx\r\n.", "250 2.0.0 ")
	r.wantJobs(t, "1@fax")
	if all := script.All(); len(all) != 1 || !slices.Equal(all[0].Recipients(), []string{"eva@example.com"}) {
		t.Errorf("forwarded: %v", all)
	}
}

// TestForwardRefusedMessage: a message that the forward server does not take
// leaves no job, and its retry one for each recipient.
func TestForwardRefusedMessage(t *testing.T) {
	t.Parallel()
	lost := "451 4.4.2 "
	for name, tt := range map[string]struct {
		reply mtatest.Reply
		want  string
	}{
		"5xx":                          {mtatest.Reply{On: mtatest.OnDot, Text: "554 5.6.0 message content refused"}, "554 5.6.0 message content refused"},
		"4xx":                          {mtatest.Reply{On: mtatest.OnDot, Text: "451 4.7.1 greylisted, come back"}, "451 4.7.1 greylisted, come back"},
		"5xx to DATA":                  {mtatest.Reply{On: mtatest.OnDATA, Text: "554 5.5.1 no valid recipients"}, "554 5.5.1 no valid recipients"},
		"4xx to DATA":                  {mtatest.Reply{On: mtatest.OnDATA, Text: "450 4.3.2 not now"}, "450 4.3.2 not now"},
		"lost before DATA is answered": {mtatest.Reply{On: mtatest.OnDATA, Then: mtatest.CloseUnanswered}, lost},
		"lost before the final dot":    {mtatest.Reply{On: mtatest.OnBody, Then: mtatest.CloseUnanswered}, lost},
		"lost after the final dot":     {mtatest.Reply{On: mtatest.OnDot, Then: mtatest.CloseUnanswered}, lost},
		// A 421 ends the connection to the forward server, not the client's.
		"421": {mtatest.Reply{On: mtatest.OnDot, Text: "421 4.3.2 shutting down", Then: mtatest.CloseAfterwards}, "451 4.3.2 shutting down"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.reply.Times = 1
			r, script := scripted(t, tt.reply)
			c := hello(t, r.addr)
			m := to("1@fax", "2@sms", "eva@example.com", "3@fax")
			if reply, err := c.send(m); err != nil || !strings.HasPrefix(reply, tt.want) {
				t.Errorf("%q, %v, want %q", reply, err, tt.want)
			}
			r.wantJobs(t)
			r.awaitLine(t, "msg=refused", "status="+tt.want[:3], "error=\"forwarding: ")
			if reply, err := c.send(m); err != nil || !strings.HasPrefix(reply, "250 2.0.0 ") {
				t.Errorf("retry on the same connection: %q, %v", reply, err)
			}
			r.wantJobs(t, "1@fax", "2@sms", "3@fax")
			if n := len(script.All()); n != 1 {
				t.Errorf("forwarded %d times", n)
			}
			r.stop(t)
			r.wantTidy(t)
		})
	}
}

// TestForwardOnlyRefused is the same for mail that has nothing for us and is
// streamed through.
func TestForwardOnlyRefused(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		reply mtatest.Reply
		want  string
	}{
		"5xx":                       {mtatest.Reply{On: mtatest.OnDot, Text: "554 5.6.0 message content refused"}, "554 5.6.0 message content refused"},
		"lost before the final dot": {mtatest.Reply{On: mtatest.OnBody, Then: mtatest.CloseUnanswered}, "451 4.4.2 "},
		"lost after the final dot":  {mtatest.Reply{On: mtatest.OnDot, Then: mtatest.CloseUnanswered}, "451 4.4.2 "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.reply.Times = 1
			r, script := scripted(t, tt.reply)
			c := hello(t, r.addr)
			m := to("eva@example.com")
			m.text += strings.Repeat("a long message breaks in its middle\r\n", 100_000)
			for _, want := range []string{tt.want, "250 2.0.0 "} {
				if reply, err := c.send(m); err != nil || !strings.HasPrefix(reply, want) {
					t.Errorf("%q, %v, want %q", reply, err, want)
				}
			}
			if all := script.All(); len(all) != 1 || !strings.HasSuffix(string(all[0].Data), m.text) {
				t.Errorf("forwarded %d messages", len(all))
			}
		})
	}
}

// TestForwardServerAway: a server that cannot be used is the answer to its
// recipients alone; the log names it and the reason.
func TestForwardServerAway(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		reply mtatest.Reply
		want  string
	}{
		"421 greeting":   {mtatest.Reply{On: mtatest.OnConnect, Text: "421 4.3.2 too busy", Then: mtatest.CloseAfterwards}, "451 4.4.1 "},
		"no greeting":    {mtatest.Reply{On: mtatest.OnConnect, Then: mtatest.CloseUnanswered}, "451 4.4.1 "},
		"sender refused": {mtatest.Reply{On: mtatest.OnMAIL, Text: "550 5.7.1 we do not like you"}, "550 5.7.1 we do not like you"},
		"421 to RCPT":    {mtatest.Reply{On: mtatest.OnRCPT, Text: "421 4.7.0 too many errors", Then: mtatest.CloseAfterwards}, "451 4.7.0 too many errors"},
		"slow to RCPT":   {mtatest.Reply{On: mtatest.OnRCPT, Then: mtatest.NeverAnswer}, "451 4.4.2 "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			script := mtatest.NewScript(t, mtatest.ScriptOptions{Replies: []mtatest.Reply{tt.reply}})
			settings := forwardingTo(script.Addr)
			if tt.reply.Then == mtatest.NeverAnswer {
				settings += "\nsocket_timeout: 1s"
			}
			r := running(t, settings)
			c := hello(t, r.addr)
			c.want(t, "MAIL FROM:<a@example.com>", "250 ")
			c.want(t, "RCPT TO:<1@fax>", "250 ")
			c.want(t, "RCPT TO:<eva@example.com>", tt.want)
			c.want(t, "RCPT TO:<adam@example.com>", tt.want)
			c.want(t, "DATA", "354 ")
			c.want(t, "Subject: x\r\n\r\nx\r\n.", "250 2.0.0 ")
			r.wantJobs(t, "1@fax")
			r.awaitLine(t, "msg=refused", "rcpt=eva@example.com", "status="+tt.want[:3], "error=")
		})
	}
	t.Run("nothing listens", func(t *testing.T) {
		t.Parallel()
		r := running(t, forwardingTo(fmt.Sprintf("127.0.0.1:%d", mtatest.FreePort(t))))
		wantDelivery(t, r.addr, to("eva@example.com"), "451 4.4.1 ")
		r.awaitLine(t, "msg=refused", "rcpt=eva@example.com", "connection refused")
	})
}

// TestNotVisibleBeforeForwarded: while the forward server thinks, no job can be
// seen.
func TestNotVisibleBeforeForwarded(t *testing.T) {
	t.Parallel()
	answer := make(chan struct{})
	r, script := scripted(t, mtatest.Reply{On: mtatest.OnDot, Wait: answer})
	replied := make(chan string)
	go func() {
		reply, err := deliver(r.addr, to("1@fax", "2@sms", "eva@example.com"))
		replied <- fmt.Sprint(reply, err)
	}()
	eventually(t, "the final dot at the forward server", func() bool { return slices.Contains(script.Commands(), ".") })
	r.wantJobs(t)
	if staged := r.staged(t); !slices.ContainsFunc(staged, func(path string) bool { return strings.Contains(path, ".ctl") }) {
		t.Errorf("nothing is staged while the forward server has the message: %q", staged)
	}
	close(answer)
	if got := mtatest.Receive(t, "the reply", replied); !strings.HasPrefix(got, "250 2.0.0 ") {
		t.Error(got)
	}
	r.wantJobs(t, "1@fax", "2@sms")
	r.wantTidy(t)
}
