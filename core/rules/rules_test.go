package rules

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"smtpreceiver/core/access"
	"smtpreceiver/core/ctl"
	"smtpreceiver/core/dearchive"
	"smtpreceiver/core/job"
	"smtpreceiver/core/match"
	"smtpreceiver/core/message"
)

// TestProblems: check names the key of everything that cannot work, and the place
// in a list.
func TestProblems(t *testing.T) {
	t.Parallel()
	const (
		app = "applications:\n  fax: {output_folder: /fax, ctl_type: fax, addresses: '(?P<number>.+)@fax$', "
		sms = "applications:\n  sms: {output_folder: /sms, ctl_type: sms, addresses: '(?P<number>.+)@sms$', "
	)
	for _, tt := range []struct{ yaml, keys string }{
		{app + "}", ""},
		{"clients: [127.0.0.1, 10.0.0.9-10.0.0.1, 10.0.0.0/33]\n" + app + "}", "clients[1] clients[2]"},
		{"proxy_protocol_from: 10.0.0.0/33\n" + app + "}", "proxy_protocol_from[0]"},
		{app + "clients: [127.0.0.1, 10.0.0.0/33]}", "applications.fax.clients[1]"},
		{app + `nonstandard_data_terminator: "\r\n .\r\n", nonstandard_data_terminator_clients: 10.0.0.0/33}`, "applications.fax.nonstandard_data_terminator_clients[0]"},
		{"output_code_page: cp12500\n" + app + "}", "output_code_page"},
		{"default_charset: cp12500\n" + app + "}", "default_charset"},
		{"ctl_layout: {nosection: x}\n" + app + "}", "ctl_layout"},
		{app + "ctl_layout: {nosection: x}}", "applications.fax.ctl_layout"},
		{"tags: {a: {x: y}, b: {x: y}}\n" + app + "}", "tags.a tags.b"},
		{app + "process_attachments: 1, dearchive: {'a/b': [sh, '{archive}', '{dir}'], c: [sh, '{archive}'], zip: [sh, '{archive}', '{dir}']}}", "applications.fax.dearchive.a/b applications.fax.dearchive.c"},
		{"number_region: UK\n" + app + "}", "number_region"},
		{app + "number_region: UK}", "applications.fax.number_region"},
		{"number_region: UK\n" + app + "number_region: CZ}", ""},
		{app + "from_enabled: ['a@b', '(']}", "applications.fax.from_enabled[1]"},
		{app + "from_disabled: ['a@b', '(']}", "applications.fax.from_disabled[1]"},
		{app + `numbers_allowed: ['\d', '9-0', '8 0']}`, "applications.fax.numbers_allowed[1] applications.fax.numbers_allowed[2]"},
		{app + "ctl_settings: ['system|x = y', system, 'to|x']}", "applications.fax.ctl_settings[1] applications.fax.ctl_settings[2]"},
		{app + "transform: {txt: '<%nosuch%>', 'no/[key]': x}}", "applications.fax.transform.no/[key] applications.fax.transform.txt"},
		{sms + "sms_text: [signature, sig]}", "applications.sms.sms_text"},
		{app + "sms_text: [signature, sig]}", "applications.fax.sms_text"},
	} {
		if !strings.Contains(tt.yaml, "clients: [") {
			tt.yaml = "clients: 127.0.0.1\n" + tt.yaml
		}
		problems, _ := Check(parse(t, tt.yaml))
		var keys []string
		for _, p := range problems {
			keys = append(keys, p.Key)
		}
		if got := strings.Join(keys, " "); got != tt.keys {
			t.Errorf("%s\n%v, want %s", tt.yaml, problems, tt.keys)
		}
	}
}

