package dearchive

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// roomy limits are never reached by a test that is not about them.
var roomy = Limits{Timeout: time.Hour, MaxSize: 1 << 40, MaxFiles: 1 << 30}

func bsdtar(t *testing.T, l Limits) *Rules {
	t.Helper()
	if _, err := exec.LookPath("bsdtar"); err != nil {
		t.Skip("no bsdtar here: apt-get install -y --no-install-recommends libarchive-tools")
	}
	r := &Rules{Limits: l}
	for _, extension := range []string{"zip", "tar"} {
		if err := r.Add(extension, []string{"bsdtar", "-xf", "{archive}", "-C", "{dir}"}); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// extract unpacks in a folder that must be empty afterwards, and says what
// came out as "path=content" lines without the folder in front.
func extract(t *testing.T, ctx context.Context, r *Rules, name string, archive []byte) (string, *Files, error) {
	t.Helper()
	parent := filepath.Join(t.TempDir(), "spool")
	if err := os.Mkdir(parent, 0o755); err != nil {
		t.Fatal(err)
	}
	files, err := r.Extract(ctx, parent, name, bytes.NewReader(archive))
	var list strings.Builder
	if err == nil {
		if err := os.Chmod(files.workspace.dir, 0o700); err != nil {
			t.Error(err)
		}
		for _, f := range files.List {
			fmt.Fprintf(&list, "%s=%s\n", f.path[len(filesName)+1:], read(t, f))
		}
		if err := files.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, dir := range []string{parent, filepath.Dir(parent)} {
		entries, readErr := os.ReadDir(dir)
		if readErr != nil {
			t.Fatal(readErr)
		}
		for _, e := range entries {
			if e.Name() != "spool" {
				t.Errorf("left behind: %s", filepath.Join(dir, e.Name()))
			}
		}
	}
	descriptors, _ := os.ReadDir("/proc/self/fd") // on Linux
	for _, d := range descriptors {
		if name, _ := os.Readlink("/proc/self/fd/" + d.Name()); strings.HasPrefix(name, parent) {
			t.Errorf("left open: %s", name)
		}
	}
	return list.String(), files, err
}

func read(t *testing.T, f File) string {
	t.Helper()
	r, err := f.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(content)) != f.Size {
		t.Errorf("%s has %d bytes, says %d", f.Name, len(content), f.Size)
	}
	return string(content)
}

func zipOf(t *testing.T, entries ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(entries); i += 2 {
		f, err := w.Create(entries[i])
		if err == nil {
			_, err = f.Write([]byte(entries[i+1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// entry is one of a tar file; Size follows from its content.
type entry struct {
	tar.Header
	content string
}

func tarOf(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		e.Size = int64(len(e.content))
		if e.Mode == 0 {
			e.Mode = 0o644
		}
		err := w.WriteHeader(&e.Header)
		if err == nil {
			_, err = w.Write([]byte(e.content))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func file(name, content string) entry { return entry{tar.Header{Name: name}, content} }

func link(kind byte, name, to string) entry {
	return entry{tar.Header{Typeflag: kind, Name: name, Linkname: to}, ""}
}

func TestOrdinaryArchive(t *testing.T) {
	t.Parallel()
	got, files, err := extract(t, context.Background(), bsdtar(t, roomy), "Faktury; $(x) 'ž.ZIP", zipOf(t,
		"b/page 2.txt", "two", "b/page 1.txt", "one", "a.txt", "", "ž/a.txt", "háček", "c.zip", "not unpacked"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "a.txt=\nb/page 1.txt=one\nb/page 2.txt=two\nc.zip=not unpacked\nž/a.txt=háček\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	var names []string
	for _, f := range files.List {
		names = append(names, f.Name)
	}
	if got, want := strings.Join(names, "|"), "a.txt|page 1.txt|page 2.txt|c.zip|a.txt"; got != want {
		t.Errorf("names %s, want %s", got, want)
	}
	if files.Size != int64(len("onetwonot unpackedháček")) || files.Ignored != 0 {
		t.Errorf("size %d, %d ignored", files.Size, files.Ignored)
	}
}

// TestHostileArchive: an archive may fail, but must not reach outside nor
// bring in what is not its own.
func TestHostileArchive(t *testing.T) {
	t.Parallel()
	r := bsdtar(t, roomy)
	outside := t.TempDir()
	secret := filepath.Join(outside, "secret")
	if err := os.WriteFile(secret, []byte("SECRET"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, file string
		archive    []byte
	}{
		{"climbing zip", "a.zip", zipOf(t, "../../x", "evil", "ok", "fine")},
		{"climbing tar", "a.tar", tarOf(t, file("a/../../../x", "evil"), file("ok", "fine"))},
		{"absolute zip", "a.zip", zipOf(t, filepath.Join(outside, "x"), "evil")},
		{"absolute tar", "a.tar", tarOf(t, file(filepath.Join(outside, "x"), "evil"))},
		{"symbolic link out", "a.tar", tarOf(t, link(tar.TypeSymlink, "l", secret), link(tar.TypeSymlink, "p", "/etc/passwd"))},
		{"file through a link", "a.tar", tarOf(t, link(tar.TypeSymlink, "l", outside), file("l/x", "evil"), file("l/secret", "evil"))},
		{"file over a link", "a.tar", tarOf(t, link(tar.TypeSymlink, "l", secret), file("l", "evil"))},
		{"relative link out", "a.tar", tarOf(t, link(tar.TypeSymlink, "l", "../../../.."), file("l/x", "evil"))},
		{"hard link out", "a.tar", tarOf(t, link(tar.TypeLink, "h", secret), file("h", "evil"))},
		{"link to the archive", "a.tar", tarOf(t, link(tar.TypeSymlink, "l", "../archive.tar"), link(tar.TypeLink, "h", "../archive.tar"))},
		{"devices", "a.tar", tarOf(t, link(tar.TypeFifo, "fifo", ""), entry{tar.Header{Typeflag: tar.TypeBlock, Name: "disk", Devmajor: 8}, ""})},
		{"nothing in it", "a.zip", zipOf(t)},
		{"folders only", "a.tar", tarOf(t, entry{tar.Header{Typeflag: tar.TypeDir, Name: "d/", Mode: 0o700}, ""})},
		{"cut off", "a.zip", zipOf(t, "x", strings.Repeat("x", 1000))[:100]},
		{"no archive", "a.zip", []byte("hello")},
		{"empty", "a.zip", nil},
	} {
		got, _, err := extract(t, context.Background(), r, tt.file, tt.archive)
		if err != nil && !strings.HasPrefix(err.Error(), "unpacker bsdtar: ") {
			t.Errorf("%s: the error does not name the unpacker: %v", tt.name, err)
		}
		if err == nil && got == "" {
			t.Errorf("%s: no file and no error", tt.name)
		}
		if strings.Contains(got, "SECRET") || strings.Contains(got, "root:") {
			t.Errorf("%s: brought in %q", tt.name, got)
		}
		entries, readErr := os.ReadDir(outside)
		if content, err := os.ReadFile(secret); readErr != nil || err != nil || len(entries) != 1 || string(content) != "SECRET" {
			t.Fatalf("%s: outside there is now %v, secret is %q", tt.name, entries, content)
		}
	}
}

func TestBombs(t *testing.T) {
	t.Parallel()
	empty := make([]entry, 100_000)
	for i := range empty {
		empty[i] = file(fmt.Sprintf("%d/%d", i/1000, i), "")
	}
	var parts []string
	for i := range 40 {
		parts = append(parts, fmt.Sprint(i), strings.Repeat("\x00", 100_000))
	}
	small := Limits{Timeout: time.Hour, MaxSize: 1 << 20, MaxFiles: 1000}
	for _, tt := range []struct {
		name, file string
		archive    []byte
		want       string
	}{
		{"one file", "a.zip", zipOf(t, "x", strings.Repeat("\x00", 4<<20)), "more than 1048576 bytes"},
		{"many files", "a.zip", zipOf(t, parts...), "more than 1048576 bytes"},
		{"100,000 files", "a.tar", tarOf(t, empty...), "more than 1000 files"},
		{"deep", "a.tar", tarOf(t, file(strings.Repeat("d/", 200)+"x", "")), "more than 64 folders inside each other"},
		{"deeper than a path can be", "a.tar", tarOf(t, file(strings.Repeat("d/", 5000)+"x", "")), ""},
	} {
		_, _, err := extract(t, context.Background(), bsdtar(t, small), tt.file, tt.archive)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
		}
	}
	exact := Limits{Timeout: time.Hour, MaxSize: 3, MaxFiles: 3}
	if got, _, err := extract(t, context.Background(), bsdtar(t, exact), "a.zip", zipOf(t, "a", "1", "d/b", "23")); err != nil || got != "a=1\nd/b=23\n" {
		t.Errorf("at the limits: %q, %v", got, err)
	}
	for _, over := range [][]byte{zipOf(t, "a", "1", "d/b", "234"), zipOf(t, "a", "1", "d/b", "2", "d/c", "3")} {
		if _, _, err := extract(t, context.Background(), bsdtar(t, exact), "a.zip", over); err == nil || !strings.Contains(err.Error(), "more than 3") {
			t.Errorf("one past the limits: %v", err)
		}
	}
}

func TestPasswordIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	archive := zipOf(t, "x", "content")
	// The encryption bit, in the local header and in the directory.
	archive[6] |= 1
	archive[bytes.Index(archive, []byte("PK\x01\x02"))+8] |= 1
	if _, _, err := extract(t, context.Background(), bsdtar(t, roomy), "a.zip", archive); err == nil {
		t.Error("an encrypted archive was unpacked")
	}
}
