//go:build unix && !linux

package spool

import "errors"

// renameNoReplace is left to link and remove: POSIX has no rename that spares
// an existing file.
func renameNoReplace(_, _ entry) error { return errors.ErrUnsupported }
