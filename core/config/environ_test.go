package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestEnvironmentOverFile sets keys of every level; their siblings keep what
// the file says.
func TestEnvironmentOverFile(t *testing.T) {
	t.Parallel()
	const file = `
forward_smtp_server: mail.example.com
smtp_port: 26
clients: [localhost]
milter: {timeout: 5m, socket_group: postfix}
applications:
  Fax-2.A:
    output_folder: /var/spool/fax
    ctl_type: fax
    addresses: .*@fax$
    from_disabled: .*@gsm$
    transform: {subject: Fax}
`
	want := mustParse(t, "yaml", file)
	want.SMTPIPAddress, want.SMTPPort = "127.0.0.1", 2525
	want.Clients = []string{"10.0.0.0/8", "a,b"}
	want.MinFreeSpace = 5 << 20
	want.LogEventLog = ""
	want.Milter.Timeout = time.Minute
	app := want.Applications["Fax-2.A"]
	app.OutputFolder, app.Enabled = "/srv/fax=1", false
	app.FromEnabled = []string{".*@example", ".*@example.org"}
	app.FormatPreference = []string{"htm", "txt"}
	app.Clients = []string{}
	app.NonstandardDataTerminator, app.NonstandardDataTerminatorClients = "\r\n .\r\n", []string{"10.1.1.1"}
	app.DearchiveTimeout = 2 * time.Minute
	got := mustParse(t, "yaml", file,
		"SMTPRECEIVER_SMTP_IP_ADDRESS=127.0.0.1",
		"SMTPRECEIVER_SMTP_PORT=2525",
		"SMTPRECEIVER_CLIENTS=10.0.0.0/8; a,b;",
		"SMTPRECEIVER_MIN_FREE_SPACE=5 MiB",
		"SMTPRECEIVER_LOG_EVENT_LOG=",
		"SMTPRECEIVER_MILTER_TIMEOUT=60",
		"SMTPRECEIVER_APPLICATIONS_FAX_2_A_OUTPUT_FOLDER=/srv/fax=1",
		"SMTPRECEIVER_APPLICATIONS_FAX_2_A_ENABLED=0",
		"SMTPRECEIVER_APPLICATIONS_FAX_2_A_FROM_ENABLED=.*@example;.*@example.org",
		"SMTPRECEIVER_APPLICATIONS_FAX_2_A_FORMAT_PREFERENCE=htm;txt",
		"SMTPRECEIVER_APPLICATIONS_FAX_2_A_CLIENTS=",
		`SMTPRECEIVER_APPLICATIONS_FAX_2_A_NONSTANDARD_DATA_TERMINATOR=\r\n .\r\n`,
		"SMTPRECEIVER_APPLICATIONS_Fax_2_a_NONSTANDARD_DATA_TERMINATOR_CLIENTS=10.1.1.1",
		"SMTPRECEIVER_APPLICATIONS_FAX_2_A_DEARCHIVE_TIMEOUT=120",
		"PATH=/bin", "SMTPRECEIVER_NO_EQUALS_SIGN", "OTHER_SMTPRECEIVER_X=1",
	)
	if diff := cmp.Diff(want, got, values); diff != "" {
		t.Errorf("settings differ (-want +got):\n%s", diff)
	}
}

// TestEnvironmentAlone makes an application that no file has; viper's
// AutomaticEnv would not see any of its keys.
func TestEnvironmentAlone(t *testing.T) {
	t.Parallel()
	want := mustParse(t, "yaml", minimal)
	got := mustParse(t, "yaml", "",
		"SMTPRECEIVER_APPLICATIONS_FAX_ADDRESSES=.*@fax$",
		"SMTPRECEIVER_APPLICATIONS_FAX_OUTPUT_FOLDER=/var/spool/fax",
		"SMTPRECEIVER_APPLICATIONS_FAX_CTL_TYPE=fax",
	)
	if diff := cmp.Diff(want, got, values); diff != "" {
		t.Errorf("settings differ (-want +got):\n%s", diff)
	}
}

