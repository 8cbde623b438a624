package config

import (
	"crypto/tls"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// CheckFolders reports folders that are missing, are no folders, or cannot be
// written by the user who runs this, and files of the TLS certificate that this
// user cannot use. It is apart from Load, because a configuration may be
// checked on another machine or by another user.
func (s *Settings) CheckFolders() Problems {
	var problems Problems
	problems.folder("state_directory", s.StateDirectory)
	if s.LoggingFileName != "" {
		problems.folder("logging_file_name", filepath.Dir(s.LoggingFileName))
	}
	for name, app := range s.Applications {
		if app.Enabled {
			problems.folder(KeyPath("applications", name, "output_folder"), app.OutputFolder)
		}
	}
	if s.TLS.CertFile != "" && s.TLS.KeyFile != "" {
		problems.certificate(s.TLS.CertFile, s.TLS.KeyFile)
	}
	return problems
}

// folder adds what is wrong with a folder. Only writing a file tells the truth
// about it: permission bits know nothing of access lists and of file systems
// mounted read-only.
func (p *Problems) folder(key, folder string) {
	if absolute, err := filepath.Abs(folder); err == nil {
		folder = absolute
	}
	quoted := shellQuote(folder)
	info, err := os.Stat(folder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		p.Add(key, "folder "+folder+" does not exist", "mkdir -p "+quoted+" && chown smtpreceiver: "+quoted)
		return
	case err != nil:
		p.Add(key, "folder "+folder+" cannot be reached: "+plainError(err), "let the user smtpreceiver into the folders above it (chmod a+x)")
		return
	case !info.IsDir():
		p.Add(key, folder+" is not a folder", "name a folder, or make way for it: rm "+quoted+" && mkdir -p "+quoted+" && chown smtpreceiver: "+quoted)
		return
	}
	probe, err := os.CreateTemp(folder, ".smtpreceiver-check-*")
	if err != nil {
		p.Add(key, "folder "+folder+" cannot be written: "+plainError(err), "chown smtpreceiver: "+quoted+", and name it in ReadWritePaths of the systemd unit")
		return
	}
	err = errors.Join(probe.Close(), os.Remove(probe.Name()))
	if err != nil {
		p.Add(key, "folder "+folder+" does not let files be removed: "+plainError(err), "chown smtpreceiver: "+quoted)
	}
}

// certificate adds what is wrong with a certificate and its key.
func (p *Problems) certificate(certFile, keyFile string) {
	cert := p.pemFile("tls.cert_file", certFile)
	key := p.pemFile("tls.key_file", keyFile)
	if cert == nil || key == nil {
		return
	}
	if _, err := tls.X509KeyPair(cert, key); err != nil {
		p.Add("tls.cert_file", certFile+" and "+keyFile+" are no pair: "+strings.TrimPrefix(err.Error(), "tls: "), "name a certificate in PEM and its private key, without a passphrase")
	}
}

func (p *Problems) pemFile(key, file string) []byte {
	data, err := readFile(file)
	if err != nil {
		p.Add(key, "file "+file+" cannot be read: "+plainError(err), "give the user smtpreceiver access to it, for example chgrp smtpreceiver "+shellQuote(file)+" && chmod g+r "+shellQuote(file))
		return nil
	}
	return data
}

// shellQuote makes a path safe to paste after a command.
func shellQuote(path string) string {
	if strings.IndexFunc(path, func(r rune) bool {
		return !strings.ContainsRune("/._-", r) && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) < 0 {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
