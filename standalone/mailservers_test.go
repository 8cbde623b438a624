//go:build linux

package standalone

import (
	"fmt"
	"net"
	"net/smtp"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"smtpreceiver/contrib/mtatest"
)

// TestThirtyPostfixDeliveries: thirty deliveries of a real Postfix at once, by
// its own concurrency limit, to the default five places: the excess waits for its
// greeting, and nothing is deferred.
func TestThirtyPostfixDeliveries(t *testing.T) {
	t.Parallel()
	const mails = 90
	for _, protocol := range []string{"smtp", "lmtp"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			g, addr := (*gateway)(nil), ""
			if protocol == "smtp" {
				g = startRaw(t, "thread_num: 5\n"+localClients+faxAndSMS)
				addr = g.addr
			} else {
				g, _ = startLMTP(t, "thread_num: 5\n"+localClients+faxAndSMS)
				addr = "inet:" + g.addr
			}
			postfix := mtatest.Postfix(t, mtatest.PostfixOptions{ExtraMain: []string{
				"transport_maps = static:" + protocol + ":" + strings.Replace(addr, "127.0.0.1", "[127.0.0.1]", 1),
				protocol + "_destination_concurrency_limit = 30", "initial_destination_concurrency = 30",
				"default_process_limit = 100", "in_flow_delay = 0", "smtpd_peername_lookup = no",
				protocol + "_destination_recipient_limit = 1", "defer_transports = " + protocol,
			}})
			var senders sync.WaitGroup
			for n := range 3 {
				senders.Go(func() {
					for i := range mails / 3 {
						if err := smtp.SendMail(postfix.Addr, nil, "a@x.test", []string{fmt.Sprintf("%d%03d@fax", n+1, i)}, []byte("Subject: x\r\n\r\nx\r\n")); err != nil {
							t.Error(err)
						}
					}
				})
			}
			senders.Wait()
			main := filepath.Join(postfix.Dir, "conf/main.cf") // all of them wait by now
			text, err := os.ReadFile(main)
			if err != nil {
				t.Fatal(err)
			}
			write(t, main, strings.ReplaceAll(string(text), "defer_transports = "+protocol, ""))
			if err := os.Chmod(main, 0o644); err != nil {
				t.Fatal(err)
			}
			var held []*mtatest.Dialog // all places, until thirty deliveries have come
			for range 5 {
				d := g.dial(t)
				d.Want("220 ")
				held = append(held, d)
			}
			postfix.Reload(t)
			before := len(postfix.Log(t))
			postfix.Flush(t)
			eventually(t, "thirty deliveries at once", func() bool { return connectionsTo(t, g.addr) >= 30+len(held) })
			for _, d := range held {
				d.Say("QUIT", "221 ")
			}
			eventually(t, "all jobs", func() bool { return len(g.messages(t, "fax")) >= mails && postfix.Queue(t) == "" })
			log := postfix.Log(t)[before:]
			if n := len(g.messages(t, "fax")); n != mails || strings.Count(log, "status=sent") != mails || strings.Contains(log, "status=deferred") {
				t.Errorf("%d jobs of %d mails; %d sent, %d deferred", n, mails, strings.Count(log, "status=sent"), strings.Count(log, "status=deferred"))
			}
			if strings.Contains(g.log.String(), "connection refused") {
				t.Error("a delivery was sent away")
			}
		})
	}
}

// connectionsTo counts the established connections to a port of 127.0.0.1.
func connectionsTo(t *testing.T, addr string) int {
	t.Helper()
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(addr[strings.LastIndexByte(addr, ':')+1:])
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(table), fmt.Sprintf(" 0100007F:%04X 01 ", port))
}

