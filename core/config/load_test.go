package config

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const minimal = `
applications:
  fax:
    output_folder: /var/spool/fax
    ctl_type: fax
    addresses: .*@fax$
`

// mustParse is Parse for configurations that are right.
func mustParse(t *testing.T, format, data string, environ ...string) *Settings {
	t.Helper()
	s, err := Parse(format, []byte(data), environ)
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	return s
}

// values compares settings without where they come from.
var values = cmp.Options{cmpopts.IgnoreUnexported(Settings{}), cmpopts.IgnoreFields(Settings{}, "Files")}

// problemsOf is Parse for configurations that are wrong.
func problemsOf(t *testing.T, format, data string, environ ...string) string {
	t.Helper()
	s, err := Parse(format, []byte(data), environ)
	if err == nil {
		t.Fatalf("Parse found nothing wrong: %+v", s)
	}
	return err.Error()
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	want := &Settings{
		SMTPPort: 25, ThreadNum: 5, MaxWaiting: 1000, SocketTimeout: time.Minute, Clients: []string{}, ProxyProtocolFrom: []string{},
		ForwardSMTPServerPort: 25, ForwardTLS: "none",
		OutputCodePage: "cp1250", StateDirectory: "/var/lib/smtpreceiver",
		CTLLayout: map[string]string{}, Tags: map[string]map[string]string{},
		LogConsole: "EWI", LogEventLog: "EW", LogFile: "EWI",
		MaxMessageSize: 50 << 20, MaxRecipients: 1000, MaxMIMEDepth: 50, MaxMIMEParts: 1000, MaxHeaderSize: 1 << 20, MaxHeaderFields: 1000, MaxHops: 50, MaxFilesPerMessage: 10000,
		TransactionTimeout: 10 * time.Minute, MemoryPerMessage: 256 << 10, MinFreeSpace: 100 << 20,
		BareNewlines: "reject", DSNOffer: "auto", ShutdownTimeout: 30 * time.Second,
		Authentication: Authentication{Backend: "none", SenderMustMatch: true, MaxFailures: 5, FailureWindow: 10 * time.Minute, Timeout: 10 * time.Second},
		Senders:        Senders{Backend: "none", Unknown: "refuse", Cache: time.Minute, Timeout: 10 * time.Second, Attributes: map[string]string{}},

		TLS:     TLS{MinVersion: "1.2"},
		LMTP:    LMTP{SocketMode: 0o660},
		Metrics: Metrics{SocketMode: 0o660, Hosts: []string{}},
		Reports: Reports{SMTPPort: 25, TLS: "none", DelayAfter: 4 * time.Hour},
		Queue:   Queue{Servers: []string{}, Monitor: []string{}, Unsynced: "refuse", Name: "smtpreceiver", Replicas: 3, MaxSize: 10 << 30, CommitTimeout: time.Minute},
		Milter:  Milter{Listen: "unix:/run/smtpreceiver/milter.sock", SocketMode: 0o660, Timeout: 10 * time.Minute, OnUnlistedClient: "reject"},
		Applications: map[string]*Application{"fax": {
			Enabled: true, OutputFolder: "/var/spool/fax", CTLType: "fax", Addresses: []string{".*@fax$"},
			FromEnabled: []string{".*"}, FromDisabled: []string{}, NumbersAllowed: []string{}, NumbersDenied: []string{}, MaxParts: 10, SMSText: []string{}, Clients: []string{}, FormatPreference: []string{"txt"},
			NonstandardDataTerminatorClients: []string{}, CTLSettings: []string{},
			Transform: map[string]string{}, CTLLayout: map[string]string{}, Dearchive: map[string][]string{},
			DearchiveTimeout: time.Minute, DearchiveMaxSize: 200 << 20,
		}},
		Consume: map[string]*Consumer{},
	}
	if diff := cmp.Diff(want, mustParse(t, "yaml", minimal), values); diff != "" {
		t.Errorf("defaults differ (-want +got):\n%s", diff)
	}
}

