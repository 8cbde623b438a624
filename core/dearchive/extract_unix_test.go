//go:build unix

package dearchive

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/sys/unix"

	"smtpreceiver/contrib/mtatest"
)

// script is an unpacker in shell: $1 is the archive, $2 the folder.
func script(t *testing.T, l Limits, text string) *Rules {
	t.Helper()
	r := &Rules{Limits: l}
	if err := r.Add("zip", []string{"sh", "-c", text, "sh", "{archive}", "{dir}"}); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestUnpacker(t *testing.T) {
	t.Parallel()
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, []byte("SECRET"), 0o600); err != nil {
		t.Fatal(err)
	}
	small := Limits{Timeout: time.Hour, MaxSize: 1 << 20, MaxFiles: 20}
	for _, tt := range []struct {
		name    string
		limits  Limits
		text    string
		want    string
		ignored int
		fails   string
	}{
		{"gets the archive", roomy, `cp "$1" x; echo "${1##*/} ${2##*/} ${PWD##*/}" >y`, "x=content\ny=archive.zip files files\n", 0, ""},
		{"takes only what is its own", roomy, `ln -s ` + outside + ` s; ln ` + outside + ` h; ln "$1" a; mkfifo f; ln -s . loop; echo ok >ok`, "ok=ok\n", 5, ""},
		{"links inside", roomy, `echo 1 >a; mkdir d; ln a d/b; ln -s a c`, "a=1\n\nd/b=1\n\n", 1, ""},
		{"bars its owner", roomy, `mkdir -p d/e; echo 1 >d/e/a; chmod 0 d/e/a d/e d . ..`, "d/e/a=1\n\n", 0, ""},
		{"names that look like paths", roomy, `echo 1 >'a\b'; echo 2 >'-x'; echo 3 >'a
b'`, "-x=2\n\na\nb=3\n\na\\b=1\n\n", 0, ""},
		{"fails", roomy, `echo x >a; echo "cannot read it" >&2; exit 3`, "", 0, "unpacker sh: exit status 3: it says: cannot read it"},
		{"says much", roomy, `yes | head -c 100000; printf 'the\033[31mend\n\nof\000it\377'; exit 1`, "", 0, "y y the [31mend of it?"},
		{"writes nothing", roomy, `true`, "", 0, "wrote no files"},
		{"only links", roomy, `ln -s /etc/passwd x`, "", 0, "wrote no files"},
		{"kills itself", roomy, `kill -9 $$`, "", 0, "signal: killed"},
		{"files with holes", small, `truncate -s 900K a; truncate -s 900K b`, "", 0, "more than 1048576 bytes"},
		{"vast file", small, `truncate -s 1T x`, "", 0, "unpacker sh: "},
		{"endless file", small, `cat /dev/zero >x`, "", 0, "more than 1048576 bytes"},
		{"endless files", small, `i=0; while head -c 100000 /dev/zero >f$i; do i=$((i+1)); done`, "", 0, "more than"},
		{"endless temporary files", small, `while mktemp -d; do :; done`, "", 0, "more than 20 files"},
		{"as long as allowed", Limits{Timeout: time.Hour, MaxSize: 10, MaxFiles: 1}, `sleep 0.1; printf 0123456789 >x`, "x=0123456789\n", 0, ""},
		{"past a limit for a moment", small, `sleep 0.1; i=0; while test $i -lt 300000; do i=$((i+1)); : >"$TMPDIR/$((i%30))"; done; rm "$TMPDIR"/*; echo x >x`, "", 0, "more than 20 files"},
		{"endless messages", small, `yes`, "", 0, "more than 1048576 bytes"},
		{"folder for a link", roomy, `cd /; rmdir "$2"; ln -s / "$2"`, "", 0, "escapes"},
		{"hangs", Limits{Timeout: time.Millisecond, MaxSize: 1, MaxFiles: 1}, `sleep 1000`, "", 0, "not done within 1ms"},
		{"no files left", Limits{Timeout: time.Hour, MaxSize: 1}, `echo x >x`, "", 0, "used up"},
		{"no time left", Limits{MaxSize: 1 << 20, MaxFiles: 1}, `echo x >x`, "", 0, "used up"},
		{"no bytes left", Limits{Timeout: time.Hour, MaxFiles: 1}, `echo x >x`, "", 0, "used up"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, files, err := extract(t, context.Background(), script(t, tt.limits, tt.text), "a.zip", []byte("content"))
			if tt.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fails) || len(err.Error()) > maxReport+200 || strings.HasSuffix(err.Error(), "says: ") {
					t.Errorf("error %v, want %s", err, tt.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if strings.ReplaceAll(got, "\n\n", "\n") != strings.ReplaceAll(tt.want, "\n\n", "\n") || files.Ignored != tt.ignored {
				t.Errorf("%q, %d ignored, want %q, %d", got, files.Ignored, tt.want, tt.ignored)
			}
			for _, f := range files.List {
				if strings.ContainsAny(f.Name, `/\`) {
					t.Errorf("name %q", f.Name)
				}
			}
		})
	}
	if content, err := os.ReadFile(outside); err != nil || string(content) != "SECRET" {
		t.Errorf("outside is now %q, %v", content, err)
	}
}

// TestNothingOutlivesTheUnpacker watches a FIFO that only what the unpacker
// started has open for writing: it ends when the last of these does.
func TestNothingOutlivesTheUnpacker(t *testing.T) {
	t.Parallel()
	const child = `{ echo ready >started; echo ready; exec sleep 1000; } >"${2%/*/*/*}/fifo" & until test -s started; do sleep 0.01; done; `
	for name, last := range map[string]string{"killed": "wait", "ended": "true", "failed": "false", "over a limit": "while mktemp; do :; done"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			fifo, parent := filepath.Join(dir, "fifo"), filepath.Join(dir, "spool")
			if err := errors.Join(unix.Mkfifo(fifo, 0o600), os.Mkdir(parent, 0o700)); err != nil {
				t.Fatal(err)
			}
			// Opened for both, so that the open does not wait; the writing end goes once
			// the child has its own.
			both, err := os.OpenFile(fifo, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			reading, err := os.Open(fifo)
			if err != nil {
				t.Fatal(err)
			}
			defer reading.Close()
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			limits := roomy
			limits.MaxFiles = 100
			r := script(t, limits, child+last)
			extracted := make(chan error, 1)
			go func() {
				files, err := r.Extract(ctx, parent, "a.zip", strings.NewReader(""))
				if err == nil {
					err = files.Close()
				}
				extracted <- err
			}()
			lines := bufio.NewReader(reading)
			if line, err := lines.ReadString('\n'); line != "ready\n" {
				t.Fatalf("%q, %v", line, err)
			}
			if err := both.Close(); err != nil {
				t.Fatal(err)
			}
			if name == "killed" {
				cancel()
			}
			if err := mtatest.Receive(t, "the unpacker to end", extracted); (err == nil) != (name == "ended") || name == "killed" && !errors.Is(err, context.Canceled) {
				t.Errorf("error %v", err)
			}
			if rest, err := io.ReadAll(lines); err != nil || len(rest) != 0 { // waits for the child
				t.Errorf("%q, %v", rest, err)
			}
			if entries, err := os.ReadDir(parent); err != nil || len(entries) != 0 {
				t.Errorf("left behind: %v, %v", entries, err)
			}
		})
	}
}

func TestEnvironmentIsReduced(t *testing.T) {
	t.Setenv("SMTPRECEIVER_FORWARD_PASSWORD", "SECRET")
	got, _, err := extract(t, context.Background(), script(t, roomy, `env >env; tty >tty </dev/tty`), "a.zip", nil)
	if err == nil {
		t.Errorf("the unpacker has a terminal: %s", got)
	}
	got, _, err = extract(t, context.Background(), script(t, roomy, `env >env; ls -d "$TMPDIR" "$HOME" >/dev/null; cat >>env`), "a.zip", nil)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(got, "SECRET") || !strings.Contains(got, "PATH=") {
		t.Errorf("environment:\n%s", got)
	}
}

func TestSourceFails(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	bad := errors.New("the disk is gone")
	_, err := script(t, roomy, "echo x >x").Extract(context.Background(), parent, "a.zip", iotest.ErrReader(bad))
	if !errors.Is(err, bad) {
		t.Errorf("error %v", err)
	}
	if entries, err := os.ReadDir(parent); err != nil || len(entries) != 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	r := script(t, roomy, "echo x >x")
	if _, err := r.Extract(context.Background(), filepath.Join(parent, "gone"), "a.zip", strings.NewReader("")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no parent: %v", err)
	}
	if _, err := r.Extract(context.Background(), parent, "a.rar", strings.NewReader("")); err == nil {
		t.Error("a.rar was unpacked without a rule")
	}
}

// TestFileExchanged: what still runs, against all care, must not slip another
// file under a name that was looked at.
func TestFileExchanged(t *testing.T) {
	t.Parallel()
	for name, exchange := range map[string]func(path string) error{
		"link":  func(p string) error { return os.Symlink("/etc/passwd", p) },
		"fifo":  func(p string) error { return unix.Mkfifo(p, 0o600) },
		"other": func(p string) error { return os.WriteFile(p, nil, 0o600) },
		"none":  func(string) error { return nil },
	} {
		files, err := script(t, roomy, "echo x >x").Extract(context.Background(), t.TempDir(), "a.zip", strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(files.workspace.dir, files.List[0].path)
		// Renamed, not removed: its number must not be given to the next file.
		if err := errors.Join(os.Rename(path, path+".old"), exchange(path)); err != nil {
			t.Fatal(err)
		}
		if r, err := files.List[0].Open(); err == nil {
			t.Errorf("%s: opened", name)
			r.Close()
		}
		if err := files.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestConverter: the same with its own words, and memory that has a limit.
func TestConverter(t *testing.T) {
	t.Parallel()
	r := &Rules{Limits: roomy, Converts: true}
	if err := r.Add("doc", []string{"sh", "-c", `cp "$1" a; exit $(head -c3 "$1")`, "sh", "{file}", "{dir}"}); err != nil {
		t.Fatal(err)
	}
	if err := r.Add("xls", []string{"sh", "{archive}", "{dir}"}); err == nil || !strings.Contains(err.Error(), "unknown placeholder {archive}: there are {file} and {dir}") {
		t.Errorf("{archive}: %v", err)
	}
	for status, now := range map[string]bool{"000": false, "001": false, "128": false, "139": true} {
		_, _, err := extract(t, context.Background(), r, "a.doc", []byte(status))
		if (err == nil) != (status == "000") || errors.Is(err, ErrForNow) != now || err != nil && !strings.HasPrefix(err.Error(), "converter sh: ") {
			t.Errorf("status %s: %v", status, err)
		}
	}
	if _, _, err := extract(t, context.Background(), r, "a.zip", nil); err == nil || err.Error() != `no converter for "a.zip"` {
		t.Errorf("%v", err)
	}
}

// waiting counts who waits for its end.
type waiting struct {
	context.Context
	n int
}

func (*waiting) Done() <-chan struct{} { return make(chan struct{}) }

func (w *waiting) AfterFunc(func()) (stop func() bool) {
	w.n++
	return func() bool { w.n--; return true }
}

// TestTimeoutEnds: of an unpacking that is done no timer waits on.
func TestTimeoutEnds(t *testing.T) {
	t.Parallel()
	ctx := &waiting{Context: context.Background()}
	if _, _, err := extract(t, ctx, script(t, roomy, "echo x >x"), "a.zip", nil); err != nil || ctx.n != 0 {
		t.Errorf("%v; %d wait", err, ctx.n)
	}
}

func TestMemory(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("no limit here")
	}
	little := roomy
	little.MaxMemory = 64 << 20
	const takes = `sleep 0.2; x=$(head -c 200000000 /dev/zero | tr '\0' x); echo ${#x} >x`
	if got, _, err := extract(t, context.Background(), script(t, roomy, takes), "a.zip", nil); err != nil || got != "x=200000000\n\n" {
		t.Errorf("without a limit: %q, %v", got, err)
	}
	if got, _, err := extract(t, context.Background(), script(t, little, takes), "a.zip", nil); err == nil {
		t.Errorf("past the limit: %q", got)
	}
}

// TestWorkspaceIsPrivate: nobody else on the machine reads what is unpacked.
func TestWorkspaceIsPrivate(t *testing.T) {
	t.Parallel()
	w, err := newWorkspace(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.write("a", strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{".": 0o700, filesName: 0o700, tempName: 0o700, "a": 0o600} {
		if info, err := w.root.Stat(name); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if err := w.remove(); err != nil {
		t.Error(err)
	}
}
