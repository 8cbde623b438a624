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

func TestCheckCertificate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	s := &Settings{StateDirectory: dir, TLS: TLS{CertFile: cert, KeyFile: key}}
	remedy := func(file string) string {
		return "give the user smtpreceiver access to it, for example chgrp smtpreceiver " + file + " && chmod g+r " + file
	}
	want := Problems{
		{"tls.cert_file", "file " + cert + " cannot be read: no such file or directory", remedy(cert)},
		{"tls.key_file", "file " + key + " cannot be read: no such file or directory", remedy(key)},
	}
	if diff := cmp.Diff(want, s.CheckFolders()); diff != "" {
		t.Errorf("problems differ (-want +got):\n%s", diff)
	}
	write(t, cert, "not PEM")
	write(t, key, "not PEM")
	want = Problems{{
		"tls.cert_file", cert + " and " + key + " are no pair: failed to find any PEM data in certificate input",
		"name a certificate in PEM and its private key, without a passphrase",
	}}
	if diff := cmp.Diff(want, s.CheckFolders()); diff != "" {
		t.Errorf("problems differ (-want +got):\n%s", diff)
	}
}