// TestFormatsAgree reads the same configuration in three formats and holds it
// against what it says.
func TestFormatsAgree(t *testing.T) {
	t.Parallel()
	want := mustParse(t, "yaml", minimal)
	want.SMTPPort, want.SocketTimeout, want.IDAllocated = 2525, 90*time.Second, 18446744073709551615
	want.Clients = []string{"localhost", "192.168.1.0-192.168.1.31"}
	want.LogFile, want.LogRcvData = "EWIT", true
	want.MaxMessageSize, want.MinFreeSpace = 20_000_000, 0
	want.CTLLayout = map[string]string{"from/SMTP": "Sender/Accounting", "system/app.name": ""}
	want.Tags = map[string]map[string]string{"Office": {"Urgent": "system|priority|high"}}
	want.Milter.SocketMode, want.Milter.OnUnlistedClient = 0o600, "pass"
	app := want.Applications["fax"]
	delete(want.Applications, "fax")
	want.Applications["Fax.Prague-1"] = app
	app.Enabled, app.ProcessAttachments = false, true
	app.Addresses = []string{`(?P<number>\+?\d+)@fax$`, `a, b; c`}
	app.FormatPreference = []string{"htm", "txt"}
	app.CmdTags = "Office"
	app.NonstandardDataTerminator, app.NonstandardDataTerminatorClients = "\r\n .\r\n", []string{"10.0.0.1"}
	app.Transform = map[string]string{"from/Name": "<%subject%>", "X.Y/Z::W": "0123"}
	app.Dearchive = map[string][]string{"zip": {"bsdtar", "-xf", "{archive}"}, "Z": {"uncompress"}}
	want.ForwardSMTPServer = "mail.example.com"
	for _, format := range formats {
		data, err := os.ReadFile("testdata/good/full." + format)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, mustParse(t, format, string(data)), values); diff != "" {
			t.Errorf("%s differs (-want +got):\n%s", format, diff)
		}
	}
}

