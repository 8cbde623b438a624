//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAddedFiles: the files of conf.d count from the start and from a reload,
// and messages name them.
func TestAddedFiles(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	added := filepath.Join(r.dir, "conf.d")
	mkdir(t, added)
	lift := filepath.Join(added, "lift.yaml")
	writeFile(t, lift, "applications:\n  lift: {ctl_type: sms, output_folder: '"+r.sms+"', addresses: '(?P<number>\\d+)@lift$'}\n")
	r.start(t)
	wantDelivery(t, r.addr, to("1@lift"), "250 ")
	wantDelivery(t, r.addr, to("1@alarm"), "550 ")

	alarm := filepath.Join(added, "alarm.yaml")
	writeFile(t, alarm, "applications:\n  lift: {ctl_type: fax}\n")
	r.reload(t, "level=E", "the old settings stay", alarm+":2 and in "+lift+":2")
	exit, stdout, _ := runCommand(t, r.dir, nil, "check", "--config", r.config)
	if exit != 1 || !strings.Contains(stdout, "applications.lift.ctl_type: given twice, in "+alarm+":2 and in "+lift+":2: keep one\n") {
		t.Errorf("exit status %d, %s", exit, stdout)
	}
	wantDelivery(t, r.addr, to("1@lift"), "250 ")

	writeFile(t, alarm, "applications:\n  alarm: {ctl_type: sms, output_folder: '"+r.sms+"', addresses: '(?P<number>\\d+@alarm$'}\n")
	exit, stdout, _ = runCommand(t, r.dir, nil, "check", "--config", r.config)
	if exit != 1 || !strings.Contains(stdout, "applications.alarm.addresses[0] ("+alarm+":2): ") {
		t.Errorf("exit status %d, %s", exit, stdout)
	}

	writeFile(t, alarm, "applications:\n  alarm: {ctl_type: sms, output_folder: '"+r.sms+"', addresses: '(?P<number>\\d+)@alarm$'}\n")
	if err := os.Remove(lift); err != nil {
		t.Fatal(err)
	}
	r.reload(t, "msg=reloaded")
	wantDelivery(t, r.addr, to("1@alarm"), "250 ")
	wantDelivery(t, r.addr, to("1@lift"), "550 ")
	exit, stdout, _ = runCommand(t, r.dir, nil, "check", "--config", r.config)
	if exit != 0 || !strings.Contains(stdout, r.config+" and conf.d (alarm.yaml): no problems\n") {
		t.Errorf("exit status %d, %s", exit, stdout)
	}
}
