package core

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"smtpreceiver/core/auth"
	"smtpreceiver/core/config"
	"smtpreceiver/core/output"
	"smtpreceiver/core/rules"
	"smtpreceiver/core/spool"
)

// Check lists everything in s that cannot work, folders included, and what
// may work otherwise than its author expects.
func Check(s *config.Settings) (problems config.Problems, warnings []string) {
	problems, warnings = rules.Check(s)
	problems.Merge(checkMachine(s))
	return problems, warnings
}

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

func checkMachine(s *config.Settings) config.Problems {
	problems := checkFolders(s)
	problems.Merge(s.CheckCertificate())
	problems.Merge(checkAuthentication(s))
	problems.Merge(checkSenders(s))
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

// checkAuthentication lists what is wrong with the section authentication.
func checkAuthentication(s *config.Settings) config.Problems {
	a, err := newAuthenticator(s, slog.New(slog.DiscardHandler))
	if err == nil {
		a.Close()
		return nil
	}
	return sectionProblems("authentication", err, func(e error) (option string) {
		if of, is := errors.AsType[*auth.OptionError](e); is {
			option = of.Option
		}
		return option
	})
}

// sectionProblems are the errors of a section; option is the key below it that one
// is about, "" for none.
func sectionProblems(section string, err error, option func(error) string) (problems config.Problems) {
	for _, e := range config.Errors(err) {
		key := section
		if name := option(e); name != "" {
			key += "." + name
		}
		problems.Add(key, e.Error(), "")
	}
	return problems
}

func newAuthenticator(s *config.Settings, log *slog.Logger) (*auth.Authenticator, error) {
	a := s.Authentication
	return auth.New(auth.Options{
		Backend: a.Backend, UsersFile: a.UsersFile,
		Driver: a.Driver, DSN: a.DSN, Query: a.Query,
		URL: a.URL, BaseDN: a.BaseDN, Filter: a.Filter, Attribute: a.Attribute, StartTLS: a.StartTLS, BindDN: a.BindDN, BindPassword: a.BindPassword,
		Timeout: a.Timeout, MaxFailures: a.MaxFailures, FailureWindow: a.FailureWindow,
	}, log)
}