// TestSpellings covers values whose type a format would guess wrongly.
func TestSpellings(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, format, data string
		got                func(*Settings) any
		want               any
	}{
		{"bare number is seconds", "yaml", "socket_timeout: 60", func(s *Settings) any { return s.SocketTimeout }, time.Minute},
		{"number in JSON is seconds", "json", `{"socket_timeout": 60}`, func(s *Settings) any { return s.SocketTimeout }, time.Minute},
		{"leading zero stays", "yaml", "forward_password: 0123\nforward_username: 007\nforward_tls: implicit", func(s *Settings) any { return s.ForwardUsername + s.ForwardPassword }, "0070123"},
		{"octal mode without quotes", "yaml", "milter: {socket_mode: 0600}", func(s *Settings) any { return s.Milter.SocketMode }, uint32(0o600)},
		{"octal mode without zero", "json", `{"milter": {"socket_mode": 640}}`, func(s *Settings) any { return s.Milter.SocketMode }, uint32(0o640)},
		{"capital True", "yaml", "log_rcv_data: True\nlog_console: T", func(s *Settings) any { return s.LogRcvData }, true},
		{"boolean as number", "toml", "log_rcv_data = 1\nlog_console = \"T\"", func(s *Settings) any { return s.LogRcvData }, true},
		{"key in capitals", "yaml", "SMTP_Port: 26\nMilter: {Timeout: 5}", func(s *Settings) any { return s.SMTPPort + int(s.Milter.Timeout/time.Second) }, 31},
		{"empty value keeps the default", "yaml", "smtp_port:\nclients: ~", func(s *Settings) any { return s.SMTPPort + len(s.Clients) }, 25},
		{"null in JSON keeps the default", "json", `{"smtp_port": null}`, func(s *Settings) any { return s.SMTPPort }, 25},
		{"empty text is empty", "yaml", `log_event_log: ""`, func(s *Settings) any { return s.LogEventLog }, ""},
		{"any free port", "yaml", "smtp_port: 0", func(s *Settings) any { return s.SMTPPort }, 0},
		{"clients are not split", "yaml", "clients: a,b;c", func(s *Settings) any { return s.Clients[0] }, "a,b;c"},
		{"byte order mark", "json", "\ufeff{\"smtp_port\": 26}", func(s *Settings) any { return s.SMTPPort }, 26},
		{"a merged key yields to the mapping's own", "yaml", "milter: {timeout: 7, <<: {Timeout: 5, listen: 'inet:1@127.0.0.1'}}", func(s *Settings) any { return s.Milter.Timeout }, 7 * time.Second},
		{"values in a tree are what they are written as", "yaml", "applications: {x: {output_folder: /x, ctl_type: sms, addresses: a}}\nconsume: {x: {target: http, url: 'http://h/', json: {a: 1, b: 1.50, c: true, d: '1', e: ~, f: 0x1}}}",
			func(s *Settings) any {
				var all []string
				for _, m := range s.Consume["x"].JSON.Object {
					if m.Value.Text != nil {
						all = append(all, "text "+*m.Value.Text)
						continue
					}
					all = append(all, m.Value.Literal)
				}
				return strings.Join(all, ", ")
			}, "1, 1.50, true, text 1, null, text 0x1"},
		{"numbers in a tree of TOML", "toml", "[applications.x]\noutput_folder = '/x'\nctl_type = 'sms'\naddresses = 'a'\n[consume.x]\ntarget = 'http'\nurl = 'http://h/'\njson = {a = 1, b = '1'}",
			func(s *Settings) any {
				o := s.Consume["x"].JSON.Object
				return o[0].Value.Literal + ", " + *o[1].Value.Text
			}, "1, 1"},
		{"anchor and merge", "yaml", "milter: &m {timeout: 5}\nctl_layout: {<<: [{a/b: c/d}, {a/b: lost, e/f: g/h}], x/y: z}", func(s *Settings) any { return s.CTLLayout["a/b"] + s.CTLLayout["e/f"] }, "c/dg/h"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := mustParse(t, test.format, test.data, "SMTPRECEIVER_FORWARD_SMTP_SERVER=mail.example.com")
			if got := test.got(s); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestRefusedFiles(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, format, data, want string }{
		{"format", "ini", "", `unknown format "ini"`},
		{"environment format of viper", "env", "SMTP_PORT=25", `unknown format "env"`},
		{"JSON syntax", "json", "{\n\"smtp_port\": 25,\n}", "line 3: "},
		{"JSON is empty", "json", "", "unexpected end"},
		{"JSON key twice", "json", `{"smtp_port": 1, "smtp_port": 2}`, `smtp_port: given twice`},
		{"TOML syntax", "toml", "smtp_port = 25\nclients = [", "line 2: "},
		{"TOML mode without quotes", "toml", "[milter]\nsocket_mode = 0o660", "milter.socket_mode: a number without quotes"},
		{"not UTF-8 behind a sign of it", "yaml", "# \ufffd\n\xff", "line 2: not UTF-8"},
		{"list at the top", "yaml", "- smtp_port", "configuration: a list where a section must be"},
		{"YAML key is a list", "yaml", "? [a]\n: b", "line 1: a key must be a word"},
		{"alias within itself", "yaml", "clients: &a [*a]", "nested more than 20 levels deep"},
		{"aliases multiply", "yaml", "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n" +
			"d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n", "more than 100000 values"},
		{"deep TOML", "toml", "clients = " + strings.Repeat("[", 30) + strings.Repeat("]", 30), "nested more than 20"},
		{"deep TOML that would overflow the parser's stack", "toml", "clients = " + strings.Repeat("[", maxFileSize-20), "more than 10000 brackets"},
		{"deep JSON", "json", strings.Repeat("[", 30) + strings.Repeat("]", 30), "nested more than 20"},
		{"large", "yaml", strings.Repeat("#", maxFileSize+1), "larger than 1048576 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := problemsOf(t, test.format, test.data); !strings.Contains(got, test.want) {
				t.Errorf("got %q, want it to say %q", got, test.want)
			}
		})
	}
}

