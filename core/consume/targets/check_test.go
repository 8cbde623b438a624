package targets

import (
	"slices"
	"strings"
	"testing"

	"smtpreceiver/core/config"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	settings, loaded := config.Parse("yaml", []byte(`
ctl_layout: {to/number: ""}
applications:
  fax: {output_folder: /tmp, ctl_type: fax, addresses: x, format_preference: 'mht;txt'}
  off: {output_folder: /tmp, ctl_type: fax, addresses: x, enabled: 0, ctl_layout: {to/number: to/phone}}
consume:
  fax: {target: hylafax, on_failed: ['{nummer}']}
  off: {target: command, on_failed: [/bin/told, '{reason}'], command: [send, '{nummer}']}
  call: {application: off, target: asterisk, target_folder: /tmp, channel: SIP/1}
  late: {application: off, target: asterisk, target_folder: /tmp}
  mixed: {application: off, target: command, server: localhost, channel: x, context: y, skip_unknown: 0, arguments: [a, b]}
  sms: {application: off, target: smstools, target_folder: {a: b}, context: smtpreceiver}
  two: {application: fax, target: gammu}
  none: {application: off, target: sms}
  self: {application: off, target: folder, target_folder: /tmp}
  web: {application: off, target: http, form: {to: '{nummer}'}, method: GET, server: x}
  clear: {application: fax, target: http, url: 'http://sms.example.com', form: {to: '{text}'}}
`), nil)
	problems, ok := loaded.(config.Problems)
	if !ok || len(problems) != 2 {
		t.Fatalf("loaded: %v", loaded)
	}
	warnings := Check(settings, &problems)
	want := []string{
		`consume.call.channel: the channel "SIP/1" has no {number}`,
		"consume.clear.application: ctl_layout drops to/number, without which nothing can be handed on: rename the key instead",
		"consume.fax.application: ctl_layout drops to/number, without which nothing can be handed on: rename the key instead",
		"consume.fax.on_failed: the program needs its full path there is no {nummer}",
		"consume.late.channel: missing, target asterisk needs it: set it, for example to PJSIP/{number}@trunk",
		"consume.mixed.arguments: has no meaning for target command: remove it; it is a key of hylafax",
		"consume.mixed.channel: has no meaning for target command: remove it; it is a key of asterisk",
		"consume.mixed.command: missing, target command needs it: set it, for example to [/usr/local/bin/send, '{number}', '{txt}']",
		"consume.mixed.context: has no meaning for target command: remove it; it is a key of asterisk",
		"consume.mixed.server: has no meaning for target command: remove it; it is a key of hylafax",
		"consume.mixed.skip_unknown: has no meaning for target command: remove it; it is a key of hylafax",
		`consume.none.target: "sms" is not known here: write one of: hylafax, smstools, gammu, asterisk, command, http, folder`,
		"consume.off.command: the program needs its full path there is no {nummer}",
		"consume.self.target_folder: it is the output folder of the application itself: name another",
		"consume.sms.target_folder: a section where one value must be: write one value",
		"consume.two.application: ctl_layout drops to/number, without which nothing can be handed on: rename the key instead",
		"consume.two.target_folder: missing, target gammu needs it: set it, for example to /var/spool/gammu/outbox",
		"consume.web.form.to: there is no {nummer}",
		"consume.web.method: GET has no body: use query, or another method",
		"consume.web.server: has no meaning for target http: remove it; it is a key of hylafax",
		"consume.web.url: missing, target http needs it: set it, for example to https://sms.example.com/send",
	}
	if got := strings.Split(problems.Error(), "\n"); !slices.Equal(got, want) {
		t.Errorf("problems\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	want = []string{
		"consume.call.done_folder: asterisk reads a job's files there after it has taken the job, and who may write to /tmp could exchange them: name a folder beside it that belongs to the consumer's user",
		"consume.call.application: off is not enabled, so it makes no jobs",
		"applications.fax.format_preference: consume.clear needs the text in format txt, other jobs will fail",
		"consume.clear.url: what is sent can be read on the way, passwords too: use https",
		"consume.fax.application: consume.clear serves fax too; each job goes to one of the two",
		"applications.fax.format_preference: consume.fax can hand on format txt only, other jobs will fail",
		"consume.late.application: consume.call serves off too; each job goes to one of the two",
		"consume.late.done_folder: asterisk reads a job's files there after it has taken the job, and who may write to /tmp could exchange them: name a folder beside it that belongs to the consumer's user",
		"consume.late.application: off is not enabled, so it makes no jobs",
		"consume.mixed.application: consume.late serves off too; each job goes to one of the two",
		"consume.mixed.application: off is not enabled, so it makes no jobs",
		"consume.off.application: consume.mixed serves off too; each job goes to one of the two",
		"consume.off.application: off is not enabled, so it makes no jobs",
		"consume.self.application: consume.off serves off too; each job goes to one of the two",
		"consume.self.application: off is not enabled, so it makes no jobs",
		"consume.sms.application: consume.self serves off too; each job goes to one of the two",
		"consume.sms.application: off is not enabled, so it makes no jobs",
		"consume.two.application: consume.fax serves fax too; each job goes to one of the two",
		"applications.fax.format_preference: consume.two can hand on format txt only, other jobs will fail",
		"consume.web.application: consume.sms serves off too; each job goes to one of the two",
		"consume.web.application: off is not enabled, so it makes no jobs",
	}
	if !slices.Equal(warnings, want) {
		t.Errorf("warnings\n%s\nwant\n%s", strings.Join(warnings, "\n"), strings.Join(want, "\n"))
	}
}

// TestCheckWithoutApplication: of a consumer whose application is not there all else is
// checked.
func TestCheckWithoutApplication(t *testing.T) {
	t.Parallel()
	for _, k := range kinds {
		settings, loaded := config.Parse("yaml", []byte("applications:\n  sms: {output_folder: /tmp, ctl_type: sms, addresses: x}\nconsume:\n  zz: {application: sms, target: command}\n  gone: {target: "+k.name+", target_folder: /tmp, channel: x, command: [/bin/true], url: 'http://x/', form: {a: b}, convert: {doc: ''}}\n"), nil)
		problems, ok := loaded.(config.Problems)
		if !ok || len(problems) != 1 {
			t.Fatalf("loaded: %v", loaded)
		}
		for _, w := range Check(settings, &problems) {
			if strings.Contains(w, "applications.gone") || strings.Contains(w, "consume.gone.application") || strings.Contains(w, "done_folder") {
				t.Errorf("%s: %s", k.name, w)
			}
		}
		if said := problems.Error(); strings.Count(said, "consume.gone.application: ") > 1 || strings.Count(said, "consume.gone.convert") != 1 || !strings.Contains(said, "consume.zz.command: missing") {
			t.Errorf("%s:\n%s", k.name, said)
		}
	}
}

// TestCheckFormats: a web service that is sent no text takes messages of any format.
func TestCheckFormats(t *testing.T) {
	t.Parallel()
	for form, want := range map[string]bool{"{to: '{number}'}": false, "{text: '{text}'}": true} {
		settings, err := config.Parse("yaml", []byte("applications:\n  fax: {output_folder: /tmp, ctl_type: fax, addresses: x, format_preference: mht}\nconsume:\n  fax: {target: http, url: 'https://fax.example.com', form: "+form+"}\n"), nil)
		if err != nil {
			t.Fatal(err)
		}
		var problems config.Problems
		if warnings := Check(settings, &problems); slices.ContainsFunc(warnings, func(w string) bool { return strings.Contains(w, "format_preference") }) != want || len(problems) > 0 {
			t.Errorf("%s: %q, %v", form, warnings, problems)
		}
	}
}

// TestMissingConverters: each converter that is not installed is a warning of its own.
func TestMissingConverters(t *testing.T) {
	t.Parallel()
	settings, err := config.Parse("yaml", []byte(`
applications:
  fax: {output_folder: /tmp, ctl_type: fax, addresses: x}
consume:
  fax: {target: hylafax, convert: {doc: [/none/b, '{file}', '{dir}'], aaa: [/none/a, '{file}', '{dir}'], zip: [/bin/true, '{file}', '{dir}']}}
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	var problems config.Problems
	var got []string
	for _, w := range Check(settings, &problems) {
		if key, _, found := strings.Cut(w, ": "); found && strings.Contains(w, "until then jobs with such attachments wait") {
			got = append(got, key)
		}
	}
	if want := []string{"consume.fax.convert.aaa", "consume.fax.convert.doc"}; !slices.Equal(got, want) || len(problems) > 0 {
		t.Errorf("warnings %q, want %q; %v", got, want, problems)
	}
}

// TestTableAndKeys: the declaration of the keys names the same targets as the
// table does.
func TestTableAndKeys(t *testing.T) {
	t.Parallel()
	var names []string
	for _, k := range kinds {
		names = append(names, k.name)
	}
	const prefix = "consume.<name>."
	for _, declared := range config.Keys() {
		name, ours := strings.CutPrefix(declared.Name, prefix)
		if !ours {
			continue
		}
		if name == "target" && declared.Type != strings.Join(names, "|") {
			t.Errorf("target may be %s, the table has %s", declared.Type, names)
		}
		said, _, _ := strings.Cut(declared.Doc, ":")
		if !slices.Contains(names, strings.Split(said, ", ")[0]) {
			said = ""
		}
		if got := having(name); got != said {
			t.Errorf("%s is a key of %q by the table, of %q by its documentation", declared.Name, got, said)
		}
	}
	if names := ownKeys(); !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("not in order: %q", names)
	}
	for _, name := range ownKeys() {
		if !slices.ContainsFunc(config.Keys(), func(k config.Key) bool { return k.Name == prefix+name }) {
			t.Errorf("there is no key %s%s", prefix, name)
		}
	}
}

// TestCheckReports: a template or an address that cannot be, and whom reports do not
// reach.
func TestCheckReports(t *testing.T) {
	t.Parallel()
	const apps = `
applications:
  a: {output_folder: /z, ctl_type: fax, addresses: '(?P<number>\d+)@a$'}
  fax: {output_folder: /x, ctl_type: fax, addresses: '(?P<number>\d+)@fax$'}
  off: {output_folder: /o, ctl_type: fax, addresses: '(?P<number>\d+)@off$', enabled: 0}
  sms: {output_folder: /y, ctl_type: sms, addresses: '(?P<number>\d+)@sms$', max_parts: 0}
consume: {fax: {target: hylafax, arguments: [-m]}}
`
	for reports, want := range map[string]string{
		"":                                  "",
		"reports: {smtp_server: 127.0.0.1}": "reports: no section of consume hands on the jobs of application a, so their senders are told nothing\nreports: no section of consume hands on the jobs of application sms",
		"reports: {smtp_server: localhost}": "consume.fax.arguments: with -N or -f HylaFAX does not mail the senders",
		"reports: {smtp_server: 127.0.0.1, subject: '<%reasons%>'}": "reports.subject",
		"reports: {smtp_server: 127.0.0.1, text: '<%1 +%>'}":        "reports.text",
		"reports: {smtp_server: 127.0.0.1, from: nobody}":           "reports.from",
	} {
		data := reports + apps
		if strings.Contains(want, "arguments") {
			data = strings.Replace(data, "-m", "-mN", 1)
		}
		s, err := config.Parse("yaml", []byte(data), nil)
		if err != nil {
			t.Fatal(err)
		}
		var problems config.Problems
		said := strings.Join(Check(s, &problems), "\n")
		for _, p := range problems {
			said += "\n" + p.Key
		}
		if !strings.Contains(said, want) || want == "" && strings.Contains(said, "report") {
			t.Errorf("%s: %q, want %q", reports, said, want)
		}
	}
}

// TestCheckLayout: a layout that takes from jobs what every target needs would fail them
// after their 250.
func TestCheckLayout(t *testing.T) {
	t.Parallel()
	for layout, want := range map[string]string{
		"{system/subject: '', attachments/#_name: ''}":                "",
		"{system/txt: s/file, to/number: s/to, attachments/#: 'f/#'}": "",
		"{system/txt: ''}":             "system/txt",
		"{system/subject: system/txt}": "system/txt",
		"{to/number: ''}":              "to/number",
		"{attachments/count: ''}":      "attachments/count",
		"{attachments/#: ''}":          "attachments/1",
		"{attachments/#: '', attachments/#_name: '', attachments/count: ''}": "attachments/count",
	} {
		for _, attached := range []string{"0", "1"} {
			settings, err := config.Parse("yaml", []byte(`
ctl_layout: `+layout+`
applications: {fax: {output_folder: /tmp, ctl_type: fax, addresses: x, process_attachments: `+attached+`}}
consume: {fax: {target: command, command: [/bin/true]}}
`), nil)
			if err != nil {
				t.Fatal(err)
			}
			var problems config.Problems
			Check(settings, &problems)
			says := ""
			if want != "" && (attached == "1" || !strings.HasPrefix(want, "attachments/")) {
				says = "consume.fax.application: ctl_layout drops " + want + ", without which nothing can be handed on: rename the key instead"
			}
			if got := problems.Error(); got != says {
				t.Errorf("%s, process_attachments %s: %q, want %q", layout, attached, got, says)
			}
		}
	}
}
