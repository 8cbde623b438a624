//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestJobOf: an event handler names a job as its target has it, from a folder or a queue.
func TestJobOf(t *testing.T) {
	t.Parallel()
	const long = "ABCDEFGHIJKLMNOPQRSTUVWXYZ" // of a message in the queue, before the index of the job in it
	for name, want := range map[string]string{
		"42": "42", "gw1-00000042": "gw1-00000042",
		"/var/spool/sms/failed/smtpreceiver-00000042-ABCDEFG2":                "00000042",
		"OUTC20261128_100000_00_+1_smtpreceiver-gw1-00000042-ABCDEFG2.txtd":   "gw1-00000042",
		"/var/spool/sms/sent/smtpreceiver-gw1-00000042-" + long + "0":         "gw1-00000042",
		"OUTC20261128_100000_00_1_smtpreceiver-00000042-" + long + "12.txtdf": "00000042",
		"smtpreceiver-00000042-" + long:                                       "smtpreceiver-00000042-" + long,
		"smtpreceiver-00000042-ABCDEFG20":                                     "smtpreceiver-00000042-ABCDEFG20",
	} {
		if got := jobOf(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// TestSmstoolsStatus: what a delivery report of the network means (3GPP TS 23.040,
// 9.2.3.15).
func TestSmstoolsStatus(t *testing.T) {
	t.Parallel()
	handler, err := filepath.Abs("../../contrib/consumers/handlers/smsd-outcome")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no sh")
	}
	dir := t.TempDir()
	program, arrived, said := filepath.Join(dir, "program"), filepath.Join(dir, "arrived"), filepath.Join(dir, "said")
	writeFile(t, program, "#!/bin/sh\necho \"$5\" >"+said+"\n")
	if err := os.Chmod(program, 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "smtpreceiver-00000001-ABCDEFGH"), "To: 1\nMessage_id: 7\n\nx\n")
	for status, want := range map[int]string{0: "delivered", 2: "delivered", 3: "", 32: "", 59: "", 60: "", 63: "", 64: "failed", 99: "failed", 100: "failed", 127: "failed", 255: "failed"} {
		writeFile(t, said, "")
		writeFile(t, arrived, fmt.Sprintf("From: 1\n\nSMS STATUS REPORT\nMessage_id: 7\nStatus: %d,x,y\n", status))
		c := exec.Command("sh", handler, "REPORT", arrived)
		c.Env = append(os.Environ(), "SMSD_SENT="+dir, "SMTPRECEIVER="+program)
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if want != "" {
			want += "\n"
		}
		// "jobs outcome -- FILE OUTCOME": the handler discards what the program prints.
		if got := readFile(t, said); got != want {
			t.Errorf("status %d: %q, want %q", status, got, want)
		}
	}
}
