package milter

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"smtpreceiver/milter/guard/guardtest"
)

// events are what FuzzEvents chooses from: well formed, in any order.
var events = []string{
	connect, fromCommand, mailFrom, faxRcpt, smsRcpt, okRcpt, data, header, endOfHeader, body, end, abort,
	guardtest.Frame('K', ""), guardtest.Frame('H', "x\x00"), guardtest.Frame('U', "FOO\x00"), guardtest.Frame('C', "unknown\x00U"),
	guardtest.Frame('M', "<>\x00"), guardtest.Frame('M', "<denied@x.test>\x00"), guardtest.Frame('M', "<a\x01@x.test>\x00SIZE=\x00=\x00"),
	guardtest.Frame('R', "<>\x00"), guardtest.Frame('R', "<\x01@fax>\x00"), guardtest.Frame('R', "<@a:\"x/1\"@fax>\x00NOTIFY\x00"),
	guardtest.Frame('D', "Mi\x00Q1\x00{auth_authen}\x00petr\x00"), guardtest.Frame('D', "Ti\x00\x00"), guardtest.Frame('D', "E"),
	guardtest.Frame('L', "Bcc\x00x\x00"), guardtest.Frame('L', "\x00\x00"), guardtest.Frame('L', "Content-Type\x00 multipart/mixed; boundary=\"\n\tb\"\x00"),
	guardtest.Frame('B', ""), guardtest.Frame('B', "\r\n--b\r\n\r\n\x00\xff\r\n--b--"), quit, connect + mailFrom, faxRcpt + data + content + end,
}

// FuzzEvents: in whatever order the events come, nothing panics, the connection
// ends, and exactly the recipients with a job are taken out of the envelope.
func FuzzEvents(f *testing.F) {
	g := open(f, loopbackClients)
	l := make(guardtest.Pipes)
	go g.Serve(l)
	message := []byte{0, 2, 3, 5, 6, 7, 8, 9, 10}
	f.Add(message)
	f.Add(append(message, message[1:]...))
	f.Add([]byte{1, 17, 3, 6, 10, 11, 31, 32})
	f.Add([]byte{31, 3, 3, 21, 4, 6, 25, 26, 27, 8, 28, 29, 10, 12, 32, 2, 32})
	f.Fuzz(func(t *testing.T, order []byte) {
		order = order[:min(len(order), 100)]
		client, server := net.Pipe()
		l <- server
		go func() {
			client.Write([]byte(guardtest.Negotiation))
			for _, n := range order {
				client.Write([]byte(events[int(n)%len(events)]))
			}
			client.Write([]byte(quit))
			client.Close()
		}()
		client.SetReadDeadline(time.Now().Add(10 * time.Second))
		// The deletions of a message come in front of the answer to it.
		deleted, wanted := map[string]bool{}, 0
		for _, a := range answers(client) {
			switch {
			case a == "timeout":
				t.Error("connection still open")
			case a[0] == '-':
				deleted[a] = true
			case len(deleted) > 0 && a == "a":
				wanted += len(deleted)
				clear(deleted)
			case len(deleted) > 0:
				t.Errorf("%v deleted, then %q", deleted, a)
			}
		}
		if n := len(jobs(t, g.dir)); n != wanted {
			t.Errorf("%d jobs, %d recipients deleted", n, wanted)
		}
		if strings.Contains(g.log.String(), "panic") {
			t.Errorf("log:\n%s", g.log)
		}
		nothingLeft(t, g.dir)
		files, _ := filepath.Glob(filepath.Join(g.dir, "*", "0*"))
		for _, file := range files {
			os.Remove(file)
		}
	})
}
