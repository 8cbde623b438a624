//go:build linux

package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"smtpreceiver/contrib/mtatest"
)

// TestAskedForSenders: rights of senders and require_authenticated are held in the
// SMTP dialog too, by the login that only Postfix knows; a change of the table
// counts without a restart.
func TestAskedForSenders(t *testing.T) {
	t.Parallel()
	table := filepath.Join(t.TempDir(), "senders.csv")
	writeFile(t, table, "name,allowed,numbers_allowed,cost_code\neva,1,,K7\neva@x.test,fax,\\+?420,K8\npetr@x.test,0,,\n")
	a := askingPostfix(t, "standalone", func(at string) string {
		return fmt.Sprintf("lmtp: {listen: 'unix:%[1]s/lmtp.sock', policy_listen: 'unix:%[1]s/policy.sock', socket_mode: '0666'}\nsenders: {backend: file, file: '%[2]s', cache: 0}", at, table)
	}, mtatest.PostfixOptions{
		ExtraMain:   mtatest.Recipe(t, "../../contrib/postfix/lmtp/main.cf"),
		ExtraMaster: mtatest.Recipe(t, "../../contrib/postfix/lmtp/master.cf"),
		Maps:        map[string]string{"transport": strings.Join(mtatest.Recipe(t, "../../contrib/postfix/lmtp/transport"), "\n") + "\n"},
	})
	writeFile(t, a.config, strings.Replace(readFile(t, a.config), "    ctl_type: sms\n", "    ctl_type: sms\n    require_authenticated: 1\n", 1))
	a.reload(t, "msg=reloaded")
	a.want(t, a.answers(t, "127.0.0.1", "", "Eva@x.test", "+4201@fax", "+491@fax", "+4201@sms"),
		"250", "550 5.7.1 …fax: number not allowed", "550 5.7.1 …sms: authentication required", "250")
	a.want(t, a.answers(t, "127.0.0.1", "", "petr@x.test", "+4202@fax", "eva@x.test"), "550 5.7.1 …fax: sender may not use it", "250", "250")
	a.want(t, a.answers(t, "127.0.0.1", "", "who@x.test", "+4203@fax"), "550 5.7.1 …fax: sender is not known")
	// Who logs in is asked about by that name, and by the sender when the mail comes
	// in: both have to allow it, and what the second refuses is a bounce.
	a.want(t, a.answers(t, "127.0.0.2", "petr", "eva@x.test", "+4204@fax"), "550 5.7.1 …fax: sender is not known")
	writeFile(t, table, "name,allowed,cost_code\neva,1,K7\neva@x.test,1,K8\n")
	a.want(t, a.answers(t, "127.0.0.2", "eva", "eva@x.test", "+4205@sms"), "250", "250")
	eventually(t, "an empty queue", func() bool { return a.Queue(t) == "" })
	a.wantJobs(t, "+4201@fax", "+4205@sms")
	for folder, code := range map[string]string{a.fax: "K8", a.sms: "K8"} {
		found, err := filepath.Glob(filepath.Join(folder, "*.ctl"))
		if err != nil || len(found) != 1 || !strings.Contains(readFile(t, found[0]), "\r\ncost_code="+code+"\r\n") {
			t.Errorf("%s: %q, %v", folder, found, err)
		}
	}
	if got := a.sink.Next(t, patience).Recipients(); len(got) != 1 || got[0] != "eva@x.test" {
		t.Errorf("the sink got mail for %q", got)
	}
	if n := len(a.sink.All()); n != 1 {
		t.Errorf("%d messages left Postfix, want one: no bounce", n)
	}
	a.receiver.stop(t)
}
