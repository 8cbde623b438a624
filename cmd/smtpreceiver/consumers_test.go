package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"smtpreceiver/core/config"
)

// TestConsumerExamples: each example dropped into conf.d beside the packaged
// configuration works, but for the folders, which are the reader's.
func TestConsumerExamples(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../contrib/consumers/*.yaml")
	if err != nil || len(files) != 5 {
		t.Fatalf("%q, %v", files, err)
	}
	for _, file := range files {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "conf.d"), 0o755); err != nil {
			t.Fatal(err)
		}
		for from, to := range map[string]string{"../../contrib/deb/smtpreceiver.yaml": "smtpreceiver.yaml", file: filepath.Join("conf.d", filepath.Base(file))} {
			data, err := os.ReadFile(from)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, to), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		settings, _, err := config.Load(config.Source{File: filepath.Join(dir, "smtpreceiver.yaml")})
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		settings.StateDirectory = t.TempDir()
		for _, app := range settings.Applications {
			app.OutputFolder = t.TempDir()
		}
		var problems config.Problems
		if warnings := validate(settings, &problems); len(problems) > 0 || len(warnings) > 0 {
			t.Errorf("%s: problems %v, warnings %v", file, problems, warnings)
		}
		if len(settings.Consume) != 1 {
			t.Errorf("%s: %d consumers", file, len(settings.Consume))
		}
		for name := range settings.Consume {
			if _, err := openConsumer(settings, name, nil); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
}

func TestCheckConsumers(t *testing.T) {
	t.Parallel()
	settings, err := config.Parse("yaml", []byte(`
ctl_layout: {to/number: ""}
applications:
  fax: {output_folder: /tmp, ctl_type: fax, addresses: x, format_preference: 'mht;txt'}
  off: {output_folder: /tmp, ctl_type: fax, addresses: x, enabled: 0, ctl_layout: {to/number: to/phone}}
consume:
  fax: {target: hylafax}
  off: {target: command, command: [send, '{nummer}']}
  call: {application: off, target: asterisk, target_folder: /tmp, channel: SIP/1}
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	var problems config.Problems
	warnings := checkConsumers(settings, &problems)
	var keys []string
	for _, p := range problems {
		keys = append(keys, p.Key)
	}
	if want := []string{"consume.call.channel", "consume.fax.application", "consume.off.command"}; !slices.Equal(keys, want) {
		t.Errorf("problems of %q, want %q", keys, want)
	}
	if len(warnings) != 4 {
		t.Errorf("warnings %q", warnings)
	}
}
