//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"

	"smtpreceiver/core/status"
)

// status runs the command and takes its JSON.
func (r *receiver) status(t testing.TB, args ...string) (exit int, report status.Report) {
	t.Helper()
	exit, stdout, stderr := runCommand(t, r.dir, r.environ, append([]string{"status", "--config", r.config, "--json"}, args...)...)
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatalf("status %d, %v in %s%s", exit, err, stdout, stderr)
	}
	return exit, report
}

// wantStatus fails the test unless each problem, and no other, is reported.
func (r *receiver) wantStatus(t testing.TB, problems ...string) status.Report {
	t.Helper()
	exit, report := r.status(t)
	fits := len(report.Problems) == len(problems)
	for _, p := range problems {
		fits = fits && slices.ContainsFunc(report.Problems, func(got string) bool { return strings.Contains(got, p) })
	}
	if !fits || (exit != 0) != (len(problems) > 0) {
		t.Errorf("exit status %d, problems %q, want %q", exit, report.Problems, problems)
	}
	return report
}

func TestStatus(t *testing.T) {
	t.Parallel()
	socket := "metrics: {listen: 'unix:" + filepath.Join(mtatest.Dir(t), "metrics") + "'}"
	r := running(t, socket)
	wantDelivery(t, r.addr, to("1@fax", "2@fax", "3@sms"), "250 ")
	wantDelivery(t, r.addr, to("eva@example.com"), "550 ")

	report := r.wantStatus(t)
	if s := report.Service; s.State != "up" || s.Frontend != "standalone" || s.Version != release || !s.Alive || !s.Ready || time.Since(s.Started) > time.Hour {
		t.Errorf("service %+v", s)
	}
	if n := report.Totals; n.Messages["spooled"] != 1 || n.Jobs["fax"] != 2 || n.Refusals["relay"] != 1 {
		t.Errorf("totals %+v", n)
	}
	ctls := jobs(t, r.fax)
	fax := report.Applications[0]
	if fax.App != "fax" || fax.Folder != r.fax || fax.Waiting != 2 || fax.Oldest != ctls[0].control || fax.AgeSeconds > 3600 || fax.FreeBytes == 0 || fax.Staged != 0 {
		t.Errorf("fax %+v, jobs %s, %s", fax, ctls[0].control, ctls[1].control)
	}
	if sms := report.Applications[1]; sms.App != "sms" || sms.Waiting != 1 {
		t.Errorf("sms %+v", sms)
	}

	old := time.Now().Add(-20 * time.Minute)
	if err := os.Chtimes(filepath.Join(r.fax, ctls[0].control), old, old); err != nil {
		t.Fatal(err)
	}
	r.wantStatus(t, "fax: "+ctls[0].control+" has waited for 20m")
	if exit, _ := r.status(t, "--warn", "1h"); exit != 0 {
		t.Errorf("--warn 1h: exit status %d", exit)
	}
	for _, j := range jobs(t, r.fax) {
		if err := j.take(); err != nil {
			t.Fatal(err)
		}
	}
	left := filepath.Join(r.fax, ".staging", "dead-owner")
	mkdir(t, left)
	writeFile(t, filepath.Join(left, "00000099.txt"), "left over")
	if err := os.Chtimes(filepath.Join(left, "00000099.txt"), old, old); err != nil {
		t.Fatal(err)
	}
	r.wantStatus(t, "fax: 1 staged files are older than 15m")
	if err := os.RemoveAll(left); err != nil {
		t.Fatal(err)
	}
	rename(t, r.sms, r.sms+".away")
	eventually(t, "what /readyz says too", func() bool { _, report := r.status(t); return len(report.Problems) == 2 })
	r.wantStatus(t, "sms: open "+r.sms, "not ready: application sms: ")
	rename(t, r.sms+".away", r.sms)
	eventually(t, "the end of that", func() bool { exit, _ := r.status(t); return exit == 0 })

	// A file that status itself can read, and the service did not take: its log
	// folder is gone.
	r.configure(t, socket, "logging_file_name: '"+filepath.Join(r.dir, "no", "x.log")+"'")
	r.reload(t, "level=E", "the old settings stay")
	mkdir(t, filepath.Join(r.dir, "no"))
	report = r.wantStatus(t, "the configuration was changed and not taken", "errors logged within 15m: 1")
	if e := report.Errors[len(report.Errors)-1]; e.Level != "E" || !strings.Contains(e.Line, "logging_file_name") {
		t.Errorf("last error %+v", e)
	}
	_, text, _ := runCommand(t, r.dir, nil, "status", "--config", r.config)
	for _, want := range []string{"standalone " + release + ": alive, ready\n", "\nfax ", "\nstate_directory " + filepath.Join(r.dir, "state") + ": ", "\nmessages ", "\nlast errors and warnings\n", "\nneeds a look\n- the configuration"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}

	r.stop(t)
	if report := r.wantStatus(t, "metrics.listen unix:"); report.Service.State != "down" || report.Applications[1].Waiting != 1 {
		t.Errorf("stopped: %+v", report)
	}
	r.configure(t)
	if report := r.wantStatus(t); report.Service.State != "unknown" {
		t.Errorf("without metrics.listen: %+v", report.Service)
	}
	r.environ = []string{"SMTPRECEIVER_MIN_FREE_SPACE=1000TiB"}
	r.wantStatus(t, "state_directory: ", "fax: ", "sms: ")
	r.environ = []string{"SMTPRECEIVER_METRICS_LISTEN=inet:127.0.0.1:" + fmt.Sprint(mtatest.FreePort(t))}
	if report := r.wantStatus(t, "connection refused"); report.Service.State != "down" {
		t.Errorf("nothing listens: %+v", report.Service)
	}
}

// TestStatusHangs: a service that answers nothing does not hold status for
// ever.
func TestStatusHangs(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	r.environ = []string{fmt.Sprintf("SMTPRECEIVER_METRICS_LISTEN=inet:0.0.0.0:%d", mtatest.FreePort(t))}
	r.start(t)
	r.wantStatus(t) // asked at a loopback address
	r.signal(syscall.SIGSTOP)
	defer r.signal(syscall.SIGCONT)
	if report := r.wantStatus(t, "metrics.listen"); report.Applications[0].App != "fax" {
		t.Errorf("%+v", report)
	}
}
