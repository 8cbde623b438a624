//go:build linux && amd64

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// wine runs programs for Windows. Its drive C is a folder of the test.
type wine struct {
	program string
	drive   string
	environ []string
}

// newWine makes a Windows with the program in C:\sr. It takes some 700 MB in
// the temporary folder while the test runs.
func newWine(t *testing.T) *wine {
	t.Helper()
	w := &wine{program: program(t, "wine", "wine wine64")}
	prefix := filepath.Join(t.TempDir(), "wine")
	w.drive = filepath.Join(prefix, "drive_c")
	// No menus, no .NET, no browser, no display.
	w.environ = append(os.Environ(), "WINEPREFIX="+prefix, "WINEDEBUG=-all", "DISPLAY=",
		"WINEDLLOVERRIDES=winemenubuilder.exe,mscoree,mshtml=d")
	if out, err := w.command("wineboot", "--init").CombinedOutput(); err != nil {
		t.Fatalf("wineboot: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		c := exec.Command(program(t, "wineserver", "wine wine64"), "--kill", "--wait")
		c.Env = w.environ
		c.Run()
	})
	// A Windows whose last program ends is shut down with its services.
	hold := w.command("cmd")
	stdin, err := hold.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := hold.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		hold.Wait()
	})
	w.random(t)
	mkdir(t, filepath.Join(w.drive, "sr"))
	return w
}

// random gives an older wine what Go takes random numbers from: a library that
// passes the call on to another one. Windows has it, and wine since 8.9.
func (w *wine) random(t *testing.T) {
	t.Helper()
	library := filepath.Join(w.drive, "windows", "system32", "bcryptprimitives.dll")
	if _, err := os.Stat(library); err == nil {
		return
	}
	definition := filepath.Join(t.TempDir(), "bcryptprimitives.def")
	writeFile(t, definition, "LIBRARY bcryptprimitives.dll\nEXPORTS\nProcessPrng = advapi32.SystemFunction036\n")
	c := exec.Command(program(t, "ld", "binutils"), "-m", "i386pep", "--dll", "-e", "0", "-o", library, definition)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", c, err, out)
	}
}

// build puts what go builds into C:\sr.
func (w *wine) build(t *testing.T, name string, args ...string) {
	t.Helper()
	c := exec.Command("go", append(args, "-o", filepath.Join(w.drive, "sr", name), ".")...)
	c.Env = append(os.Environ(), "GOOS=windows", "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", c, err, out)
	}
}

func (w *wine) command(args ...string) *exec.Cmd {
	c := exec.Command(w.program, args...)
	c.Env = w.environ
	return c
}

// run has a program print to its end with the given status.
func (w *wine) run(t *testing.T, status int, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	c := w.command(args...)
	c.Stdout, c.Stderr = &out, &out
	c.Run()
	if got := c.ProcessState.ExitCode(); got != status {
		t.Fatalf("%q: exit status %d, want %d\n%s", args, got, status, out.String())
	}
	return strings.ReplaceAll(out.String(), "\r\n", "\n")
}

const inWine = `C:\sr\smtpreceiver.exe`

// TestWindows runs the program for Windows under wine: its commands, the
// listener, and the service.
func TestWindows(t *testing.T) {
	t.Parallel()
	w := newWine(t)
	w.build(t, "smtpreceiver.exe", "build")
	w.build(t, "test.exe", "test", "-c")

	if out := w.run(t, 0, inWine, "version"); !strings.Contains(out, "windows/amd64") {
		t.Error(out)
	}
	hash := w.command(inWine, "hash-password")
	hash.Stdin = strings.NewReader("secret\r\n")
	if out, err := hash.Output(); err != nil {
		t.Error(err)
	} else {
		logIn(t, strings.TrimSpace(string(out)), "secret")
	}
	if out := w.run(t, 0, `C:\sr\test.exe`, "-test.v", "-test.run=^TestSCM"); strings.Count(out, "--- PASS") < 3 {
		t.Error(out)
	}
	if out := w.run(t, 0, inWine, "demo", "--once"); !strings.Contains(out, `fax\00000005.ctl`) || !strings.Contains(out, "got the mail for eva@example.com") {
		t.Error(out)
	}

	port := freePort(t)
	r := w.receiver(t, port)
	if out := w.run(t, 1, inWine, "check"); !strings.Contains(out, `C:\ProgramData\smtpreceiver\smtpreceiver.yaml`) {
		t.Error("places it looked at: ", out)
	}
	if out := w.run(t, 0, inWine, "check", "--config", `C:\sr\smtpreceiver.yaml`); !strings.Contains(out, "no problems") {
		t.Error(out)
	}
	t.Run("console", func(t *testing.T) { r.console(t, w) })
	t.Run("service", func(t *testing.T) { r.service(t, w) })
}

