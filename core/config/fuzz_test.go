package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzParse feeds files and environments of any kind. Whatever comes, the
// answer is settings or problems of one line each, and settings that were
// accepted hold what is promised of them.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*/*.*")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, file := range files {
		format := strings.TrimPrefix(filepath.Ext(file), ".")
		if data, err := os.ReadFile(file); err == nil && format != "expected" {
			f.Add(format, data, "SMTP_PORT", "2525")
		}
	}
	f.Add("yaml", Sample(), "APPLICATIONS_FAX_OUTPUT_FOLDER", "/var/spool/fax")
	f.Fuzz(func(t *testing.T, format string, data []byte, variable, value string) {
		s, err := Parse(format, data, []string{envPrefix + variable + "=" + value})
		if err != nil {
			problems, ok := err.(Problems)
			if !ok || len(problems) == 0 {
				t.Fatalf("error of type %T: %v", err, err)
			}
			for _, problem := range problems {
				if problem.Key == "" || problem.What == "" || strings.ContainsAny(problem.String(), "\r\n") {
					t.Fatalf("bad problem: %+v", problem)
				}
			}
			return
		}
		if s.SMTPPort < 0 || s.SMTPPort > 65535 || s.SocketTimeout <= 0 || s.MaxMIMEDepth < 1 || s.MaxMessageSize < 1 || s.Milter.SocketMode > 0o777 {
			t.Fatalf("out of bounds: %+v", s)
		}
		for name, app := range s.Applications {
			if !sectionName.MatchString(name) || app.OutputFolder == "" || len(app.Addresses) == 0 || len(app.FormatPreference) == 0 {
				t.Fatalf("application %q: %+v", name, app)
			}
		}
	})
}
