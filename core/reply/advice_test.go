package reply

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestOfAdvises(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err   error
		code  int
		cause string
	}{
		{syscall.ENOSPC, 452, "make room"},
		{syscall.EDQUOT, 452, "quota"},
		{syscall.EROFS, 451, "writable"},
		{syscall.EIO, 451, "check the disk"},
		{syscall.EMFILE, 451, "LimitNOFILE"},
		{syscall.ENFILE, 451, "fs.file-max"},
		{syscall.EACCES, 451, "for the user of the service"},
		{syscall.ENOENT, 451, "create it"},
		{errors.New("something else"), 451, "something else"},
	} {
		err := fmt.Errorf("job 1: %w", &os.PathError{Op: "open", Path: "/var/spool/fax/1.txt", Err: tt.err})
		r := Of(err)
		if r.Code != tt.code || !errors.Is(r, tt.err) || !strings.HasPrefix(r.Cause.Error(), err.Error()) || !strings.Contains(r.Cause.Error(), tt.cause) {
			t.Errorf("%v: %d %v, want %d and %q in the cause", tt.err, r.Code, r.Cause, tt.code, tt.cause)
		}
		if strings.Contains(r.Text, "/") {
			t.Errorf("the client is told %q", r.Text)
		}
	}
}
