package output_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"smtpreceiver/core/consume/takertest"
	"smtpreceiver/core/output"
	"smtpreceiver/core/spool"
)

func TestMain(m *testing.M) {
	takertest.Main()
	os.Exit(m.Run())
}

// TestFolderTakers holds the takers of an output folder to what those of a queue are held to.
func TestFolderTakers(t *testing.T) {
	t.Parallel()
	takertest.Run(t, func(t *testing.T) takertest.Subject {
		dir := t.TempDir()
		folder := filepath.Join(dir, "fax")
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		s, err := spool.Open(t.Context(), spool.Config{StateDirectory: filepath.Join(dir, "state"), Instance: "gw1"})
		if err != nil {
			t.Fatal(err)
		}
		out := output.Folders(s)
		if err := out.Use([]string{folder}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := out.Close(); err != nil {
				t.Error(err)
			}
		})
		return takertest.Subject{
			Output: out, Destination: folder, Left: func(*testing.T) []string { return nil }, Keys: ", poll_interval: 100ms",
			Config: func(_ *testing.T, machine string) string {
				return fmt.Sprintf("hostname: %s.example.com\noutput_code_page: utf-8\nstate_directory: '%s/state-%s'\napplications:\n  fax: {ctl_type: sms, output_folder: '%s', addresses: 'x'}\n", machine, dir, machine, folder)
			},
		}
	})
}