// TestSecretStaysOut makes sure that no message repeats a password.
func TestSecretStaysOut(t *testing.T) {
	t.Parallel()
	for _, data := range []string{"forward_password: hunter2", "forward_password: [hunter2]", "forward_pasword: hunter2", "forward_password: {a: hunter2}"} {
		if got := problemsOf(t, "yaml", data, "SMTPRECEIVER_FORWARD_PASWORD=hunter2"); strings.Contains(got, "hunter2") {
			t.Errorf("%s: message has the password: %s", data, got)
		}
	}
}

func TestLoadFinds(t *testing.T) {
	t.Parallel()
	empty, second := t.TempDir(), t.TempDir()
	file := filepath.Join(second, "smtpreceiver.toml")
	write(t, file, `forward_smtp_server = "mail.example.com"`)
	s, read, err := Load(Source{Dirs: []string{empty, filepath.Join(empty, "none"), second}})
	if err != nil || read != file || s.ForwardSMTPServer != "mail.example.com" {
		t.Errorf("Load = %+v, %q, %v", s, read, err)
	}

	_, read, err = Load(Source{Dirs: []string{empty}})
	var problems Problems
	if !errors.As(err, &problems) || read != "" || !strings.Contains(err.Error(), filepath.Join(empty, "smtpreceiver.json")) {
		t.Errorf("nothing to find: %q, %v", read, err)
	}

	write(t, filepath.Join(second, "smtpreceiver.yaml"), "")
	if _, _, err = Load(Source{Dirs: []string{second}}); err == nil || err.Error() != filepath.Join(second, "smtpreceiver.yaml")+": is not the only configuration there: "+file+" too: remove all but one" {
		t.Errorf("two files: %v", err)
	}
}

// TestHidden: a file of the working directory that was forgotten there is read in the
// place of the one that the services have.
func TestHidden(t *testing.T) {
	t.Parallel()
	here, system := t.TempDir(), t.TempDir()
	file, other := filepath.Join(here, "smtpreceiver.yaml"), filepath.Join(system, "smtpreceiver.toml")
	dirs := []string{here, system}
	if got := hidden(file, dirs); got != "" {
		t.Errorf("nothing there: %s", got)
	}
	write(t, other, "")
	if got := hidden(file, dirs); got != other {
		t.Errorf("%q, want %s", got, other)
	}
	if got := hidden(other, dirs); got != "" {
		t.Errorf("the system's hides %s", got)
	}
	if got := hidden(other, []string{system, system}); got != "" {
		t.Errorf("in its own folder it hides %s", got)
	}
	if got := hidden("", []string{".", system}); got != "" {
		t.Errorf("none hides %s", got)
	}
}

// TestLoadLooksHere: without a word of it the file in the working directory comes
// before the one of the system.
func TestLoadLooksHere(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("ProgramData", t.TempDir())
	write(t, "smtpreceiver.yaml", "forward_smtp_server: mail.example.com")
	if _, read, err := Load(Source{}); err != nil || read != "smtpreceiver.yaml" {
		t.Errorf("Load = %q, %v", read, err)
	}
	if want, _ := find(defaultDirs()[1:]); Hidden("smtpreceiver.yaml") != want {
		t.Errorf("it hides %q, want %q", Hidden("smtpreceiver.yaml"), want)
	}
	if got := defaultDirs(); len(got) != 2 || runtime.GOOS != "windows" && got[1] != "/etc/smtpreceiver" {
		t.Errorf("looked for in %q", got)
	}
	if _, _, err := Load(Source{Dirs: []string{"smtpreceiver.yaml"}}); err == nil || !strings.HasPrefix(filepath.ToSlash(err.Error()), "smtpreceiver.yaml/smtpreceiver.yaml: cannot be read: ") {
		t.Errorf("a file in the place of the folder: %v", err)
	}
}

