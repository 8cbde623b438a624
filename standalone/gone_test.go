package standalone

import (
	"context"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
)

// A client that is gone and a shutdown past its limit end what waits for the
// forward server: its connection, the place, and the jobs of the message.
func TestForwardingEndsWithItsClient(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"MAIL", "RCPT", "DATA", "."} {
		for _, way := range []string{"plain", "STARTTLS"} {
			for _, gone := range []bool{true, false} {
				name := at + "/" + way + "/shutdown"
				if gone {
					name = at + "/" + way + "/client gone"
				}
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					begun := "250-"
					if at == "DATA" {
						begun = "354-"
					}
					hop := (&mtatest.NextHop{Answers: mtatest.With(at, begun+"and nothing more\r\n")}).Start(t)
					g := startRaw(t, localClients+withCertificate(t)+"forward_smtp_server: '"+hop.Addr+"'\n"+faxAndSMS)
					d := g.dial(t)
					if way == "STARTTLS" {
						d = d.StartTLS()
					} else {
						d.Want("220 ")
					}
					d.Say("EHLO c.test", "250 ")
					d.Say("MAIL FROM:<a@x.test>", "250 ")
					d.Say("RCPT TO:<1@fax>", "250 ")
					d.Send("RCPT TO:<eva@example.com>\r\n")
					if at == "DATA" || at == "." {
						d.Want("250 ")
						d.Say("DATA", "354 ")
						d.Send("Subject: x\r\n\r\nx\r\n.\r\n")
					}
					for end := time.Now().Add(20 * time.Second); len(hop.Lines(at)) == 0; time.Sleep(time.Millisecond) {
						if at == "." && len(hop.Lines("Received:")) > 0 {
							break
						}
						if time.Now().After(end) {
							t.Fatal("the forward server heard nothing")
						}
					}
					begin := time.Now()
					if gone {
						d.Conn.Close()
					} else {
						ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
						defer cancel()
						if err := g.Shutdown(ctx); err == nil {
							t.Error("the shutdown did not reach its limit")
						}
					}
					hop.Stop() // waits for the end of our connection
					for g.current.smtp.Places.Held() > 0 && time.Since(begin) < 20*time.Second {
						time.Sleep(time.Millisecond)
					}
					if took := time.Since(begin); took > 15*time.Second { // socket_timeout is a minute
						t.Errorf("ended after %v", took)
					}
					if jobs := g.messages(t, "fax"); len(jobs) > 0 {
						t.Errorf("jobs %q", jobs)
					}
				})
			}
		}
	}
}

// What the forward server may not say is in the log, with its code.
func TestUnexpectedAnswerIsLogged(t *testing.T) {
	t.Parallel()
	hop := (&mtatest.NextHop{Answers: mtatest.With("RCPT", "252 2.1.5 who knows\r\n")}).Start(t)
	g := startRaw(t, localClients+"forward_smtp_server: '"+hop.Addr+"'\n"+faxAndSMS)
	d := g.greeted(t)
	d.Say("MAIL FROM:<a@x.test>", "250 ")
	d.Say("RCPT TO:<eva@example.com>", "451 4.5.0 Unexpected answer of the forward server")
	g.logged(t, "msg=refused", "status=451", "refusal=forward", "the server answered 252")
	g.refusedOnce(t, "forward")
}
