//go:build linux

package main

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"smtpreceiver/contrib/mtatest"
)

// hylafax is a private HylaFAX without a modem: jobs stay in its queue.
type hylafax struct{ spool, server, home string }

func newHylafax(t testing.TB) *hylafax {
	t.Helper()
	mtatest.RequireRoot(t)
	faxq, hfaxd := program(t, "faxq", "hylafax-server"), program(t, "hfaxd", "hylafax-server")
	program(t, "sendfax", "hylafax-client")
	dir := mtatest.Dir(t)
	port := mtatest.FreePort(t)
	h := &hylafax{filepath.Join(dir, "spool"), fmt.Sprintf("127.0.0.1:%d", port), t.TempDir()}
	for _, args := range [][]string{
		{"cp", "-a", "/var/spool/hylafax", h.spool},
		{"find", h.spool, "(", "-name", "FIFO*", "-o", "-path", "*q/*", "-type", "f", ")", "-delete"},
		{"cp", "-a", "/etc/hylafax/.", filepath.Join(h.spool, "etc")},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v, %s", args, err, out)
		}
	}
	hosts := filepath.Join(h.spool, "etc", "hosts.hfaxd")
	writeFile(t, hosts, "127.0.0.1\nlocalhost\n")
	if out, err := exec.Command("chown", "-R", "uucp:uucp", filepath.Join(h.spool, "etc")).CombinedOutput(); err != nil {
		t.Fatalf("%v, %s", err, out)
	}
	writeFile(t, filepath.Join(h.home, ".hylarc"), "JobFmt: \"%J|%v|%M|%S|%R|%I\"\n")
	launch(t, exec.Command(faxq, "-D", "-q", h.spool))
	launch(t, exec.Command(hfaxd, "-d", "-q", h.spool, "-l", "127.0.0.1", "-i", fmt.Sprint(port)))
	eventually(t, "HylaFAX to answer", func() bool {
		return strings.Contains(h.faxstat(t), "HylaFAX scheduler on ")
	})
	return h
}

func (h *hylafax) faxstat(t testing.TB) string {
	t.Helper()
	c := exec.Command("faxstat", "-s", "-d", "-h", h.server)
	c.Env = append(os.Environ(), "HOME="+h.home)
	out, _ := c.CombinedOutput() // not up yet
	return string(out)
}

// jobs are the fields of each job in the queue: tag, number, mail address and name
// of the sender, name of the recipient, priority.
func (h *hylafax) jobs(t testing.TB) [][]string {
	t.Helper()
	var jobs [][]string
	for line := range strings.Lines(h.faxstat(t)) {
		if fields := strings.Split(strings.TrimSpace(line), "|"); strings.HasPrefix(fields[0], "smtpreceiver-") {
			jobs = append(jobs, fields)
		}
	}
	return jobs
}

// documents are the files of the only job in the queue, in order.
func (h *hylafax) documents(t testing.TB) []string {
	t.Helper()
	jobs, err := filepath.Glob(filepath.Join(h.spool, "sendq", "q*"))
	if err != nil || len(jobs) != 1 {
		t.Fatalf("jobs %q, %v", jobs, err)
	}
	f, err := os.Open(jobs[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var found []string
	for scan := bufio.NewScanner(f); scan.Scan(); {
		kind, rest, _ := strings.Cut(scan.Text(), ":") // pdf:0::docq/doc5.pdf.4
		if path, ok := strings.CutPrefix(rest, "0::"); ok {
			found = append(found, kind+" "+filepath.Join(h.spool, path))
		}
	}
	return found
}

// pages has Ghostscript read a document as HylaFAX does.
func pages(t testing.TB, path string) (text string, count int) {
	t.Helper()
	out, err := exec.Command(program(t, "gs", "ghostscript"), "-q", "-dSAFER", "-sDEVICE=txtwrite", "-o", "-", path).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v, %s", path, err, out)
	}
	dir := t.TempDir()
	if out, err := exec.Command("gs", "-q", "-dSAFER", "-sDEVICE=tiffg4", "-r204x196", "-o", filepath.Join(dir, "%d.tif"), path).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v, %s", path, err, out)
	}
	made, _ := filepath.Glob(filepath.Join(dir, "*.tif"))
	return string(out), len(made)
}

// TestMailToHylaFAX: a mail comes in by SMTP and stands in HylaFAX's queue, with
// number, sender and pages.
func TestMailToHylaFAX(t *testing.T) {
	t.Parallel()
	h := newHylafax(t)
	r := consuming(t, "target: hylafax, arguments: ['-m'], server: '"+h.server+"'", "")
	r.start(t)
	consumer := r.launch(t, "consume")
	consumer.awaitLine(t, "msg=started", "service=consume")

	pdf := filepath.Join(t.TempDir(), "a.pdf")
	if out, err := exec.Command(program(t, "gs", "ghostscript"), "-q", "-sDEVICE=pdfwrite", "-o", pdf, "-c",
		"/Helvetica 20 selectfont 72 700 moveto (one) show showpage 72 700 moveto (two) show showpage").CombinedOutput(); err != nil {
		t.Fatalf("%v, %s", err, out)
	}
	m := mail{"petr.novak@example.com", []string{`"Jana; -x/Acme/+420603123456"@fax`}, strings.ReplaceAll(`From: Petr =?utf-8?q?Nov=C3=A1k?= <petr.novak@example.com>
Subject: offer
X-Priority: 1
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain; charset=utf-8

Příliš žluťoučký kůň
--b
Content-Type: application/pdf
Content-Transfer-Encoding: base64
Content-Disposition: attachment; filename="a $(id).pdf"

`+base64.StdEncoding.EncodeToString([]byte(readFile(t, pdf)))+"\n--b--\n", "\n", "\r\n")}
	wantDelivery(t, r.addr, m, "250 ")
	consumer.awaitLine(t, `msg="job handed on"`, "consumer=fax", "app=fax", "status=done")

	jobs := h.jobs(t)
	if len(jobs) != 1 {
		t.Fatalf("queue: %q", jobs)
	}
	if got, want := strings.Join(jobs[0][1:], "|"), "+420603123456|petr.novak@example.com|Petr Novák|Jana -x|63"; got != want {
		t.Errorf("job %q, want %q", got, want)
	}
	files := h.documents(t)
	if len(files) != 2 || !strings.HasPrefix(files[0], "pdf ") || !strings.HasPrefix(files[1], "pdf ") {
		t.Fatalf("documents %q", files)
	}
	text, count := pages(t, strings.TrimPrefix(files[0], "pdf "))
	if count != 1 || !strings.Contains(text, "Příliš žluťoučký kůň") {
		t.Errorf("text: %d pages, %q", count, text)
	}
	if _, count := pages(t, strings.TrimPrefix(files[1], "pdf ")); count != 2 {
		t.Errorf("attachment: %d pages", count)
	}
	wantNothingLeft(t, r.fax)
	r.stop(t)
}

