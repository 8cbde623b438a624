//go:build linux

package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
)

const (
	memoryClients = 100
	memorySize    = 20 << 20 // of each message

	// memoryBound is what the process may take at its peak: memory_per_message
	// for each client, as much again that waits for the collector, and 46 MiB
	// for all else. Measured: 60 MiB for diverted mail and 41 MiB for forwarded;
	// 82 MiB where other work kept the disk from taking what had to be spilled.
	memoryBound = (2*memoryClients>>2 + 46) << 20
)

var peak = regexp.MustCompile(`(?m)^VmHWM:\s+(\d+) kB$`)

// TestMemory has 100 clients send 20 MB each at the same time.
func TestMemory(t *testing.T) {
	plain := binary
	if raceDetector() { // it takes several times the memory
		plain = filepath.Join(t.TempDir(), "smtpreceiver")
		if err := build(plain, false); err != nil {
			t.Fatal(err)
		}
	}
	behind := discardServer(t)
	line := []byte(strings.Repeat("QUJD", 19) + "\r\n")
	chunk := bytes.Repeat(line, 64<<10/len(line))
	type kind struct{ rcpt, header string }
	text := "Subject: long\r\n\r\n"
	attachment := "Subject: long\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nText.\r\n--b\r\n" +
		"Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	for name, kinds := range map[string][]kind{
		"diverted":  {{"%d@sms", text}, {"%d@fax", attachment}},
		"forwarded": {{"eva%d@example.com", text}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, fmt.Sprintf("thread_num: %d", memoryClients), forwardingTo(behind))
			r.binary = plain
			r.start(t)
			failures := make(chan error, memoryClients)
			begun := make(chan struct{}, memoryClients)
			all := make(chan struct{})
			for n := range memoryClients {
				go func() {
					kind := kinds[n%len(kinds)]
					failures <- sendLong(r.addr, fmt.Sprintf(kind.rcpt, n), kind.header, chunk, begun, all)
				}()
			}
			for range memoryClients {
				mtatest.Receive(t, "a message to begin", begun)
			}
			close(all)
			for range memoryClients {
				if err := <-failures; err != nil {
					t.Error(err)
				}
			}
			took := peakOf(t, r.cmd.Process.Pid)
			t.Logf("peak %d MiB, %.1f%% of the messages", took>>20, 100*float64(took)/(memoryClients*memorySize))
			if took > memoryBound {
				t.Errorf("peak resident memory %d MiB, want at most %d", took>>20, memoryBound>>20)
			}
			r.stop(t)
			r.wantTidy(t)
			if n := len(r.out.lines("status=250")); n != memoryClients {
				t.Errorf("%d messages taken, want %d", n, memoryClients)
			}
		})
	}
}

// sendLong sends one long message: its beginning at once, the rest when all others
// have come as far.
func sendLong(addr, rcpt, header string, chunk []byte, begun chan<- struct{}, all <-chan struct{}) error {
	c, err := connect(addr)
	if err == nil {
		defer c.Close()
		c.SetDeadline(time.Time{}) // 2 GB take their time
		_, err = c.reply()
	}
	for _, line := range []string{"EHLO client.test", "MAIL FROM:<a@example.com>", "RCPT TO:<" + rcpt + ">", "DATA"} {
		if err == nil {
			var reply string
			if reply, err = c.command(line); err == nil && reply[0] > '3' {
				err = fmt.Errorf("%s: %s", line, reply)
			}
		}
	}
	if err == nil {
		_, err = io.WriteString(c, header)
	}
	begun <- struct{}{}
	<-all
	for sent := 0; err == nil && sent < memorySize; sent += len(chunk) {
		_, err = c.Write(chunk)
	}
	if err != nil {
		return err
	}
	reply, err := c.command(".")
	if err == nil && !strings.HasPrefix(reply, "250 ") {
		err = fmt.Errorf("to the message: %s", reply)
	}
	return err
}

// discardServer is a mail server that takes all mail and looks only for its end.
func discardServer(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.WriteString(c, "220 discard.test\r\n")
				discard(c)
			}()
		}
	}()
	return l.Addr().String()
}

func discard(c net.Conn) {
	const dot = "\r\n.\r\n"
	buf := make([]byte, 256<<10)
	for kept, inMessage := 0, false; ; {
		n, err := c.Read(buf[kept:])
		if err != nil {
			return
		}
		got := buf[:kept+n]
		reply := "250 2.0.0 ok\r\n"
		switch {
		case inMessage && bytes.HasSuffix(got, []byte(dot)):
			inMessage = false
		case inMessage:
			kept = copy(buf, got[max(0, len(got)-len(dot)):])
			continue
		case bytes.HasPrefix(got, []byte("DATA")):
			inMessage, reply = true, "354 go\r\n"
		}
		kept = 0
		if _, err := io.WriteString(c, reply); err != nil {
			return
		}
	}
}