// TestCompile: what a configuration says is in force, of each application what it
// says itself, else what stands for all.
func TestCompile(t *testing.T) {
	t.Parallel()
	r, problems := Compile(parse(t, `
clients: 192.0.2.1
number_region: DE
default_charset: windows-1250
output_code_page: windows-1252
max_mime_depth: 7
max_mime_parts: 8
max_header_size: 70000
max_header_fields: 99
tags: {own: {call: to|number}}
ctl_layout: {to/x: to/z, to/y: to/number}
applications:
  sms: {output_folder: /sms, ctl_type: sms, addresses: 'x@sms$', sms_text: [quote], cmd_tags: own, process_att_msg: 1, inline_pictures: 1,
    ctl_settings: ['to|x = 1', 'to|y = 2'], transform: {txt: a, subject: b, 'to/y': c}, format_preference: [htm, txt]}
  off: {enabled: 0, output_folder: /off, ctl_type: fax, addresses: 'x@off$'}
  fax: {output_folder: /fax, ctl_type: fax, addresses: 'x@fax$', number_region: CZ, clients: 192.0.2.2, cmd_tags: mobilchange,
    nonstandard_data_terminator: "\r\n .\r\n", nonstandard_data_terminator_clients: 192.0.2.3, ctl_layout: {to/x: ''},
    process_attachments: 1, dearchive: {zip: [sh, '{archive}', '{dir}']}, dearchive_timeout: 5s, dearchive_max_size: 9}
`), access.NewResolver(nil, nil))
	if len(problems) > 0 || len(r.Warnings) > 0 {
		t.Fatal(problems, r.Warnings)
	}
	if len(r.Apps) != 2 || r.Apps[0].Name != "fax" || r.Apps[1].Name != "sms" {
		t.Fatalf("applications %v", r.Apps)
	}
	if r.Page == nil || r.Limits.MaxDepth != 7 || r.Limits.MaxParts != 8 || r.Limits.MaxHeaderSize != 70000 || r.Limits.MaxHeaderFields != 99 || r.Limits.DefaultCharset != "windows-1250" {
		t.Errorf("page %v, limits %+v", r.Page, r.Limits)
	}
	fax, text := r.Apps[0], r.Apps[1]
	for _, tt := range []struct {
		list  *access.List
		addr  string
		names bool
	}{
		{r.Clients, "192.0.2.1", true}, {r.Clients, "192.0.2.2", false},
		{fax.Clients, "192.0.2.2", true}, {fax.Clients, "192.0.2.1", false},
		{text.Clients, "192.0.2.1", true}, {fax.Terminator.Clients, "192.0.2.3", true},
	} {
		if got, err := tt.list.Contains(t.Context(), netip.MustParseAddr(tt.addr)); got != tt.names || err != nil {
			t.Errorf("%s: %v, %v", tt.addr, got, err)
		}
	}
	if !fax.Own || text.Own || text.Terminator != nil || string(fax.Terminator.End) != "\r\n .\r\n" {
		t.Errorf("own lists %v, %v, terminators %v, %v", fax.Own, text.Own, fax.Terminator, text.Terminator)
	}
	if fax.Region.String() != "CZ" || text.Region.String() != "DE" {
		t.Errorf("regions %s, %s", fax.Region, text.Region)
	}
	for _, tt := range []struct {
		addr string
		app  int
	}{{"x@fax", 0}, {"x@sms", 1}, {"x@off", -1}} {
		app := -1
		for _, m := range r.Table.Lookup(tt.addr) {
			app = m.App
		}
		if app != tt.app {
			t.Errorf("%s: application %d, want %d", tt.addr, app, tt.app)
		}
	}
	a, b := fax.Recipe, text.Recipe
	if a.Destination != "/fax" || b.App != "sms" || b.CTLType != "sms" || a.Page != r.Page {
		t.Errorf("recipes %+v and %+v", a, b)
	}
	if a.Tags == nil || b.Tags == nil || a.Tags == b.Tags || a.Tidy.Any() || !b.Tidy.Any() || a.Text != nil || b.Text == nil {
		t.Errorf("recipes %+v and %+v", a, b)
	}
	if !a.Attachments || a.AttachedMessage || a.InlinePictures || b.Attachments || !b.AttachedMessage || !b.InlinePictures || a.Reported || b.Reported {
		t.Errorf("recipes %+v and %+v", a, b)
	}
	if !a.Dearchive.Match("a.zip") || b.Dearchive.Match("a.zip") || a.Dearchive.Limits != (dearchive.Limits{Timeout: 5 * time.Second, MaxSize: 9, MaxFiles: 8}) {
		t.Errorf("unpackers %+v and %+v", a.Dearchive, b.Dearchive)
	}
	// The top level moves x to z and y to number; fax drops x itself.
	d := ctl.New()
	for _, key := range []string{"x", "y"} {
		d.Set("to", key, "<"+key+">")
	}
	for _, tt := range []struct {
		recipe       *job.Recipe
		x, z, number string
	}{{a, "", "", "<y>"}, {b, "", "<x>", "<y>"}} {
		w := tt.recipe.Layout.Apply(d)
		if x, z, n := w.Get("to", "x"), w.Get("to", "z"), w.Get("to", "number"); x != tt.x || z != tt.z || n != tt.number {
			t.Errorf("%s: x %q, z %q, number %q", tt.recipe.App, x, z, n)
		}
	}
	if len(b.Settings) != 2 || b.Settings[1].Key() != "y" || !slices.Equal(b.Formats, []message.Format{"htm", "txt"}) {
		t.Errorf("settings %v, formats %v", b.Settings, b.Formats)
	}
	if len(b.Targets) != 2 || b.Targets[0].Section+"/"+b.Targets[0].Key != "system/subject" || b.Targets[1].Section+"/"+b.Targets[1].Key != "to/y" {
		t.Errorf("targets %v", b.Targets)
	}
}

