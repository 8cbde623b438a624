package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"smtpreceiver/core/config"
	"smtpreceiver/core/consume/targets"
	"smtpreceiver/core/report"
)

// TestConsumerExamples: each example dropped into conf.d beside the packaged
// configuration works, but for the folders, which are the reader's.
func TestConsumerExamples(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../contrib/consumers/*.yaml")
	if err != nil || len(files) != 14 {
		t.Fatalf("%q, %v", files, err)
	}
	for _, file := range files {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "conf.d"), 0o755); err != nil {
			t.Fatal(err)
		}
		parts := map[string]string{"../../contrib/deb/smtpreceiver.yaml": "smtpreceiver.yaml", file: filepath.Join("conf.d", filepath.Base(file))}
		if filepath.Base(file) == "convert.yaml" {
			parts["../../contrib/consumers/hylafax.yaml"] = "conf.d/hylafax.yaml"
		}
		for from, to := range parts {
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
		warnings := slices.DeleteFunc(validate(settings, &problems), func(w string) bool {
			return strings.Contains(w, ": install it")
		})
		if len(problems) > 0 || len(warnings) > 0 {
			t.Errorf("%s: problems %v, warnings %v", file, problems, warnings)
		}
		if len(settings.Consume) != 1 {
			t.Errorf("%s: %d consumers", file, len(settings.Consume))
		}
		for name := range settings.Consume {
			if _, err := targets.Open(settings, name, slog.New(slog.DiscardHandler)); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
}

// TestReportTexts: the translated texts of reports are templates that work, beside
// an example of a consumer.
func TestReportTexts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../contrib/consumers/reports/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%q, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		const around = "applications: {fax: {output_folder: /x, ctl_type: fax, addresses: '(?P<number>\\d+)@fax$'}}\nconsume: {fax: {target: hylafax}}\n"
		settings, err := config.Parse("yaml", append([]byte(around), text...), nil)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		var problems config.Problems
		if targets.Check(settings, &problems); len(problems) > 0 {
			t.Errorf("%s: %v", file, problems)
		}
		c, err := targets.Open(settings, "fax", slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		for _, action := range []report.Action{report.Failed, report.Delayed, report.Relayed} {
			letter, errs := c.Reports.Composer.Compose(t.Context(), &report.Request{Sender: "a@x.test", Recipient: "1@fax"}, report.Outcome{Action: action, Code: "5.0.0", Reason: "x"})
			if len(errs) > 0 || !strings.Contains(string(letter), "Action: "+string(action)) {
				t.Errorf("%s: %v\n%s", file, errs, letter)
			}
		}
	}
}
