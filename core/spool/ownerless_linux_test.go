package spool

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestOwnerless(t *testing.T) {
	t.Parallel()
	if fs := Ownerless(t.TempDir()); fs != "" {
		t.Errorf("%s has no owners", fs)
	}
	if fs := Ownerless("/nonexistent"); fs != "" {
		t.Errorf("%s has no owners", fs)
	}
	for magic, want := range map[int64]string{unix.CIFS_SUPER_MAGIC: "CIFS", unix.EXT4_SUPER_MAGIC: "", unix.NFS_SUPER_MAGIC: ""} {
		if got := ownerless[magic]; got != want {
			t.Errorf("%x: %q, want %q", magic, got, want)
		}
	}
}
