package machine

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"smtpreceiver/core/config"
)

func TestCheckFolders(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "it's missing")
	s := &config.Settings{
		StateDirectory:  dir,
		LoggingFileName: filepath.Join(missing, "smtp.log"),
		Applications: map[string]*config.Application{
			"good":  {Enabled: true, OutputFolder: dir},
			"file":  {Enabled: true, OutputFolder: file},
			"below": {Enabled: true, OutputFolder: filepath.Join(file, "x")},
			"moved": {Enabled: true, OutputFolder: `D:\FaxChange\in`},
			"off":   {OutputFolder: missing},
		},
	}
	quoted := "'" + dir + `/it'\''s missing'`
	want := config.Problems{
		{Key: "applications.below.output_folder", What: "folder " + file + "/x cannot be reached: not a directory", Remedy: "let the user smtpreceiver into the folders above it (chmod a+x)"},
		{Key: "applications.file.output_folder", What: file + " is not a folder", Remedy: "name a folder, or make way for it: rm " + file + " && mkdir -p " + file + " && chown smtpreceiver: " + file},
		{Key: "applications.moved.output_folder", What: `D:\FaxChange\in is a path of Windows`, Remedy: "write its place on this machine"},
		{Key: "logging_file_name", What: "folder " + missing + " does not exist", Remedy: "mkdir -p " + quoted + " && chown smtpreceiver: " + quoted},
	}
	if diff := cmp.Diff(want, checkFolders(s)); diff != "" {
		t.Errorf("problems differ (-want +got):\n%s", diff)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("the check left something behind: %v, %v", left, err)
	}
}

// TestCheckPathsOfWindows: what import-registry was given no --map for is no name in the
// working directory.
func TestCheckPathsOfWindows(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for path, windows := range map[string]bool{
		`D:\FaxChange\in`: true, `D:/FaxChange/smtp.log`: true, `\\server\share`: true, `%Ums%\Mail\In`: true, filepath.Join(dir, `a\b`): false, filepath.Join(dir, "100%"): false,
	} {
		for key, s := range map[string]*config.Settings{
			"state_directory":   {StateDirectory: path},
			"logging_file_name": {StateDirectory: dir, LoggingFileName: path},
		} {
			problems := checkFolders(s)
			found := slices.ContainsFunc(problems, func(p config.Problem) bool {
				return p.Key == key && p.What == path+" is a path of Windows" && p.Remedy != ""
			})
			if found != windows {
				t.Errorf("%s %s: %v", key, path, problems)
			}
		}
	}
}

// TestCheckFolderByItsWholeName: what to type works in any folder.
func TestCheckFolderByItsWholeName(t *testing.T) {
	t.Parallel()
	absolute, err := filepath.Abs("nosuch")
	if err != nil {
		t.Fatal(err)
	}
	problems := checkFolders(&config.Settings{StateDirectory: "nosuch"})
	if len(problems) != 1 || !strings.Contains(problems[0].What, "folder "+absolute+" ") {
		t.Errorf("%v", problems)
	}
}

func TestCheckFoldersNotWritable(t *testing.T) {
	t.Parallel()
	// /proc refuses new files to everyone, root too.
	s := &config.Settings{StateDirectory: "/proc/self"}
	if _, err := os.Stat(s.StateDirectory); err != nil {
		t.Skip("no /proc here")
	}
	problems := checkFolders(s)
	if len(problems) != 1 || problems[0].Key != "state_directory" || !strings.Contains(problems[0].What, "cannot be written") {
		t.Errorf("problems = %v", problems)
	}
}

// TestCheckOwners: where there are no owners, nothing keeps strangers' files apart.
func TestCheckOwners(t *testing.T) {
	t.Parallel()
	s := &config.Settings{Applications: map[string]*config.Application{
		"all": {Enabled: true, OutputFolder: "/mnt/share"}, "share": {Enabled: true, OutputFolder: "/mnt/share"}, "disk": {Enabled: true, OutputFolder: "/var/spool"}, "off": {OutputFolder: "/mnt/share"},
	}}
	got := checkOwners(s, func(folder string) string { return map[string]string{"/mnt/share": "CIFS"}[folder] })
	if len(got) != 2 || !strings.HasPrefix(got[0], "applications.all.") || !strings.HasPrefix(got[1], "applications.share.output_folder: files have no owners there (CIFS)") {
		t.Errorf("%q", got)
	}
}
