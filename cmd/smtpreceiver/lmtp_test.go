//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"smtpreceiver/contrib/mtatest"
)

// TestLMTPBehindPostfix: a real Postfix sends fax and sms by transport_maps, as
// contrib/doc/standalone.md shows. Where one recipient cannot be taken now, Postfix keeps that
// one alone, and in the end each has exactly one job.
func TestLMTPBehindPostfix(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, reply string
		trouble     func(t *testing.T, r *receiver)
		mend        func(t *testing.T, r *receiver)
	}{
		{"limit", "450 4.7.1",
			func(t *testing.T, r *receiver) {
				writeFile(t, r.config, readFile(t, r.config)+"    max_jobs_per_sender: 1\n") // of sms, the last
				r.reload(t, "msg=reloaded")
				wantDelivery(t, r.addr, to("1@sms"), "250 ") // by SMTP, which goes on beside
			},
			func(t *testing.T, r *receiver) {
				writeFile(t, r.config, strings.Replace(readFile(t, r.config), "max_jobs_per_sender: 1", "max_jobs_per_sender: 2", 1))
				r.reload(t, "msg=reloaded")
			}},
		{"folder", "451 4.3.0",
			func(t *testing.T, r *receiver) {
				wantDelivery(t, r.addr, to("1@sms"), "250 ")
				rename(t, r.sms, r.sms+".away")
			},
			func(t *testing.T, r *receiver) { rename(t, r.sms+".away", r.sms) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			sink := mtatest.NewSink(t, mtatest.SinkOptions{})
			socket := filepath.Join(mtatest.Dir(t), "lmtp")
			r := running(t, "lmtp: {listen: 'unix:"+socket+"', socket_mode: '0660', socket_group: postfix}")
			lmtp := "lmtp:unix:" + socket
			postfix := mtatest.Postfix(t, mtatest.PostfixOptions{
				Sink:      sink.Addr,
				Maps:      map[string]string{"transport": "fax " + lmtp + "\nsms " + lmtp + "\n"},
				ExtraMain: []string{"transport_maps = hash:$config_directory/transport", "lmtp_destination_recipient_limit = 50"},
			})
			tt.trouble(t, r)
			wantDelivery(t, postfix.Addr, to("2@fax", "3@sms", "eva@example.com", "4@fax", "5@nowhere.fax"), "250 ")
			var queue string
			eventually(t, "the recipient that waits", func() bool {
				queue = postfix.Queue(t)
				return strings.Contains(queue, tt.reply) && !strings.Contains(queue, "*") // which marks a delivery that goes on
			})
			for rcpt, waits := range map[string]bool{"3@sms": true, "2@fax": false, "4@fax": false, "eva@": false} {
				if strings.Contains(queue, rcpt) != waits {
					t.Errorf("%s waits: %v, want %v, in\n%s", rcpt, !waits, waits, queue)
				}
			}
			tt.mend(t, r)
			postfix.Flush(t)
			eventually(t, "an empty queue", func() bool { return postfix.Queue(t) == "" })
			r.wantJobs(t, "1@sms", "2@fax", "3@sms", "4@fax")
			r.stop(t)
			r.wantTidy(t)
			for _, m := range sink.All() { // ordinary mail went its way
				if got := m.Recipients(); len(got) != 2 || got[0] != "eva@example.com" {
					t.Errorf("the sink got mail for %q", got)
				}
			}
			if _, err := os.Stat(socket); err == nil {
				t.Error("the socket is left behind")
			}
		})
	}
}

// TestLMTPUnknownRecipient: what no application takes is refused, so that the
// sender hears of a mistake in transport_maps.
func TestLMTPUnknownRecipient(t *testing.T) {
	t.Parallel()
	sink := mtatest.NewSink(t, mtatest.SinkOptions{})
	socket := filepath.Join(mtatest.Dir(t), "lmtp")
	r := running(t, "lmtp: {listen: 'unix:"+socket+"', socket_mode: '0666'}")
	postfix := mtatest.Postfix(t, mtatest.PostfixOptions{
		Sink:      sink.Addr,
		Maps:      map[string]string{"transport": "fax lmtp:unix:" + socket + "\n"},
		ExtraMain: []string{"transport_maps = hash:$config_directory/transport"},
	})
	wantDelivery(t, postfix.Addr, to("not-a-number@fax", "1@fax"), "250 ")
	bounce := sink.Next(t, patience)
	if text := string(bounce.Data); bounce.Sender() != "" || !strings.Contains(text, "550 5.1.1") || !strings.Contains(text, "No application takes this recipient") {
		t.Errorf("from <%s>:\n%s", bounce.Sender(), text)
	}
	eventually(t, "an empty queue", func() bool { return postfix.Queue(t) == "" })
	r.wantJobs(t, "1@fax")
}

func rename(t testing.TB, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}
