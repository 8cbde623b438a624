package core

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"smtpreceiver/core/config"
)

// TestCheckListsEverythingAtOnce: what the reader of the file found and what
// the parts of the program find stand in one list.
func TestCheckListsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := config.Parse("yaml", []byte(strings.ReplaceAll(`
smtp_prt: 25
state_directory: '{dir}'
clients: [localhost, 10.0.0.9-10.0.0.1]
output_code_page: cp12500
ctl_layout: {nosection: x}
tags: {own: {x: y}}
applications:
  fax:
    output_folder: '{dir}/gone'
    ctl_type: fex
    addresses: ['?(P<number>\d+)@fax']
    from_enabled: ['(?=x)']
    ctl_settings: [system]
    transform: {subject: '<%nosuch%>', 'no/[key]': x}
`, "{dir}", filepath.ToSlash(dir))), nil)
	problems, ok := err.(config.Problems)
	if !ok || s == nil {
		t.Fatalf("%v, settings %v", err, s)
	}
	found, _ := Check(s)
	all := append(problems, found...).Error()
	for _, want := range []string{
		"smtp_prt: unknown key", "applications.fax.ctl_type: ", "clients[1]: ", "output_code_page: ", "ctl_layout: ", "tags.own: ",
		"applications.fax.output_folder: ", "applications.fax.addresses[0]: ", "(?P<number>", "applications.fax.from_enabled[0]: ",
		"applications.fax.ctl_settings[0]: ", "applications.fax.transform.subject: line 1, column 3", "applications.fax.transform.no/[key]: ",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in:\n%s", want, all)
		}
	}
}

func TestCheckWarnsWhereNobodyMayUseIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := settings(t, dir, basics+`
applications:
  fax: {output_folder: '{dir}/fax', ctl_type: fax, addresses: '\d{,3}@fax'}
`)
	problems, warnings := Check(s)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	all := strings.Join(warnings, "\n")
	for _, want := range []string{"clients: empty", "applications.fax.addresses[0]: "} {
		if !strings.Contains(all, want) {
			t.Errorf("no warning %q in:\n%s", want, all)
		}
	}
	if err := os.Remove(filepath.Join(dir, "fax")); err != nil {
		t.Fatal(err)
	}
	if problems, _ := Check(s); len(problems) != 1 || problems[0].Key != "applications.fax.output_folder" {
		t.Errorf("folder gone: %v", problems)
	}
}
