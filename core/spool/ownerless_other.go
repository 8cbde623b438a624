//go:build !linux

package spool

import "runtime"

// Ownerless names the file system of a folder if files have no owners of their own
// there, so that nobody can tell who has put what into it; "": they have, as far as
// is known.
func Ownerless(string) string {
	if runtime.GOOS == "windows" {
		return "Windows"
	}
	return ""
}
