package migrate

import (
	"fmt"
	"path"
	"strings"
)

// Folders says where folders of Windows are now.
type Folders []folder

type folder struct{ from, to string }

// ParseFolders reads entries OLD=NEW.
func ParseFolders(entries []string) (Folders, error) {
	var f Folders
	for _, entry := range entries {
		from, to, ok := strings.Cut(entry, "=")
		if !ok || strings.TrimSpace(from) == "" || strings.TrimSpace(to) == "" {
			return nil, fmt.Errorf(`%q: write OLD=NEW, such as 'D:\FaxChange=/srv/fax'`, entry)
		}
		f = append(f, folder{slashed(strings.TrimSpace(from)), strings.TrimRight(strings.TrimSpace(to), "/")})
	}
	return f, nil
}

// apply gives the new place of a path, by the longest entry that it lies in.
func (f Folders) apply(old string) (mapped string, ok bool) {
	longest := -1
	old = slashed(old)
	for _, m := range f {
		n := len(m.from)
		if n <= longest || len(old) < n || !strings.EqualFold(old[:n], m.from) || len(old) > n && old[n] != '/' {
			continue
		}
		longest, mapped, ok = n, m.to+old[n:], true
	}
	if mapped == "" && ok {
		mapped = "/"
	}
	return mapped, ok
}

// slashed writes a path of Windows with slashes, without one at its end.
func slashed(old string) string { return path.Clean(strings.ReplaceAll(old, `\`, "/")) }
