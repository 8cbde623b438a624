//go:build linux

package deb

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
)

// block is a shell block of README.md or the handbook, contrib/doc. Where it is
// run stands in a comment in front of it:
//
//	checkout   in a copy of the source
//	machine    on a fresh Debian with Postfix, HylaFAX, smstools, a GSM modem and what the blocks before it left
//	migrate    where an export of the original lies
//	ci         by others: the demo by its own tests, all tests by whoever runs this one
type block struct{ page, where, script string }

var shellBlock = regexp.MustCompile("(?m)^(?:<!-- run: (\\w+) -->\n)?```sh\n((?s:.*?))^```$")

// handbook is every shell block, README.md's first.
func handbook(t *testing.T) (blocks []block) {
	t.Helper()
	pages, err := filepath.Glob("../doc/*.md")
	if err != nil {
		t.Fatal(err)
	}
	marked := 0
	for _, page := range append([]string{"../../README.md"}, pages...) {
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		marked += strings.Count(string(b), "<!-- run:")
		for _, m := range shellBlock.FindAllStringSubmatch(string(b), -1) {
			blocks = append(blocks, block{page, m[1], m[2]})
		}
	}
	if len(blocks) < 8 || marked != len(blocks) || len(pages) < 5 {
		t.Fatalf("%d shell blocks on README.md and %d pages, %d marks of where to run one", len(blocks), len(pages), marked)
	}
	return blocks
}

// testHandbook runs every command of README.md and the handbook, one after the
// other.
func testHandbook(t *testing.T, root string) {
	var m *machine
	var service *provider
	modem := mtatest.NewModem(t)
	run(t, "chmod", "666", modem.Device)
	dir := t.TempDir()
	for _, b := range handbook(t) {
		switch b.where {
		case "checkout":
			run(t, "cp", "-a", "../..", filepath.Join(dir, "source"))
			shell(t, filepath.Join(dir, "source"), b.script)
		case "migrate":
			work := t.TempDir()
			run(t, "go", "build", "-o", filepath.Join(work, "bin", "smtpreceiver"), "smtpreceiver/cmd/smtpreceiver")
			run(t, "cp", "../../core/migrate/testdata/full.reg", filepath.Join(work, "datasys.reg"))
			shell(t, work, b.script)
		case "machine":
			if m == nil {
				m = boot(t, root, "--bind="+modem.Device+":/dev/ttyUSB0")
				packages, _ := filepath.Glob(filepath.Join(dir, "source", "smtpreceiver_*.deb"))
				run(t, "cp", append(packages, filepath.Join(root, "root"))...)
				m.run(t, "postconf -e myhostname=mail.example.com inet_protocols=ipv4; systemctl restart postfix")
				service = newProvider(t, m)
			}
			t.Logf("%s\n%s\n%s", b.page, b.script, m.run(t, "cd /root\n"+patient(b.script)))
			m.settle(t, b.script)
		case "ci":
		default:
			t.Errorf("%s does not say where to run:\n%s", b.page, b.script)
		}
	}
	if got := service.requests(); !slices.Contains(got, `Bearer secret {"to":"+420603123456","text":"31 degrees"}`) {
		t.Errorf("the provider got %q", got)
	}
	select {
	case sms := <-modem.Sent:
		if want := (mtatest.SMS{Number: "420603123456", International: true, Text: "31 degrees"}); sms != want {
			t.Errorf("the modem sent %+v, want %+v", sms, want)
		}
	default:
		t.Error("the modem sent nothing")
	}
}

var pause = regexp.MustCompile(`(?m)^sleep \d+\n(.*)$`)

// patient waits for what a script looks at after a pause until it is there: the
// pause is meant for a machine that has nothing else to do.
func patient(script string) string {
	return pause.ReplaceAllString(script, fmt.Sprintf("i=0; until (${1}\n) >/dev/null 2>&1 || [ $$i = %d ]; do sleep 1; i=$$((i + 1)); done\n${1}", patience/time.Second))
}

func shell(t *testing.T, dir, script string) {
	t.Helper()
	c := exec.Command("sh", "-ec", script)
	c.Dir = dir
	c.Env = append(os.Environ(), "PATH="+strings.Join([]string{filepath.Join(dir, "bin"), os.Getenv("PATH")}, ":"))
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s\n%v\n%s", script, err, out)
	}
	t.Logf("%s\n%s", script, out)
}