// TestQueueDestinations: with a queue jobs go to the application, not to its folder,
// and whoever takes them tells their senders.
func TestQueueDestinations(t *testing.T) {
	t.Parallel()
	r, problems := Compile(parse(t, "clients: 127.0.0.1\nqueue: {servers: 'nats://127.0.0.1', unsynced: accept}\ninstance: gw1\nreports: {smtp_server: 127.0.0.1}\napplications:\n  fax: {ctl_type: fax, addresses: 'x@fax$'}\n"), access.NewResolver(nil, nil))
	if len(problems) > 0 || r.Apps[0].Recipe.Destination != "fax" || !r.Apps[0].Recipe.Reported {
		t.Errorf("%v, %+v", problems, r.Apps[0].Recipe)
	}
}

// TestNumberRules: number rules see what is dialled.
func TestNumberRules(t *testing.T) {
	t.Parallel()
	r, problems := Compile(parse(t, `
clients: 127.0.0.1
applications:
  cz: {output_folder: /fax, ctl_type: fax, addresses: 'x@cz$', number_region: CZ, numbers_denied: ['\+42090', '\+7'], numbers_allowed: ['\+', '\+7', '1']}
  plain: {output_folder: /fax, ctl_type: fax, addresses: 'x@plain$', numbers_denied: '.?'}
`), access.NewResolver(nil, nil))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for _, tt := range []struct {
		app             *Application
		written         string
		denied, allowed int
		dialled         string
	}{
		{r.Apps[0], "900 123 456", 0, 0, "+420900123456"},
		{r.Apps[0], "00 7 495 123 45 67", 1, 0, "+74951234567"},
		{r.Apps[0], "603 123 456", -1, 0, "+420603123456"},
		{r.Apps[0], "112", -1, 2, "112"},
		{r.Apps[0], "212", -1, -1, "212"},
		{r.Apps[1], "603 123", 0, -1, "603 123"},
		{r.Apps[1], "", -1, -1, ""}, // no number is none that is denied
	} {
		if denied, allowed := tt.app.Judge(tt.app.Number(tt.written)); denied != tt.denied || allowed != tt.allowed {
			t.Errorf("%s, %s: denied by %d, allowed by %d", tt.app.Name, tt.written, denied, allowed)
		}
		for at := range 2 {
			groups := []match.Group{{Name: "name", Value: tt.written}, {Name: "name", Value: tt.written}}
			groups[at].Name = "number"
			if got := tt.app.Dialled(groups); got[at].Value != tt.dialled || got[1-at].Value != tt.written || groups[at].Value != tt.written {
				t.Errorf("%s, %s: dialled %v of %v", tt.app.Name, tt.written, got, groups)
			}
		}
	}
}
