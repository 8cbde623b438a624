package main

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"smtpreceiver/core/auth"
)

func hashOf(t *testing.T, in io.Reader) (stdout string, err error) {
	t.Helper()
	cmd := hashPassword()
	var out bytes.Buffer
	cmd.SetIn(in)
	cmd.SetOut(&out)
	cmd.SetErr(io.Discard)
	cmd.SetArgs(nil)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err = cmd.ExecuteContext(t.Context())
	return out.String(), err
}

// logIn puts a hash into a users file and logs in with the password.
func logIn(t *testing.T, hash, password string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(file, []byte("jan:"+hash), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := auth.New(auth.Options{
		Backend: "file", UsersFile: file, Timeout: time.Minute, MaxFailures: 1, FailureWindow: time.Minute,
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if _, err := a.Verify(t.Context(), netip.PrefixFrom(netip.IPv6Loopback(), 64), "jan", password); err != nil {
		t.Errorf("%q: %v", password, err)
	}
}

// TestHashPasswordFromInput puts what the command prints into a users file and
// logs in with it.
func TestHashPasswordFromInput(t *testing.T) {
	t.Parallel()
	for input, password := range map[string]string{
		"secret\n":         "secret",
		"secret":           "secret",
		"secret\r\nmore\n": "secret",
		" with blanks \n":  " with blanks ",
		"čtyři\n":          "čtyři",
	} {
		hash, err := hashOf(t, strings.NewReader(input))
		if err != nil || strings.Count(hash, "\n") != 1 {
			t.Errorf("%q: %q, %v", input, hash, err)
			continue
		}
		logIn(t, hash, password)
	}
	for input, says := range map[string]string{
		"":                               "empty",
		"\n":                             "empty",
		strings.Repeat("x", 1025) + "\n": "1024 bytes",
		strings.Repeat("x", 1<<20):       "1024 bytes",
		"a\x00b\n":                       "NUL",
	} {
		if hash, err := hashOf(t, strings.NewReader(input)); err == nil || !strings.Contains(err.Error(), says) || hash != "" {
			t.Errorf("%.10q of %d bytes: %q, %v", input, len(input), hash, err)
		}
	}
	broken := errors.New("broken")
	if hash, err := hashOf(t, iotest.ErrReader(broken)); !errors.Is(err, broken) || hash != "" {
		t.Errorf("input that cannot be read: %q, %v", hash, err)
	}
}