// TestHylaFAXCover: HylaFAX's cover page stands in front and says who faxes what to
// whom; what a stranger wrote runs nowhere.
func TestHylaFAXCover(t *testing.T) {
	t.Parallel()
	h := newHylafax(t)
	r := consuming(t, "target: hylafax, cover: 1, arguments: ['-s', 'a4'], server: '"+h.server+"'", "")
	ran := filepath.Join(t.TempDir(), "ran")
	r.start(t)
	consumer := r.launch(t, "consume")
	wantDelivery(t, r.addr, mail{"petr.novak@example.com", []string{`"Jana/Acme/+420603123456"@fax`},
		"From: Petr =?utf-8?q?Nov=C3=A1k?= <petr.novak@example.com>\r\nSubject: Nab=?utf-8?q?=C3=ADdka?= '$(touch " + ran + ")' `touch " + ran + "`\r\n\r\nwords\r\n"}, "250 ")
	consumer.awaitLine(t, `msg="job handed on"`, "status=done")
	files := h.documents(t)
	if len(files) != 2 {
		t.Fatalf("documents %q", files)
	}
	_, path, _ := strings.Cut(files[0], " ")
	text, count := pages(t, path)
	for _, want := range []string{"Jana", "Acme", "Petr Novák", "Nabídka ", "$ touch", "+420603123456"} {
		if !strings.Contains(text, want) {
			t.Errorf("the cover page does not say %s", want)
		}
	}
	if count != 1 {
		t.Errorf("a cover of %d pages", count)
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("what the subject says was run")
	}
	if t.Failed() {
		t.Log(text)
	}
}

// TestConsumeKillHylaFAX kills the consumers while sendfax, made slow, works with
// the real server; then each job stands in the queue once.
func TestConsumeKillHylaFAX(t *testing.T) {
	t.Parallel()
	const count = 12
	h := newHylafax(t)
	bin := t.TempDir()
	writeFile(t, filepath.Join(bin, "sendfax"), "#!/bin/sh\nsleep 0.0$(($$ % 10))\n"+program(t, "sendfax", "hylafax-client")+" \"$@\"\nstatus=$?\nsleep 0.$(($$ % 3))\nexit $status\n")
	if err := os.Chmod(filepath.Join(bin, "sendfax"), 0o755); err != nil {
		t.Fatal(err)
	}
	r := consuming(t, "target: hylafax, server: '"+h.server+"'", "")
	r.environ = []string{"PATH=" + bin + ":" + os.Getenv("PATH")}
	for i := range count {
		spoolJob(t, r.fax, fmt.Sprintf("%08d", i), "+420603123456", "text")
	}
	hits := killUntilDone(t, r, r.fax, count)
	runCommand(t, r.dir, nil, "consume", "--once", "-c", r.config) // removes what the last kill left
	found := map[string]int{}
	for _, job := range h.jobs(t) {
		found[strings.Split(job[0], "-")[1]]++
	}
	for i := range count {
		if n := found[fmt.Sprintf("%08d", i)]; n != 1 {
			t.Errorf("job %d stands in the queue %d times", i, n)
		}
	}
	if failed := settled(t, r.fax, ".failed"); len(failed) > 0 || len(found) != count {
		t.Errorf("failed: %q; %d jobs of %d", failed, len(found), count)
	}
	if hits == 0 {
		t.Error("no kill hit a job on its way: nothing is proven")
	}
	wantNothingLeft(t, r.fax)
	t.Logf("%d kills hit a job on its way", hits)
}

// The server is down for a while: nothing fails, and the fax goes out once.
func TestConsumeHylaFAXDown(t *testing.T) {
	t.Parallel()
	h := newHylafax(t)
	r := consuming(t, "target: hylafax, server: '127.0.0.1:1'", "")
	spoolJob(t, r.fax, "00000001", "603123456", "text")
	p := r.launch(t, "consume")
	p.awaitLine(t, `msg="job not handed on yet"`, "job=00000001", "try=2")
	p.kill()
	r.configure(t, "consume: {fax: {target: hylafax, server: '"+h.server+"'}}")
	p = r.launch(t, "consume")
	p.awaitLine(t, `msg="job handed on"`, "status=done")
	if jobs := h.jobs(t); len(jobs) != 1 || jobs[0][1] != "603123456" {
		t.Errorf("queue: %q", jobs)
	}
}