// receiver configures the program in C:\sr.
func (w *wine) receiver(t *testing.T, port int) *receiver {
	t.Helper()
	dir := filepath.Join(w.drive, "sr")
	r := &receiver{dir: dir, config: filepath.Join(dir, "smtpreceiver.yaml"), fax: filepath.Join(dir, "fax"), sms: filepath.Join(dir, "sms")}
	for _, folder := range []string{r.fax, r.sms, filepath.Join(dir, "state")} {
		mkdir(t, folder)
	}
	writeFile(t, r.config, strings.Replace(basicSettings, "smtp_port: 0", fmt.Sprint("smtp_port: ", port), 1)+
		"logging_file_name: 'C:\\sr\\smtp.log'\n"+fmt.Sprintf(applications, `C:\sr`))
	r.addr = fmt.Sprint("127.0.0.1:", port)
	return r
}

var withAttachment = mail{"eva@example.com", []string{"Petr/Datasys/1@fax", "2@sms", "3@fax"},
	"Subject: two\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nThe text.\r\n" +
		"--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=\"a:b.pdf\"\r\n\r\n%PDF-\r\n--b--\r\n"}

// console has the listener take mail, and die in between.
func (r *receiver) console(t *testing.T, w *wine) {
	for range 2 {
		p := launch(t, w.command(inWine, "standalone", "--config", `C:\sr\smtpreceiver.yaml`))
		p.awaitLine(t, "msg=started", "listen="+r.addr)
		wantDelivery(t, r.addr, withAttachment, "250 2.0.0 ")
		w.run(t, 0, "taskkill", "/f", "/im", "smtpreceiver.exe")
		<-p.ended
	}
	r.wantJobs(t, "Petr/Datasys/1@fax", "Petr/Datasys/1@fax", "2@sms", "2@sms", "3@fax", "3@fax")
	for _, j := range jobs(t, r.fax) {
		if got := readFile(t, filepath.Join(r.fax, j.files[1])); got != "%PDF-" {
			t.Errorf("attachment %q", got)
		}
		if err := j.take(); err != nil {
			t.Error(err)
		}
	}
	for _, j := range jobs(t, r.sms) {
		if err := j.take(); err != nil {
			t.Error(err)
		}
	}
}

// service takes the way of an administrator, through the Service Control
// Manager.
func (r *receiver) service(t *testing.T, w *wine) {
	install := []string{inWine, "service", "install", "--config", `C:\sr\smtpreceiver.yaml`}
	if out := w.run(t, 0, install...); !strings.Contains(out, `icacls "C:\sr\fax" /grant "NT SERVICE\smtpreceiver":(OI)(CI)M`) {
		t.Error(out)
	}
	if out := w.run(t, 1, install...); !strings.Contains(out, "installed already") {
		t.Error(out)
	}
	for range 2 {
		r.startService(t, w)
		wantDelivery(t, r.addr, to("1@fax"), "250 2.0.0 ")
		w.run(t, 0, "net", "stop", "smtpreceiver")
		eventually(t, "the service to end", func() bool { // wine's net does not wait for it
			return strings.Contains(w.run(t, 0, "sc", "query", "smtpreceiver"), "STOPPED")
		})
		if c, err := connect(r.addr); err == nil {
			c.Close()
			t.Error("the stopped service is still there")
		}
	}
	if n := strings.Count(r.serviceLog(t), "msg=stopped"); n != 2 {
		t.Errorf("stopped %d times in order, want 2:\n%s", n, r.serviceLog(t))
	}
	r.wantJobs(t, "1@fax", "1@fax")

	good := readFile(t, r.config)
	writeFile(t, r.config, "nonsense: 1\n")
	w.run(t, 0, "net", "start", "smtpreceiver") // which does not wait for more than the process
	eventually(t, "the service to report its failure", func() bool {
		out := w.run(t, 0, "sc", "query", "smtpreceiver")
		return strings.Contains(out, "STOPPED") && strings.Contains(out, "SERVICE_EXIT_CODE  : 1 ")
	})
	writeFile(t, r.config, good)

	const source = `HKLM\SYSTEM\CurrentControlSet\Services\EventLog\Application\smtpreceiver`
	if out := w.run(t, 0, "reg", "query", source); !strings.Contains(out, "EventCreate.exe") {
		t.Error(out)
	}
	r.startService(t, w)
	w.run(t, 0, inWine, "service", "remove")
	if n := strings.Count(r.serviceLog(t), "msg=stopped"); n != 3 {
		t.Errorf("stopped %d times in order, want 3, the last by remove", n)
	}
	w.run(t, 1, "reg", "query", source)
	if out := w.run(t, 1, inWine, "service", "remove"); !strings.Contains(out, "the service smtpreceiver: ") {
		t.Error(out)
	}
}

func (r *receiver) startService(t *testing.T, w *wine) {
	t.Helper()
	w.run(t, 0, "net", "start", "smtpreceiver")
	eventually(t, "the service to run", func() bool {
		return strings.Contains(w.run(t, 0, "sc", "query", "smtpreceiver"), "RUNNING")
	})
}

func (r *receiver) serviceLog(t *testing.T) (lines string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(r.dir, "smtp_*.log"))
	if err != nil || len(files) == 0 {
		t.Fatal("no log", err)
	}
	for _, file := range files {
		lines += readFile(t, file)
	}
	return lines
}
