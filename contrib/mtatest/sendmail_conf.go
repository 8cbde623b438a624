package mtatest

import (
	"net"
	"strings"
	"testing"
)

// The m4 sources write a tilde for m4's opening quote. DIR is the server's
// folder, CF that of the macro files, PORT the SMTP listener's.

// commonMC keeps everything inside the folder, accepts that this lies below
// /tmp, asks no name server, and takes and delivers mail however busy the
// machine is.
const commonMC = `divert(-1)
divert(0)dnl
define(~_CF_DIR_', ~CF/')dnl
include(~CF/m4/cf.m4')dnl
VERSIONID(~private test')dnl
define(~MAIL_SETTINGS_DIR', ~DIR/etc/')dnl
define(~ALIAS_FILE', ~DIR/etc/aliases')dnl
define(~HELP_FILE', ~DIR/etc/helpfile')dnl
OSTYPE(~linux')dnl
define(~confDOMAIN_NAME', ~mx.test.example')dnl
define(~confDONT_BLAME_SENDMAIL', ~TrustStickyBit,GroupWritableDirPathSafe')dnl
define(~confTO_IDENT', ~0')dnl
define(~confQUEUE_LA', ~100000')dnl
define(~confREFUSE_LA', ~100000')dnl
`

// daemonMC also turns off the submission listener, which would be open on all
// addresses.
const daemonMC = `define(~STATUS_FILE', ~DIR/etc/statistics')dnl
define(~confPID_FILE', ~DIR/sendmail.pid')dnl
define(~QUEUE_DIR', ~DIR/q')dnl
define(~confMAX_RCPTS_PER_MESSAGE', ~2000')dnl
FEATURE(~no_default_msa')dnl
DAEMON_OPTIONS(~Name=MTA, Addr=127.0.0.1, Port=PORT, Family=inet')dnl
FEATURE(~nocanonify')dnl
FEATURE(~accept_unresolvable_domains')dnl
FEATURE(~accept_unqualified_senders')dnl
`

// submitMC is for sendmail(1), which hands its mail to the daemon, and insists
// on not being root while it does.
const submitMC = `define(~confCF_VERSION', ~Submit')dnl
define(~STATUS_FILE', ~DIR/etc/submit.st')dnl
define(~confPID_FILE', ~DIR/submit.pid')dnl
define(~MSP_QUEUE_DIR', ~DIR/mspq')dnl
define(~confRUN_AS_USER', ~mail')dnl
define(~RELAY_MAILER_ARGS', ~TCP $h PORT')dnl
FEATURE(~msp', ~[127.0.0.1]')dnl
`

func (s *sendmail) daemonMC(t testing.TB, root, addr string, o SendmailOptions) string {
	t.Helper()
	mc := commonMC + daemonMC
	if o.Sink != "" {
		host, port, err := net.SplitHostPort(o.Sink)
		if err != nil {
			t.Fatalf("sink: %v", err)
		}
		mc += "define(~SMART_HOST', ~relay:[" + host + "]')dnl\ndefine(~RELAY_MAILER_ARGS', ~TCP $h " + port + "')dnl\n"
	}
	if o.Milter != "" {
		mc += "INPUT_MAIL_FILTER(~smtpreceiver', ~S=" + milterSocket(t, o.Milter) + ", F=T, T=C:30s;S:30s;R:30s;E:60s')dnl\n"
	}
	mc = s.expand(t, root, addr, mc)
	for _, line := range o.ExtraMC {
		mc += line + "\n"
	}
	return mc + "MAILER(`local')dnl\nMAILER(`smtp')dnl\n"
}

func (s *sendmail) submitMC(t testing.TB, root, addr string) string {
	t.Helper()
	return s.expand(t, root, addr, commonMC+submitMC)
}

func (s *sendmail) expand(t testing.TB, root, addr, mc string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer("~", "`", "CF/", root+"/usr/share/sendmail/cf/", "DIR/", s.dir+"/", "PORT", port).Replace(mc)
}