// TestBounds of what is read: exactly as much as may be, and no more.
func TestBounds(t *testing.T) {
	t.Parallel()
	nest := func(levels int, begin, end string) string {
		return strings.Repeat(begin, levels) + strings.Repeat(end, levels)
	}
	for _, tt := range []struct {
		name, format, least, most string
	}{
		{"lists in YAML", "yaml", nest(21, "[", "]"), nest(22, "[", "]")},
		{"sections in YAML", "yaml", nest(20, "{a: ", "}"), nest(21, "{a: ", "}")},
		{"aliases in YAML", "yaml", "a: &a " + nest(19, "[", "]") + "\nb: [*a]", "a: &a " + nest(20, "[", "]") + "\nb: [*a]"},
		{"lists in JSON", "json", nest(21, "[", "]"), nest(22, "[", "]")},
		{"sections in JSON", "json", nest(20, `{"a":`, "}")[:20*5] + "1" + strings.Repeat("}", 20), nest(20, `{"a":`, "}")[:20*5] + "[1]" + strings.Repeat("}", 20)},
		{"lists in TOML", "toml", "a = " + nest(20, "[", "]"), "a = " + nest(21, "[", "]")},
		{"sections in TOML", "toml", nest(20, "{a = ", "}")[1:20*5] + "1" + strings.Repeat("}", 19), nest(20, "{a = ", "}")[1:20*5] + "[1]" + strings.Repeat("}", 19)},
		{"brackets in TOML", "toml", "#" + strings.Repeat("[{", 5000), "#" + strings.Repeat("[{", 5000) + "{"},
		{"bytes", "yaml", strings.Repeat("#", 1<<20), strings.Repeat("#", 1<<20+1)},
	} {
		if _, err := new(treeBuilder).tree(tt.format, []byte(tt.least)); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if _, err := new(treeBuilder).tree(tt.format, []byte(tt.most)); err == nil || !strings.Contains(err.Error(), "which is no configuration") {
			t.Errorf("%s, more than may be: %v", tt.name, err)
		}
	}
	b := &treeBuilder{nodes: 100_000 - 1}
	if b.enter(0) != nil || b.enter(0) == nil {
		t.Error("100,000 values are too many, or one more is not")
	}
	file := filepath.Join(t.TempDir(), "large.yaml")
	write(t, file, strings.Repeat("#", 1<<20+1))
	if _, _, err := Load(Source{File: file}); err == nil || !strings.Contains(err.Error(), "larger than 1048576 bytes") {
		t.Errorf("a large file: %v", err)
	}
}

// TestNeedsScratch: where archives are unpacked, or jobs go into a queue.
func TestNeedsScratch(t *testing.T) {
	t.Parallel()
	unpack := map[string][]string{"zip": {"a"}}
	for _, tt := range []struct {
		servers []string
		app     Application
		want    bool
	}{
		{nil, Application{}, false}, {nil, Application{ProcessAttachments: true}, false}, {nil, Application{Dearchive: unpack}, false},
		{nil, Application{ProcessAttachments: true, Dearchive: unpack}, true}, {[]string{"a"}, Application{}, true},
	} {
		if got := (&Settings{Queue: Queue{Servers: tt.servers}}).NeedsScratch(&tt.app); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}

func TestLoadNamedFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "gateway.YML")
	write(t, file, "forward_smtp_server: mail.example.com")
	if _, read, err := Load(Source{File: file}); err != nil || read != file {
		t.Errorf("Load = %q, %v", read, err)
	}
	for _, bad := range []string{file + ".missing.yaml", filepath.Dir(file), filepath.Join(file, "below.yaml")} {
		if s, read, err := Load(Source{File: bad}); err == nil || s != nil || read != bad || !strings.HasPrefix(err.Error(), bad+": ") {
			t.Errorf("Load(%s) = %v, %q, %v", bad, s, read, err)
		}
	}
}

func write(t *testing.T, file, data string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
}