// openSMTPD is an OpenSMTPD that relays all it gets to a URL. It knows its own
// folders and users only, so it has a mount namespace where those are the test's.
const openSMTPD = `
set -e
root=$1 work=$2
mount --make-rprivate /
for user in opensmtpd:4091 opensmtpq:4092; do
  echo "${user%:*}:x:${user#*:}:${user#*:}::/var/lib/opensmtpd/empty:/bin/false" >>"$work/passwd"
  echo "${user%:*}:x:${user#*:}:" >>"$work/group"
done
cat /etc/passwd >>"$work/passwd"
cat /etc/group >>"$work/group"
mount --bind "$work/passwd" /etc/passwd
mount --bind "$work/group" /etc/group
for folder in /run /var/spool /var/lib /usr/libexec; do mount -t tmpfs none $folder; done
mkdir -p /var/lib/opensmtpd/empty /usr/libexec/opensmtpd /var/spool/smtpd
chmod 711 /var/spool/smtpd
cp "$root"/usr/libexec/opensmtpd/* /usr/libexec/opensmtpd
exec "$root/usr/sbin/smtpd" -d -f "$work/smtpd.conf"
`

// startOpenSMTPD returns its address and its log.
func startOpenSMTPD(t *testing.T, relay string) (addr string, log *mtatest.Log) {
	t.Helper()
	mtatest.RequireRoot(t)
	root := mtatest.Unpacked(t, "opensmtpd", "opensmtpd")
	work := mtatest.Dir(t)
	addr = fmt.Sprint("127.0.0.1:", mtatest.FreePort(t))
	write(t, filepath.Join(work, "smtpd.conf"), "listen on 127.0.0.1 port "+addr[len("127.0.0.1:"):]+"\naction out relay host \""+relay+"\"\nmatch from any for any action out\n")
	log = new(mtatest.Log)
	c := exec.Command("unshare", "--mount", "sh", "-c", openSMTPD, "sh", root, work)
	c.Stdout, c.Stderr = log, log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Signal(os.Interrupt)
		c.Wait()
		if t.Failed() {
			t.Log(log)
		}
	})
	eventually(t, "OpenSMTPD listens", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return addr, log
}

// TestOpenSMTPD: by SMTP all recipients of a mail are taken at once. By LMTP that
// is so for one recipient; of several it takes the second reply for a fault if it
// reads that together with the first, and sends to the others again
// (contrib/doc/standalone.md says so). Here all of them have their job.
func TestOpenSMTPD(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"smtp", "lmtp"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			g := (*gateway)(nil)
			if protocol == "smtp" {
				g = startRaw(t, localClients+faxAndSMS)
			} else {
				g, _ = startLMTP(t, localClients+faxAndSMS)
			}
			addr, log := startOpenSMTPD(t, protocol+"://"+g.addr)
			send := func(to ...string) {
				t.Helper()
				if err := smtp.SendMail(addr, nil, "a@x.test", to, []byte("Subject: x\r\n\r\n.x\r\n")); err != nil {
					t.Fatal(err)
				}
			}
			delivered := func(n int) {
				t.Helper()
				eventually(t, fmt.Sprint(n, " deliveries"), func() bool { return strings.Count(log.String(), `result="Ok"`) == n })
			}
			send("1@fax")
			delivered(1)
			if got := g.messages(t, "fax"); len(got) != 1 || !strings.HasSuffix(got[0], "\r\n\r\n.x\r\n") {
				t.Errorf("got %q", got)
			}
			send("2@fax", "3@fax")
			if protocol == "lmtp" {
				eventually(t, "OpenSMTPD's fault", func() bool {
					return strings.Contains(log.String(), "Remote host sent too much data") || strings.Count(log.String(), `result="Ok"`) == 3
				})
				if n := len(g.messages(t, "fax")); n != 3 {
					t.Errorf("%d jobs", n)
				}
				return
			}
			delivered(3)
			if n := len(g.messages(t, "fax")); n != 3 {
				t.Errorf("%d jobs", n)
			}
			if strings.Contains(log.String(), "TempFail") {
				t.Error("something was put off")
			}
		})
	}
}
