package mtatest

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// PostfixOptions says how a private Postfix differs from the plain one, which
// relays everything it is given from loopback to the sink and delivers nothing
// itself.
type PostfixOptions struct {
	Sink           string            // host:port that gets all outgoing mail; empty: outgoing mail is discarded
	Milter         string            // smtpd_milters
	NonSMTPDMilter string            // non_smtpd_milters
	ExtraMain      []string          // lines for the end of main.cf, where they win
	ExtraMaster    []string          // lines for the end of master.cf
	Files          map[string]string // files for the configuration folder ($config_directory): name to content
	Maps           map[string]string // the same, made into hash: tables by postmap(1)
	TLS            bool              // offer STARTTLS with a certificate for localhost and 127.0.0.1
	SASL           bool              // offer AUTH PLAIN: any user, password "secret"
}

// postfixInstall is the command that makes the Postfix tests run.
const postfixInstall = "DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends postfix"

// Postfix starts a private Postfix. The test is skipped if the package is
// missing or the user is not root.
func Postfix(t testing.TB, o PostfixOptions) *MTA {
	t.Helper()
	RequireRoot(t)
	sbin := postfixTools(t)
	port := FreePort(t)
	m := &MTA{Addr: fmt.Sprintf("127.0.0.1:%d", port), Dir: Dir(t)}
	p := &postfix{sbin: sbin, conf: filepath.Join(m.Dir, "conf"), logFile: filepath.Join(m.Dir, "mail.log")}
	m.server = p

	for _, d := range []string{"conf", "queue", "data"} {
		if err := os.Mkdir(filepath.Join(m.Dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	main := p.mainCF(t, m.Dir, o)
	if o.TLS {
		_, roots, cert, key := Certificate(t, "localhost", "127.0.0.1")
		m.Roots = roots
		main = append(main, "smtpd_tls_security_level = may", "smtpd_tls_cert_file = "+cert, "smtpd_tls_key_file = "+key)
	}
	if o.SASL {
		main = append(main, "smtpd_sasl_auth_enable = yes", "smtpd_sasl_type = dovecot", "smtpd_sasl_path = inet:"+authServer(t))
	}
	main = override(main, o.ExtraMain)
	master := append(strings.Split(fmt.Sprintf(masterCF, m.Addr), "\n"), o.ExtraMaster...)
	writeFiles(t, p.conf, o.Files)
	writeFiles(t, p.conf, o.Maps)
	writeFiles(t, p.conf, map[string]string{
		"main.cf":   strings.Join(main, "\n") + "\n",
		"master.cf": strings.Join(master, "\n") + "\n",
	})
	writeFiles(t, m.Dir, map[string]string{"mail.log": ""})
	for name := range o.Maps {
		if _, err := p.run("postmap", "hash:"+filepath.Join(p.conf, name)); err != nil {
			t.Fatal(err)
		}
	}
	// When this returns the daemons listen.
	if _, err := p.run("postfix", "start"); err != nil {
		log, _ := p.log()
		t.Fatalf("%v%s", err, log)
	}
	p.callOff = endWithProcess(t, `"$1" -c "$2" stop; rm -rf "$3"`, filepath.Join(sbin, "postfix"), p.conf, m.Dir)
	m.stopWithTest(t)
	return m
}

// postfixTools finds the folder of Postfix's commands.
func postfixTools(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("postfix")
	if err != nil { // a user's path often lacks it
		path, err = exec.LookPath("/usr/sbin/postfix")
	}
	if err != nil {
		t.Skipf("no Postfix here: %s", postfixInstall)
	}
	return filepath.Dir(path)
}

type postfix struct {
	sbin, conf, logFile string
	callOff             func()
}

// mainCF is the plain configuration, and gives the data folder to its user.
func (p *postfix) mainCF(t testing.TB, dir string, o PostfixOptions) []string {
	t.Helper()
	built, err := command(exec.Command(filepath.Join(p.sbin, "postconf"), "-d", "command_directory", "daemon_directory", "mail_owner", "setgid_group"))
	if err != nil {
		t.Fatal(err)
	}
	owner, err := user.Lookup("postfix")
	if err != nil {
		t.Fatalf("the postfix package has not made its user: %v", err)
	}
	uid, _ := strconv.Atoi(owner.Uid)
	if err := os.Chown(filepath.Join(dir, "data"), uid, -1); err != nil {
		t.Fatal(err)
	}
	main := append(strings.Split(fmt.Sprintf(mainCF, dir), "\n"), strings.Split(strings.TrimSpace(built), "\n")...)
	if o.Sink == "" {
		main = append(main, "default_transport = discard:")
	} else {
		host, port, err := net.SplitHostPort(o.Sink)
		if err != nil {
			t.Fatalf("sink: %v", err)
		}
		main = append(main, fmt.Sprintf("relayhost = [%s]:%s", host, port))
	}
	if o.Milter != "" {
		main = append(main, "smtpd_milters = "+o.Milter)
	}
	if o.NonSMTPDMilter != "" {
		main = append(main, "non_smtpd_milters = "+o.NonSMTPDMilter)
	}
	return main
}

// override appends the lines of main.cf in extra and takes out those that they
// replace: Postfix's commands complain about a parameter that is set twice, in
// the middle of their output.
func override(main, extra []string) []string {
	for _, line := range extra {
		name, _, _ := strings.Cut(line, "=")
		name = strings.TrimSpace(name)
		main = slices.DeleteFunc(main, func(earlier string) bool {
			earlier, _, _ = strings.Cut(earlier, "=")
			return strings.TrimSpace(earlier) == name
		})
	}
	return append(main, extra...)
}

// activeMail finds a message under delivery in a listing of the queue.
var activeMail = regexp.MustCompile(`(?m)^\w+\*`)

// run runs a Postfix command on this instance. The folder after -c must be
// absolute, or some commands do nothing.
func (p *postfix) run(name string, args ...string) (string, error) {
	return command(exec.Command(filepath.Join(p.sbin, name), append([]string{"-c", p.conf}, args...)...))
}

func (p *postfix) queue() (string, error) {
	out, err := p.run("postqueue", "-p")
	if strings.TrimSpace(out) == "Mail queue is empty" {
		return "", err
	}
	return out, err
}

func (p *postfix) log() (string, error) {
	b, err := os.ReadFile(p.logFile)
	return string(b), err
}

// flush lets deliveries that are going on come to their end, because a message
// that is deferred just after it would stay for minutes.
func (p *postfix) flush() error {
	waitFor(func() bool {
		queue, err := p.queue()
		return err != nil || !activeMail.MatchString(queue)
	})
	_, err := p.run("postqueue", "-f")
	return err
}

func (p *postfix) reload() error {
	_, err := p.run("postfix", "reload")
	return err
}

func (p *postfix) stop() error {
	p.callOff()
	_, err := p.run("postfix", "stop")
	return err
}

func (p *postfix) submit(message io.Reader, args []string) error {
	c := exec.Command(filepath.Join(p.sbin, "sendmail"), append([]string{"-C", p.conf}, args...)...)
	c.Stdin = message
	_, err := command(c)
	return err
}
