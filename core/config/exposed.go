package config

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

// passwordInDSN finds a password in a data source name, as URL, in the manner of
// MySQL, or by its key.
var passwordInDSN = regexp.MustCompile(`(?i)^(\w+://)?[^:@/]+:[^@/][^@]*@|password\s*=`)

// Exposed warns of passwords that go to servers of any certificate, and of files that
// other users of this machine can read or write, and that hold a secret: those of the
// configuration with the keys they set, and those that a key names.
func (s *Settings) Exposed() []string {
	warnings := s.unverified()
	if runtime.GOOS == "windows" {
		return warnings // access lists, which no mode shows
	}
	in := map[string][]string{} // keys by the file that sets them
	var files []string          // that a key names
	for _, f := range schemaOf[Settings]().fields {
		value := f.in(s)
		switch kind := f.tag.Get("secret"); {
		case kind == "" || value.IsZero():
		case kind == "file":
			files = appendExposed(files, f.name, value.String())
		case !strings.HasSuffix(f.name, ".dsn") || passwordInDSN.MatchString(value.String()):
			file := s.fileOf(f.name)
			in[file] = append(in[file], f.name)
		}
	}
	for _, file := range s.Files {
		if keys := in[file]; len(keys) > 0 {
			warnings = appendExposed(warnings, strings.Join(keys, ", "), file)
		}
	}
	return append(warnings, files...)
}

func (s *Settings) unverified() (warnings []string) {
	for _, to := range []struct{ key, tls, password string }{{"forward_tls", s.ForwardTLS, s.ForwardPassword}, {"reports.tls", s.Reports.TLS, s.Reports.Password}} {
		if to.tls == "opportunistic" && to.password != "" {
			warnings = append(warnings, to.key+": opportunistic checks no certificate, so the password goes to whatever answers in the server's place: set it to required or implicit")
		}
	}
	return warnings
}

// fileOf names the file that sets a key, empty for one that the environment sets.
func (s *Settings) fileOf(key string) string {
	if at, ok := s.places[key]; ok {
		return at.file
	}
	if len(s.Files) > 0 {
		return s.Files[0]
	}
	return ""
}

func appendExposed(warnings []string, keys, file string) []string {
	mode, open := openToOthers(file)
	if !open {
		return warnings
	}
	return append(warnings, fmt.Sprintf("%s: %s has mode %04o, so every user of this machine can get at the secret: chmod o= %s", keys, file, mode, ShellQuote(file)))
}

// openToOthers says whether users that neither own the file nor are in its group
// can read or write it. A folder above it may keep them out.
func openToOthers(file string) (mode os.FileMode, open bool) {
	file, err := filepath.Abs(file)
	if err != nil {
		return 0, false
	}
	if file, err = filepath.EvalSymlinks(file); err != nil {
		return 0, false // said by who reads it
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm()&0o006 == 0 {
		return 0, false
	}
	for folder := filepath.Dir(file); ; folder = filepath.Dir(folder) {
		above, err := os.Stat(folder)
		if err != nil || above.Mode().Perm()&0o001 == 0 {
			return 0, false
		}
		if folder == filepath.Dir(folder) {
			return info.Mode().Perm(), true
		}
	}
}
