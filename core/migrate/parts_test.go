package migrate

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMend(t *testing.T) {
	for expr, want := range map[string]string{
		`(?P<number>\d+)@fax$`:    `(?P<number>\d+)@fax$`,
		`?(P<number>\d+)@fax`:     `(?P<number>\d+)@fax`,
		`a|(?(P<number>\d+)@fax)`: `a|((?P<number>\d+)@fax)`,
		`a|?(P<n>\d+)`:            `a|(?P<n>\d+)`,
		`\|?(P<n>\d+)`:            `\|?(P<n>\d+)`, // the ? belongs to the |
		`\++?(P<n>\d+)`:           `\++?(P<n>\d+)`,
		`[?(P<n>]`:                `[?(P<n>]`,
		`[|?(P<n>)]`:              `[|?(P<n>)]`,
		`[]|?(P<n>)]?(P<n>)`:      `[]|?(P<n>)]?(P<n>)`,
		`\d+@fax\Z`:               `\d+@fax\z`,
		`\\Z`:                     `\\Z`,
		`\\\Z`:                    `\\\z`,
		`[\Z]`:                    `[\Z]`,
		`(?u)a`:                   `a`,
		`(?iu)a`:                  `(?i)a`,
		`(?L)a`:                   `(?L)a`,
		`a\`:                      `a\`,
		`[`:                       `[`,
	} {
		got, mends := mend(expr)
		if got != want || (len(mends) > 0) != (got != expr) {
			t.Errorf("%s: %s, want %s; %q", expr, got, want, mends)
		}
	}
}

func TestFolders(t *testing.T) {
	folders, err := ParseFolders([]string{`D:\FaxChange=/srv/fax`, `d:\faxchange\mail\=/var/spool/in/`, `E:\=/`, `\\server\share=/mnt`})
	if err != nil {
		t.Fatal(err)
	}
	for old, want := range map[string]string{
		`D:\FaxChange\log\smtp.log`: "/srv/fax/log/smtp.log",
		`d:/FAXCHANGE/`:             "/srv/fax",
		`D:\FaxChange\Mail\in`:      "/var/spool/in/in",
		`D:\FaxChange\mailing`:      "/srv/fax/mailing",
		`D:\FaxChange2`:             "",
		`D:\FaxChange\..\x`:         "",
		`E:\a\b\`:                   "/a/b",
		`E:`:                        "/",
		`\\SERVER\share\a`:          "/mnt/a",
		`C:\a`:                      "",
	} {
		if got, ok := folders.apply(old); got != want || ok != (want != "") {
			t.Errorf("%s: %q, %t, want %q", old, got, ok, want)
		}
	}
	for _, bad := range []string{"", "a", "=b", "a=", " = "} {
		if _, err := ParseFolders([]string{bad}); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestOrder(t *testing.T) {
	names := []string{"10", "9", "", "addr_re_10", "b", "addr_re_9", "ADDR_RE_11", "010", "a"}
	slices.SortFunc(names, compareNames)
	if diff := cmp.Diff([]string{"", "9", "010", "10", "a", "addr_re_9", "addr_re_10", "ADDR_RE_11", "b"}, names); diff != "" {
		t.Error(diff)
	}
	_, r := importText(t, minimal+"["+top+"\\applications\\Zeta]\n\"output_folder\"=\"D:\\\\z\"\n\"ctl_type\"=\"sms\"\n["+top+"\\applications\\Zeta\\addresses]\n\"addr_re_0\"=\".*@z\"")
	if !strings.Contains(lines(r, Changed), "asked in the order Zeta, fax") {
		t.Error(lines(r, Changed))
	}
}

// TestApplicationNames: names that the configuration cannot have get one.
func TestApplicationNames(t *testing.T) {
	export := minimal
	for _, name := range []string{"fax ž", "Fax_Z", "日", strings.Repeat("x", 100)} {
		export += strings.ReplaceAll(minimal[len(header):], `\fax`, `\`+name)
	}
	s, r := importText(t, export)
	for _, name := range []string{"fax", "fax_z", "Fax_Z2"} {
		if s.Applications[name] == nil {
			t.Errorf("no application %s in\n%s", name, r.YAML)
		}
	}
	if len(s.Applications) != 5 || strings.Count(lines(r, Changed), "is called") != 4 {
		t.Errorf("%d applications; %s", len(s.Applications), lines(r, Changed))
	}
}

// TestApplicationName: a name has what a configuration takes, at most 60 bytes before its
// number, and is not taken in any case of letters.
func TestApplicationName(t *testing.T) {
	taken := map[string]bool{"fax": true, "fax2": true}
	for name, want := range map[string]string{
		"": "_", "a b/c": "a_b_c", "A.b_c-1": "A.b_c-1", "FAX": "FAX3", "fax2": "fax22", "žluť": "zlut",
		strings.Repeat("x", 60): strings.Repeat("x", 60), strings.Repeat("x", 61): strings.Repeat("x", 60),
	} {
		if got := applicationName(name, taken); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}

// TestTags: where the definition of @commands is found and what it may say.
func TestTags(t *testing.T) {
	const defined = "\n\"@dr\"=\"system|dr\"\n\"report\"=\"system|dr|1\"\n\"note\"=\"note\"\n\"bad\"=dword:00000001\n\"a b\"=\"x\"\n\"empty\"=\"\"\n\"\"=\"\"\n\"last\"=\"last\"\n[%\\sub]\n\"x\"=\"y\"\n"
	use := func(path string) string {
		return "[" + fax + "]\n\"cmd_tags\"=\"" + strings.ReplaceAll(path, `\`, `\\`) + "\"\n"
	}
	const key = `HKEY_LOCAL_MACHINE\SOFTWARE\Datasys\FaxChange\info\smtp_tag`
	in := func(key string) string { return "[" + key + "]" + strings.ReplaceAll(defined, "%", key) }
	for name, tt := range map[string]struct{ export, set, lost string }{
		"below HKLM":       {minimal + use(`SOFTWARE\Datasys\FaxChange\info\smtp_tag`) + in(key), "faxchange_info_smtp_tag", "bad"},
		"whole path":       {minimal + use(`HKLM\software\datasys\faxchange\info\smtp_tag\`) + in(key), "faxchange_info_smtp_tag", "sub: x"},
		"32-bit view":      {strings.ReplaceAll(minimal+use(`SOFTWARE\Datasys\FaxChange\info\smtp_tag`)+in(key), `SOFTWARE\Datasys\UMS`, `SOFTWARE\WOW6432Node\Datasys\UMS`), "faxchange_info_smtp_tag", "empty"},
		"both 32-bit":      {strings.ReplaceAll(minimal+in(key), `SOFTWARE\`, `SOFTWARE\WOW6432Node\`) + strings.ReplaceAll(use(`SOFTWARE\Datasys\FaxChange\info\smtp_tag`), top, strings.Replace(top, "SOFTWARE", `SOFTWARE\WOW6432Node`, 1)), "faxchange_info_smtp_tag", "a b"},
		"not there":        {minimal + use(`SOFTWARE\Datasys\MobilChange\info\smtp_tag`) + in(key), "mobilchange", ""},
		"by the kind":      {minimal + use(`SOFTWARE\Other\tags`), "faxchange", ""},
		"nothing readable": {minimal + use(`SOFTWARE\Datasys\MobilChange\t`) + "[HKLM\\SOFTWARE\\Datasys\\MobilChange\\t]\n\"x\"=hex:01\n", "mobilchange", `MobilChange\t: x`},
		"Datasys itself":   {minimal + use(`SOFTWARE\Datasys`) + in(`HKEY_LOCAL_MACHINE\SOFTWARE\Datasys`), "hkey_local_machine_software_datasys", "bad"},
		"view in the path": {minimal + use(`SOFTWARE\Wow6432Node\Datasys\FaxChange\info\smtp_tag`) + in(key), "faxchange_info_smtp_tag", "sub: x"},
		"only SOFTWARE":    {minimal + use(`HKEY_LOCAL_MACHINE\SOFTWARE`), "faxchange", ""},
		"only HKLM":        {minimal + use(`HKLM\`), "faxchange", ""},
	} {
		s, r := importText(t, tt.export)
		if got := s.Applications["fax"].CmdTags; got != tt.set || !strings.Contains(lines(r, Lost), tt.lost) {
			t.Errorf("%s: %s, want %s; %s", name, got, tt.set, lines(r, Lost))
		}
		if !strings.Contains(lines(r, Changed), "cmd_tags: the ") {
			t.Errorf("%s: no word of the set: %s", name, lines(r, Changed))
		}
		want := map[string]string{"dr": "system|dr", "report": "system|dr|1", "note": "system|note", "last": "system|last"}
		if diff := cmp.Diff(want, s.Tags[tt.set]); diff != "" && len(s.Tags) > 0 {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestCodePage: text that was read in the wrong page is told.
func TestCodePage(t *testing.T) {
	_, r := importText(t, strings.Replace(minimal, header, "REGEDIT4\r\n", 1)+"["+fax+"\\ctl_settings]\n\"system|x\"=\"\x81\"\n")
	if !strings.Contains(lines(r, Changed), "--code-page") {
		t.Error(lines(r, Changed))
	}
}

// TestSetsOfOneName: each key of @commands becomes one set, whoever uses it and however
// alike the names are.
func TestSetsOfOneName(t *testing.T) {
	export := minimal
	for app, path := range map[string]string{"fax": "a b", "fax1": "a_b", "fax2": "A?B", "fax3": "a b"} {
		if app != "fax" {
			export += strings.ReplaceAll(minimal[len(header):], `\fax`, `\`+app)
		}
		export += "[" + top + `\applications\` + app + "]\n\"cmd_tags\"=\"SOFTWARE\\\\Datasys\\\\" + path + "\"\n"
		export += `[HKEY_LOCAL_MACHINE\SOFTWARE\Datasys\` + path + "]\n\"x\"=\"" + path + "|x\"\n"
	}
	s, r := importText(t, export)
	if len(s.Tags) != 3 {
		t.Errorf("%d sets in\n%s", len(s.Tags), r.YAML)
	}
	for app, path := range map[string]string{"fax": "a b", "fax1": "a_b", "fax2": "A?B", "fax3": "a b"} {
		if got := s.Tags[s.Applications[app].CmdTags]["x"]; got != path+"|x" {
			t.Errorf("%s: %s in\n%s", app, got, r.YAML)
		}
	}
}

// TestNoPlace: keys below the lists of an application are told, wherever they stand,
// and take no client in.
func TestNoPlace(t *testing.T) {
	rest := minimal[len(header):] + "[" + fax + "]\n\"nonstandard_data_terminator\"=\"\\\\r\\\\n .\\\\r\\\\n\"\n[" + fax + `\Clients\Nonstandard_Data_Terminator]` + "\n\"1\"=\"192.0.2.1\"\n"
	for _, below := range []string{`clients\other`, `addresses\nonstandard_data_terminator`, `from_enabled\x`, `ctl_settings\x`, `transform\x`, `other`, `clients\nonstandard_data_terminator\x`} {
		key := "[" + fax + `\` + below + "]\n\"2\"=\"192.0.2.2\"\n"
		for _, export := range []string{header + key + rest, header + rest + key} {
			s, r := importText(t, export)
			if !strings.Contains(strings.ToLower(lines(r, Lost)), below+`: 2: "192.0.2.2": there is no such setting`) {
				t.Errorf("%s: %s", below, lines(r, Lost))
			}
			if a := s.Applications["fax"]; len(a.NonstandardDataTerminatorClients) != 1 || len(a.Clients) != 0 || len(a.Addresses) != 1 {
				t.Errorf("%s: clients %v, %v, addresses %v", below, a.Clients, a.NonstandardDataTerminatorClients, a.Addresses)
			}
		}
	}
}

// TestBareValues: no level at all is a setting of its own; elsewhere nothing is said.
func TestBareValues(t *testing.T) {
	for name, kept := range map[string]bool{"log_console": true, "log_event_log": true, "log_file": true, "logging_file_name": false, "smtp_port": false, "log_rcv_data": false, "authentication_lib": false} {
		_, r := importText(t, minimal+"["+top+"]\n\""+name+"\"=\"\"\n")
		if got := strings.Contains(string(r.YAML), "\n"+name+": ''\n"); got != kept || lines(r, Lost) != "" {
			t.Errorf("%s: kept %v; %s\n%s", name, got, lines(r, Lost), r.YAML)
		}
	}
}

func TestNumbers(t *testing.T) {
	for in, want := range map[string]string{"0": "0", " 1 ": "1", "2": "1", "-1": "1", "yes": "yes", "": "", "9223372036854775807": "1", "9223372036854775808": "9223372036854775808"} {
		if got := boolean(in); got != want {
			t.Errorf("boolean %q: %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{"0": "0", " 2 ": "2", "2147483647": "2147483647", "2147483648": "-2147483648", "4294967295": "-1", "4294967296": "4294967296", "-2": "-2", "x": "x"} {
		if got := signed(in); got != want {
			t.Errorf("signed %q: %q, want %q", in, got, want)
		}
	}
}

// TestNotWritten: what YAML cannot hold is an error, no half of a configuration.
func TestNotWritten(t *testing.T) {
	folders, err := ParseFolders([]string{"D:\\=/srv/\xff"})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := Import([]byte(minimal), Options{ANSI: cp1250, Folders: folders}); err == nil || r != nil || !strings.Contains(err.Error(), "UTF-8") {
		t.Errorf("%v, %v", r, err)
	}
}

// TestOddValues: a value of another kind than the original's is told, an empty one is
// nothing, and neither is in the configuration.
func TestOddValues(t *testing.T) {
	hex := func(lines ...string) string { // a REG_MULTI_SZ
		var b strings.Builder
		for _, c := range strings.Join(lines, "\x00") + "\x00\x00" {
			fmt.Fprintf(&b, "%02x,00,", c)
		}
		return "hex(7):" + strings.TrimSuffix(b.String(), ",")
	}
	for name, tt := range map[string]struct {
		values      string // below the application
		lost, keeps string // in what is lost, and in the configuration
	}{
		"setting in bytes":     {`\ctl_settings]` + "\n\"system|x\"=hex:01", `ctl_settings: system|x: "hex:01": it must be a string`, ""},
		"empty setting":        {`\ctl_settings]` + "\n@=\"\"\n\"system|y\"=\"\"", "", "ctl_settings:\n      - 'system|y = '"},
		"settings in one":      {`\ctl_settings]` + "\n\"system|x\"=" + hex("a", "b"), "write it as section|key = value", ""},
		"setting with a =":     {`\ctl_settings]` + "\n\"system|x = y\"=\"z\"", "write it as section|key = value", ""},
		"template in bytes":    {`\transform]` + "\n\"txt\"=hex:01", `transform: txt: "hex:01": it must be a string`, ""},
		"empty template":       {`\transform]` + "\n\"txt\"=\"\"\n@=\"\"", "", ""},
		"templates in one":     {`\transform]` + "\n\"txt\"=" + hex("a", "b"), "a transformation is a string", ""},
		"template as a number": {`\transform]` + "\n\"txt\"=dword:00000001", "a transformation is a string", ""},
		"template of no name":  {`\transform]` + "\n@=\"a\"", "a transformation is a string", ""},
		"template by any case": {`\transform]` + "\n\"FROM/Name\"=\"a\"", "", "transform:\n      from/name: a"},
		"expressions in one":   {`\from_disabled]` + "\n\"1\"=" + hex("a@b", " ", "c@d"), "", "from_disabled:\n      - 'a@b'\n      - 'c@d'"},
		"two values":           {"]\n\"ctl_type\"=" + hex("fax", "sms") + "\n\"process_attachments\"=\"1\"", `ctl_type: "fax,sms": it must be one value`, ""},
		"a value in bytes":     {"]\n\"process_attachments\"=hex:01", `process_attachments: "hex:01": it must be one value`, ""},
		"one value of many":    {"]\n\"process_attachments\"=" + hex("0"), "", "process_attachments: 0"},
		"no value of many":     {"]\n\"process_attachments\"=hex(7):00,00", "", ""},
		"formats":              {"]\n\"format_preference\"=\"eml; TXT;;doc\"", `format_preference: "doc": the formats are txt, eml, mht and htm`, "format_preference:\n      - eml\n      - txt"},
		"clients of no end":    {`\clients\nonstandard_data_terminator]` + "\n\"1\"=\"192.0.2.1\"", `"192.0.2.1": there is no terminator for them`, ""},
		"no clients of an end": {"]\n\"nonstandard_data_terminator\"=\"x\"", "no client is listed for it", ""},
		"add_re":               {`\addresses]` + "\n\"ADD_re_7\"=\"x@y\"\n\"other\"=\"z\"\n@=\"\"", "addresses: other: \"z\": the names of expressions are addr_re_0", "x@y"},
		"a tab in a template":  {`\transform]` + "\n\"txt\"=\"a\tb\"", "", `txt: "a\tb"`},
	} {
		r, err := Import([]byte(strings.ReplaceAll(minimal, "\"ctl_type\"=\"fax\"\n", "")+"["+fax+"]\n\"ctl_type\"=\"fax\"\n["+fax+tt.values+"\n"), Options{ANSI: cp1250})
		if err != nil {
			t.Fatal(err)
		}
		lost := lines(r, Lost)
		if (lost == "") != (tt.lost == "") || !strings.Contains(lost, tt.lost) || !strings.Contains(string(r.YAML), tt.keeps) {
			t.Errorf("%s: lost %s\n%s", name, lost, r.YAML)
		}
		if tt.keeps == "" && (strings.Contains(string(r.YAML), "\n    ctl_settings:\n") || strings.Contains(string(r.YAML), "\n    transform:\n")) {
			t.Errorf("%s:\n%s", name, r.YAML)
		}
	}
	if r, err := Import([]byte("no export"), Options{ANSI: cp1250}); r != nil || err == nil {
		t.Errorf("%v, %v", r, err)
	}
}

// TestShown: what is shown of a value ends no line and moves no cursor.
func TestShown(t *testing.T) {
	for in, want := range map[string]string{"a b": `"a b"`, `C:\a`: `"C:\a"`, `a"b`: `"a\"b"`, "a\nb": `"a\nb"`, "\x1b[2J": `"\x1b[2J"`, "": `""`, "ž": `"ž"`} {
		if got := shown(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
	if longest := strings.Repeat("a", maxShown); shown(longest) != `"`+longest+`"` {
		t.Error("the longest that is shown whole is not")
	}
	if got := shown(strings.Repeat("ž", 1<<20)); !strings.HasPrefix(got, `"žž`) || !strings.HasSuffix(got, `žž..." (2097152 bytes)`) || len(got) > maxShown+30 {
		t.Errorf("%d bytes, ends with %s", len(got), got[len(got)-30:])
	}
	if got := comment([]string{"a\rb", "", "c "}); got != "# a b\n#\n# c" {
		t.Errorf("%q", got)
	}
}
