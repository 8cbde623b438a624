package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheckFolders(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	write(t, file, "")
	missing := filepath.Join(dir, "it's missing")
	s := &Settings{
		StateDirectory:  dir,
		LoggingFileName: filepath.Join(missing, "smtp.log"),
		Applications: map[string]*Application{
			"good":  {Enabled: true, OutputFolder: dir},
			"file":  {Enabled: true, OutputFolder: file},
			"below": {Enabled: true, OutputFolder: filepath.Join(file, "x")},
			"off":   {OutputFolder: missing},
		},
	}
	quoted := "'" + dir + `/it'\''s missing'`
	want := Problems{
		{"applications.below.output_folder", "folder " + file + "/x cannot be reached: not a directory", "let the user smtpreceiver into the folders above it (chmod a+x)"},
		{"applications.file.output_folder", file + " is not a folder", "name a folder, or make way for it: rm " + file + " && mkdir -p " + file + " && chown smtpreceiver: " + file},
		{"logging_file_name", "folder " + missing + " does not exist", "mkdir -p " + quoted + " && chown smtpreceiver: " + quoted},
	}
	if diff := cmp.Diff(want, s.CheckFolders()); diff != "" {
		t.Errorf("problems differ (-want +got):\n%s", diff)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("the check left something behind: %v, %v", left, err)
	}
}

func TestCheckFoldersNotWritable(t *testing.T) {
	t.Parallel()
	// /proc refuses new files to everyone, root too.
	s := &Settings{StateDirectory: "/proc/self"}
	if _, err := os.Stat(s.StateDirectory); err != nil {
		t.Skip("no /proc here")
	}
	problems := s.CheckFolders()
	if len(problems) != 1 || problems[0].Key != "state_directory" || !strings.Contains(problems[0].What, "cannot be written") {
		t.Errorf("problems = %v", problems)
	}
}
