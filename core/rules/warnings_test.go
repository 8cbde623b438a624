package rules

import (
	"strings"
	"testing"
)

// TestWarnings: check warns of what works otherwise than it looks, and says of
// which key; what is as it should be has no warning.
func TestWarnings(t *testing.T) {
	t.Parallel()
	const fax = "{output_folder: /fax, ctl_type: fax, "
	for _, tt := range []struct{ name, yaml, want string }{
		{"all is well", "applications:\n  fax: " + fax + `addresses: '(?P<number>\+?\d+)@fax$'}`, ""},
		{"no end", "applications:\n  fax: " + fax + `addresses: ['x@fax$', '(?P<number>\d+)@fax']}`, "applications.fax.addresses[1]: takes whatever follows too"},
		{"letters in the number", "applications:\n  fax: " + fax + `addresses: '(?P<number>.+)@fax$'}`, "applications.fax.addresses[0]: lets other characters into number"},
		{"separators in the number", "applications:\n  fax: " + fax + `addresses: '(?P<number>[-+\d ./()]+)@fax$'}`, ""},
		{"letters, and a rule that sets the number", "applications:\n  fax: " + fax + `addresses: '(?P<number>.+)@fax$', ctl_settings: ['to|number|parse|subject = (\d+)']}`, ""},
		{"letters, and rules that set others", "applications:\n  fax: " + fax + `addresses: '(?P<number>.+)@fax$', ctl_settings: ['to|name = x', 'system|number = x'], transform: {to/name: x, system/number: x}}`, "lets other characters into number"},
		{"no number for the consumer", "applications:\n  fax: " + fax + "addresses: 'x@fax$'}\nconsume: {fax: {target: hylafax}}", "applications.fax.addresses[0]: has no group (?P<number>"},
		{"a consumer that needs none", "applications:\n  fax: " + fax + "addresses: 'x@fax$'}\nconsume: {fax: {target: command, command: [/bin/true, '{txt}']}}", ""},
		{"a consumer behind one that needs none", "applications:\n  fax: " + fax + "addresses: 'x@fax$'}\nconsume: {fax: {target: hylafax}, a: {application: fax, target: command, command: [/bin/true, '{txt}']}}", "which consume.fax needs"},
		{"a consumer of another name", "applications:\n  fax: " + fax + "addresses: 'x@fax$'}\nconsume: {out: {application: fax, target: command, command: [/bin/true, '{number}']}}", "which consume.out needs"},
		{"a consumer behind one whose number is set", "applications:\n  a: " + fax + "addresses: 'x@a$', transform: {to/number: '1'}}\n  fax: " + fax + "addresses: 'x@fax$'}\nconsume: {a: {target: hylafax}, fax: {target: hylafax}}", "which consume.fax needs"},
		{"a proxy that is a client", "proxy_protocol_from: 127.0.0.1\napplications:\n  fax: " + fax + "addresses: 'x@fax$'}", "proxy_protocol_from: a proxy of it is on clients too"},
		{"a proxy in a network of clients", "proxy_protocol_from: 10.0.0.1\napplications:\n  fax: " + fax + "addresses: 'x@fax$', clients: 10.0.0.0/8}", "is on applications.fax.clients too"},
		{"another proxy", "proxy_protocol_from: 192.0.2.1\napplications:\n  fax: " + fax + "addresses: 'x@fax$'}", ""},
		{"none authenticates by LMTP", "lmtp: {listen: 'unix:/run/x'}\napplications:\n  fax: " + fax + "addresses: 'x@fax$'}\n  sms: " + fax + "addresses: 'x@sms$', require_authenticated: 1}", "applications.sms.require_authenticated: nobody authenticates by LMTP"},
		{"none authenticates by LMTP, two applications", "lmtp: {listen: 'unix:/run/x'}\napplications:\n  fax: " + fax + "addresses: 'x@fax$', require_authenticated: 1}\n  sms: " + fax + "addresses: 'x@sms$'}", "applications.fax.require_authenticated: nobody authenticates by LMTP"},
		{"they authenticate by policy", "lmtp: {listen: 'unix:/run/x', policy_listen: 'unix:/run/y'}\napplications:\n  sms: " + fax + "addresses: 'x@sms$', require_authenticated: 1}", ""},
		{"an address that Python read otherwise", "applications:\n  fax: " + fax + "addresses: ['x@fax$', 'a{,3}@fax$']}", "applications.fax.addresses[1]: "},
		{"a setting that Python read otherwise", "applications:\n  fax: " + fax + "addresses: 'x@fax$', ctl_settings: ['to|x = 1', 'to|y|parse|subject = a{,3}']}", "applications.fax.ctl_settings[1]: "},
		{"a template that Python read otherwise", "applications:\n  fax: " + fax + `addresses: 'x@fax$', transform: {txt: "<%re.search(r'a{,3}', msg).group()%>"}}`, "applications.fax.transform.txt: line 1"},
		{"a rule without +", "number_region: CZ\napplications:\n  fax: " + fax + `addresses: 'x@fax$', numbers_denied: '90\d+'}`, "applications.fax.numbers_denied[0]: speaks of numbers without '+'"},
		{"an allowed number without +", "applications:\n  fax: " + fax + `addresses: 'x@fax$', number_region: CZ, numbers_allowed: '90\d+'}`, "applications.fax.numbers_allowed[0]: speaks of numbers without '+', and with number_region CZ"},
		{"sms_text of a fax", "applications:\n  fax: " + fax + `addresses: 'x@fax$', sms_text: [quote]}`, "applications.fax.sms_text: has no effect"},
		{"archives without attachments", "applications:\n  fax: " + fax + `addresses: 'x@fax$', process_attachments: 0, dearchive: {zip: [unzip, '{archive}', '{dir}']}}`, "applications.fax.dearchive: has no effect"},
		{"a rule with +", "number_region: CZ\napplications:\n  fax: " + fax + `addresses: 'x@fax$', numbers_denied: '\+42090\d+'}`, ""},
	} {
		problems, warnings := Check(parse(t, "clients: 127.0.0.1\n"+tt.yaml))
		if got := strings.Join(warnings, "\n"); len(problems) > 0 || !strings.Contains(got, tt.want) || (got == "") != (tt.want == "") {
			t.Errorf("%s: problems %v, warnings %q, want %q", tt.name, problems, got, tt.want)
		}
	}
	for _, tt := range []struct{ yaml, want string }{
		{"applications:\n  fax: " + fax + "addresses: 'x@fax$'}\n  sms: " + fax + "addresses: 'x@sms$'}", "clients: empty, and so are the lists of the applications fax, sms: no client may use them"},
		{"applications:\n  fax: " + fax + "addresses: 'x@fax$'}\n  sms: " + fax + "addresses: 'x@sms$', clients: 127.0.0.1}", "applications fax: no client"},
		{"applications:\n  fax: " + fax + "addresses: 'x@fax$', clients: 127.0.0.1}", ""},
		{"authentication: {backend: file, users_file: /users, allow_plaintext: 1}\napplications:\n  fax: " + fax + "addresses: 'x@fax$'}", ""},
	} {
		problems, warnings := Check(parse(t, tt.yaml))
		if got := strings.Join(warnings, "\n"); len(problems) > 0 || !strings.Contains(got, tt.want) || (got == "") != (tt.want == "") {
			t.Errorf("%s: problems %v, warnings %q, want %q", tt.yaml, problems, got, tt.want)
		}
	}
	problems, _ := Check(parse(t, "clients: 127.0.0.1\napplications:\n  fax: "+fax+`addresses: 'x@fax$', numbers_denied: '9-0\d+'}`))
	if len(problems) != 1 || !strings.Contains(problems[0].What, "could never match: it demands a separator") {
		t.Errorf("a rule that demands a separator: %v", problems)
	}
}

// TestEachBadExpression: check says of every expression of a list what is wrong, not
// only of the first, and names each by its own place.
func TestEachBadExpression(t *testing.T) {
	t.Parallel()
	problems, warnings := Check(parse(t, "output_code_page: utf-8\nclients: 127.0.0.1\napplications:\n  fax: {output_folder: /fax, ctl_type: fax, addresses: ['(1@fax$', '2@fax$', '[3@fax$', '4@fax'], numbers_denied: ['(', '9-0\\d+']}\nconsume: {fax: {target: hylafax}}\n"))
	var keys []string
	for _, p := range problems {
		keys = append(keys, p.Key)
	}
	if got := strings.Join(keys, " "); got != "applications.fax.addresses[0] applications.fax.addresses[2] applications.fax.numbers_denied[0] applications.fax.numbers_denied[1]" {
		t.Errorf("problems %v", problems)
	}
	if got := strings.Join(warnings, "\n"); !strings.Contains(got, "applications.fax.addresses[3]: takes whatever follows too") || !strings.Contains(got, "applications.fax.addresses[1]: has no group") {
		t.Errorf("warnings %q", warnings)
	}
}
