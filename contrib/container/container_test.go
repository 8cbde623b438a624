//go:build linux

// Package container tests the Containerfile as far as that goes without a
// container engine and the images it begins from: its instructions are read,
// the build's commands are run, and what they make runs as an empty root's only
// program, without privileges.
package container

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/version"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
)

const source = "../.." // of the program

// instruction is one of a Containerfile.
type instruction struct{ name, rest string }

func containerfile(t *testing.T) (all []instruction) {
	t.Helper()
	for line := range strings.Lines(read(t, "Containerfile")) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, rest, _ := strings.Cut(line, " ")
		all = append(all, instruction{name, strings.TrimSpace(rest)})
	}
	return all
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// list is the JSON list at the end of an instruction.
func (i instruction) list(t *testing.T) (words []string) {
	t.Helper()
	at := strings.IndexByte(i.rest, '[')
	if at < 0 || json.Unmarshal([]byte(i.rest[at:]), &words) != nil || len(words) == 0 {
		t.Fatalf("%s %s: no JSON list; a shell would be asked, and the image has none", i.name, i.rest)
	}
	return words
}

func last(t *testing.T, all []instruction, name string) instruction {
	t.Helper()
	for _, i := range slices.Backward(all) {
		if i.name == name {
			return i
		}
	}
	t.Fatalf("no %s", name)
	return instruction{}
}

func TestContainerfile(t *testing.T) {
	t.Parallel()
	all := containerfile(t)
	known := "FROM WORKDIR COPY RUN ARG USER VOLUME EXPOSE STOPSIGNAL HEALTHCHECK ENTRYPOINT CMD"
	for _, i := range all {
		if !slices.Contains(strings.Fields(known), i.name) {
			t.Errorf("unknown instruction %s", i.name)
		}
	}
	var image string
	if n, err := fmt.Sscanf(all[0].rest, "docker.io/library/golang:%s AS build", &image); n != 1 {
		t.Fatal(err)
	}
	image, _, _ = strings.Cut(image, "-")
	if least := regexp.MustCompile(`(?m)^go (\S+)$`).FindStringSubmatch(read(t, source+"/go.mod"))[1]; version.Compare("go"+image, "go"+least) < 0 {
		t.Errorf("FROM %s, but go.mod needs %s", all[0].rest, least)
	}
	release := regexp.MustCompile(`var release = "(.*)"`).FindStringSubmatch(read(t, source+"/cmd/smtpreceiver/version.go"))[1]
	if got := last(t, all, "ARG").rest; got != "VERSION="+release {
		t.Errorf("ARG %s, the program's version is %s", got, release)
	}
	port := regexp.MustCompile(`(?m)^smtp_port: (\d+)$`).FindStringSubmatch(read(t, "smtpreceiver.yaml"))[1]
	if got := last(t, all, "EXPOSE").rest; got != port {
		t.Errorf("EXPOSE %s, the configuration listens on %s", got, port)
	}
	for _, folder := range last(t, all, "VOLUME").list(t) {
		if !strings.Contains(read(t, "README.md"), "`"+folder+"`") {
			t.Errorf("README.md does not speak of the volume %s", folder)
		}
	}
}

// TestImage runs what the last stage copies.
func TestImage(t *testing.T) {
	t.Parallel()
	mtatest.RequireRoot(t)
	all, image := containerfile(t), t.TempDir()
	build(t, all, image)
	if err := os.Chmod(image, 0o755); err != nil {
		t.Fatal(err)
	}
	var uid, gid uint32
	if n, err := fmt.Sscanf(last(t, all, "USER").rest, "%d:%d", &uid, &gid); n != 2 || uid == 0 {
		t.Fatalf("USER: %v", err)
	}
	port, metrics := mtatest.FreePort(t), mtatest.FreePort(t)
	inside := func(words []string) (*exec.Cmd, *bytes.Buffer) {
		c, out := exec.Command(words[0], words[1:]...), new(bytes.Buffer)
		c.Dir, c.Stdout, c.Stderr = "/", out, out
		c.Env = []string{"SMTPRECEIVER_CLIENTS=127.0.0.1", fmt.Sprint("SMTPRECEIVER_SMTP_PORT=", port),
			fmt.Sprint("SMTPRECEIVER_METRICS_LISTEN=inet:127.0.0.1:", metrics)}
		c.SysProcAttr = &syscall.SysProcAttr{Chroot: image, Credential: &syscall.Credential{Uid: uid, Gid: gid}, Pdeathsig: syscall.SIGKILL}
		return c, out
	}
	c, log := inside(append(last(t, all, "ENTRYPOINT").list(t), last(t, all, "CMD").list(t)...))
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill() })
	health := last(t, all, "HEALTHCHECK")
	var out *bytes.Buffer
	await(t, func() bool {
		var check *exec.Cmd
		check, out = inside(health.list(t))
		return check.Run() == nil
	}, func() string { return health.rest + ": " + out.String() })

	mail := exec.Command("curl", "-sS", "-m", "60", "--url", fmt.Sprintf("smtp://127.0.0.1:%d/client.example", port),
		"--mail-from", "eva@example.com", "--mail-rcpt", "+420603123456@sms", "--crlf", "--upload-file", "-")
	mail.Stdin = strings.NewReader("Subject: hello\n\nhello\n")
	if out, err := mail.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if jobs, _ := filepath.Glob(image + "/var/spool/smtpreceiver/sms/*.ctl"); len(jobs) != 1 {
		t.Errorf("jobs %q, want one", jobs)
	}
	c.Process.Signal(syscall.SIGTERM)
	if err := c.Wait(); err != nil {
		t.Errorf("stopped: %v", err)
	}
	if t.Failed() {
		t.Log(log)
	}
}

// build runs the commands of the first stage but those that fetch, with image
// as /image.
func build(t *testing.T, all []instruction, image string) {
	t.Helper()
	for _, i := range all {
		if i.name != "RUN" || i.rest == "go mod download" {
			continue
		}
		c := exec.Command("sh", "-c", strings.ReplaceAll(i.rest, "/image/", image+"/"))
		c.Dir = source
		c.Env = append(os.Environ(), last(t, all, "ARG").rest)
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", i.rest, err, out)
		}
	}
}

// await polls until done, for at most two minutes.
func await(t *testing.T, done func() bool, what func() string) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if done() {
			return
		}
	}
	t.Fatalf("waited in vain: %s", what())
}
