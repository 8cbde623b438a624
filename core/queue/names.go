package queue

import (
	"encoding/base32"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
)

var (
	plainToken = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}$`)
	encoding   = base32.StdEncoding.WithPadding(base32.NoPadding)
)

// token is a name as a part of a subject, which holds no dots, blanks or
// wildcards.
func token(name string) string {
	if plainToken.MatchString(name) {
		return name
	}
	return "=" + encoding.EncodeToString([]byte(name))
}

// maxNameLength is that of file names everywhere, and what a consumer's folder has
// room for.
const maxNameLength = 240

// checkName refuses a file name that is more than a file name or not of the job.
func checkName(stem, name string) error {
	switch {
	case !strings.HasPrefix(name, stem) || len(name) == len(stem):
		return fmt.Errorf("file name %q does not begin with %s", name, stem)
	case len(name) > maxNameLength:
		return fmt.Errorf("file name %q is longer than %d bytes", name, maxNameLength)
	case strings.ContainsAny(name, "/\\\x00") || !filepath.IsLocal(name):
		return fmt.Errorf("file name %q is more than a file name", name)
	case strings.EqualFold(filepath.Ext(name), controlExt):
		return errors.New("file name " + name + " is that of a CTL")
	}
	return nil
}

const controlExt = ".ctl"
