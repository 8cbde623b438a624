//go:build !linux

package spool

import (
	"errors"
	"os"
)

func syncfs(*os.File) error { return errors.ErrUnsupported }

func syncfsIsTrusted(*os.File) bool { return false }
