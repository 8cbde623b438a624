// Package machine is what a configuration asks of this machine and its neighbours:
// folders, certificates, the queue, and the backends of logins and senders, which it
// opens.
package machine

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"smtpreceiver/core/config"
	"smtpreceiver/core/output"
	"smtpreceiver/core/spool"
)

// CheckQueue asks the servers of the queue whether a gateway could work with them.
func CheckQueue(ctx context.Context, s *config.Settings) config.Problems {
	if !s.Queue.On() {
		return nil
	}
	var problems config.Problems
	for _, err := range output.CheckQueue(ctx, s) {
		key, what := "queue.servers", err.Error()
		if named, rest, ok := strings.Cut(what, ": "); ok && strings.HasPrefix(named, "queue.") {
			key, what = named, rest
		}
		problems.Add(key, what, "")
	}
	return problems
}

// CheckOwners warns of output folders where files have no owners of their own.
func CheckOwners(s *config.Settings) []string { return checkOwners(s, spool.Ownerless) }

func checkOwners(s *config.Settings, ownerless func(folder string) string) []string {
	var warnings []string
	for _, name := range slices.Sorted(maps.Keys(s.Applications)) {
		app := s.Applications[name]
		if fs := ownerless(app.OutputFolder); app.Enabled && fs != "" {
			warnings = append(warnings, config.KeyPath("applications", name, "output_folder")+": files have no owners there ("+fs+
				"), so what others put into it is believed: let only the receiver and its reader write to "+app.OutputFolder)
		}
	}
	return warnings
}

// Check lists what cannot work on this machine: folders, certificates and files, and
// the keys of the backends.
func Check(s *config.Settings) config.Problems {
	problems := checkFolders(s)
	problems.Merge(s.CheckCertificate())
	problems.Merge(checkAuthentication(s))
	problems.Merge(CheckSenders(s))
	return problems
}

// checkFolders lists the folders that this user cannot make files in.
func checkFolders(s *config.Settings) config.Problems {
	var problems config.Problems
	checkFolder(&problems, "state_directory", s.StateDirectory)
	if s.LoggingFileName != "" && !elsewhere(&problems, "logging_file_name", s.LoggingFileName) {
		checkFolder(&problems, "logging_file_name", filepath.Dir(s.LoggingFileName))
	}
	for name, app := range s.Applications {
		if app.Enabled && !s.Queue.On() {
			checkFolder(&problems, config.KeyPath("applications", name, "output_folder"), app.OutputFolder)
		}
	}
	return problems
}

func checkFolder(p *config.Problems, key, folder string) {
	if elsewhere(p, key, folder) {
		return
	}
	if absolute, err := filepath.Abs(folder); err == nil {
		folder = absolute
	}
	var e *spool.FolderError
	if !errors.As(spool.TryWriting(folder), &e) {
		return
	}
	quoted := config.ShellQuote(folder)
	owned := "chown smtpreceiver: " + quoted
	what, remedy := "folder "+e.Error(), owned
	switch e.Fault {
	case spool.Missing:
		remedy = "mkdir -p " + quoted + " && " + owned
	case spool.Unreachable:
		remedy = "let the user smtpreceiver into the folders above it (chmod a+x)"
	case spool.NotFolder:
		what = strings.TrimPrefix(what, "folder ")
		remedy = "name a folder, or make way for it: rm " + quoted + " && mkdir -p " + quoted + " && " + owned
	case spool.Unwritable:
		remedy += ", and name it in ReadWritePaths of the systemd unit"
	}
	p.Add(key, what, remedy)
}

// windowsPath is what an imported configuration may still have: a drive, or a folder
// that a variable of Windows names.
var windowsPath = regexp.MustCompile(`^([A-Za-z]:[\\/]|\\\\|%[^%]+%\\)`)

// elsewhere says of a path of Windows that this is another machine. It would be a name
// in the working directory.
func elsewhere(p *config.Problems, key, path string) bool {
	if runtime.GOOS == "windows" || !windowsPath.MatchString(path) {
		return false
	}
	p.Add(key, path+" is a path of Windows", "write its place on this machine")
	return true
}
