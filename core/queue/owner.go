package queue

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Owner names a folder of this machine among all there are, and makes the file in
// it that holds the name.
func Owner(folder, file string) (string, error) {
	path := filepath.Join(folder, file)
	for {
		owner, err := ReadOwner(folder, file)
		if owner != "" || err != nil {
			return owner, err
		}
		if err := writeOnce(path, rand.Text()); err != nil && !errors.Is(err, fs.ErrExist) {
			return "", err
		}
	}
}

// ReadOwner is Owner where the file is there; else the name is "".
func ReadOwner(folder, file string) (string, error) {
	host, err := os.Hostname() // or a copy of the machine would be the same one
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(folder, file))
	if id := strings.TrimSpace(string(text)); err == nil && id != "" {
		return id + "@" + host, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return "", nil
}

// writeOnce makes a file in one step, or finds that another process has.
func writeOnce(path, content string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".owner-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(content + "\n")
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if info, err := os.Stat(path); err == nil && info.Size() == 0 { // of a full disk
		return os.Rename(f.Name(), path)
	}
	return os.Link(f.Name(), path)
}