func TestEnvironmentProblems(t *testing.T) {
	t.Parallel()
	const twins = "applications:\n  fax-1: &fax {output_folder: /x, ctl_type: fax, addresses: a}\n  fax_1: *fax\n"
	const apart = "applications:\n  a: &fax {output_folder: /x, ctl_type: fax, addresses: a}\n  fax-1: *fax\n  b: *fax\n  c: *fax\n  fax.1: *fax\n"
	for _, test := range []struct {
		file, variable string
		want           []string
	}{
		{minimal, "SMTPRECEIVER_SMPT_PORT=25", []string{"SMTPRECEIVER_SMPT_PORT: unknown environment variable: did you mean SMTPRECEIVER_SMTP_PORT?"}},
		{minimal, "SMTPRECEIVER_APPLICATIONS_FAX_OUTPUT_FOLER=/x", []string{"SMTPRECEIVER_APPLICATIONS_FAX_OUTPUT_FOLER: unknown environment variable: did you mean SMTPRECEIVER_APPLICATIONS_FAX_OUTPUT_FOLDER?"}},
		{minimal, "SMTPRECEIVER_=1", []string{"SMTPRECEIVER_: unknown environment variable: unset it; the names are SMTPRECEIVER_<KEY> and SMTPRECEIVER_APPLICATIONS_<NAME>_<KEY> and SMTPRECEIVER_CONSUME_<NAME>_<KEY>"}},
		{minimal, "SMTPRECEIVER_CTL_LAYOUT=x", []string{"SMTPRECEIVER_CTL_LAYOUT: sets a map, which the environment cannot: write it in the file"}},
		{minimal, "SMTPRECEIVER_TAGS_MINE_DR=x", []string{"SMTPRECEIVER_TAGS_MINE_DR: sets a map, which the environment cannot: write it in the file"}},
		{minimal, "SMTPRECEIVER_APPLICATIONS_NEW_TRANSFORM=x", []string{"SMTPRECEIVER_APPLICATIONS_NEW_TRANSFORM: sets a map, which the environment cannot: write it in the file"}},
		{minimal, "SMTPRECEIVER_APPLICATIONS_FAX_TRANSFORM_SUBJECT=x", []string{"SMTPRECEIVER_APPLICATIONS_FAX_TRANSFORM_SUBJECT: sets a map, which the environment cannot: write it in the file"}},
		{minimal, "SMTPRECEIVER_MILTER_TIMEOUT=soon", []string{`milter.timeout: environment variable SMTPRECEIVER_MILTER_TIMEOUT: "soon" is not a valid duration: write seconds (60) or a time with its unit (60s, 10m, 1h30m)`}},
		{minimal, "SMTPRECEIVER_SMTP_PORT=", []string{`smtp_port: environment variable SMTPRECEIVER_SMTP_PORT: "" is not a valid number: write a whole number`}},
		{"smtp_port: [25]\n" + minimal, "SMTPRECEIVER_SMTP_PORT=99999", []string{
			"smtp_port: a list where one value must be: write a whole number",
			"smtp_port: environment variable SMTPRECEIVER_SMTP_PORT: 99999 is too large: at most 65535"}},
		{minimal, "SMTPRECEIVER_APPLICATIONS_SMS_ENABLED=maybe", []string{
			`applications.sms.addresses: missing (the section is there because of environment variable SMTPRECEIVER_APPLICATIONS_SMS_ENABLED): set it, for example (?P<number>\+?\d+)@fax$`,
			"applications.sms.ctl_type: missing (the section is there because of environment variable SMTPRECEIVER_APPLICATIONS_SMS_ENABLED): set it, for example fax",
			`applications.sms.enabled: environment variable SMTPRECEIVER_APPLICATIONS_SMS_ENABLED: "maybe" is not a valid bool: write 1 or true, 0 or false`,
			"applications.sms.output_folder: missing (the section is there because of environment variable SMTPRECEIVER_APPLICATIONS_SMS_ENABLED): set it, for example /var/spool/smtpreceiver/fax"}},
		{twins, "SMTPRECEIVER_APPLICATIONS_FAX_1_ENABLED=1", []string{"SMTPRECEIVER_APPLICATIONS_FAX_1_ENABLED: may mean fax-1 or fax_1: rename one of these sections, or set the key in the file"}},
		{apart, "SMTPRECEIVER_APPLICATIONS_FAX_1_ENABLED=0", []string{"SMTPRECEIVER_APPLICATIONS_FAX_1_ENABLED: may mean fax-1 or fax.1: rename one of these sections, or set the key in the file"}},
		{minimal, "SMTPRECEIVER_SMTP_IP_ADRESS=::1", []string{"SMTPRECEIVER_SMTP_IP_ADRESS: unknown environment variable: did you mean SMTPRECEIVER_SMTP_IP_ADDRESS?"}},
		{minimal, "SMTPRECEIVER_APPLICATIONS_A B C D E_ENABLED=1", []string{"SMTPRECEIVER_APPLICATIONS_A B C D E_ENABLED: unknown environment variable: unset it; the names are SMTPRECEIVER_<KEY> and SMTPRECEIVER_APPLICATIONS_<NAME>_<KEY> and SMTPRECEIVER_CONSUME_<NAME>_<KEY>"}},
	} {
		t.Run(test.variable, func(t *testing.T) {
			t.Parallel()
			got := problemsOf(t, "yaml", test.file, test.variable)
			if diff := cmp.Diff(test.want, strings.Split(got, "\n")); diff != "" {
				t.Errorf("problems differ (-want +got):\n%s", diff)
			}
		})
	}
}

// TestEnvironmentNames makes sure that no two keys share a variable.
func TestEnvironmentNames(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, key := range Keys() {
		name := envName(key.Name)
		if other, twice := seen[name]; twice {
			t.Errorf("%s and %s share the variable %s", key.Name, other, name)
		}
		seen[name] = key.Name
	}
}
