package core

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const unpacking = `
clients: 127.0.0.1
applications:
  fax:
    output_folder: '{dir}/fax'
    ctl_type: fax
    addresses: '(?P<number>\d+)@fax$'
    process_attachments: 1
    dearchive: {zip: [bsdtar, -xf, '{archive}', -C, "\x7bdir}"]} # not the {dir} of the test
    transform: {system/all: "<%','.join(attachments)%>"}
`

// openUnpacking is open for applications that unpack with bsdtar.
func openUnpacking(t *testing.T, more string) *bench {
	t.Helper()
	if _, err := exec.LookPath("bsdtar"); err != nil {
		t.Skip("no bsdtar here: apt-get install -y --no-install-recommends libarchive-tools")
	}
	return open(t, unpacking+more)
}

// zipped is an archive of names and contents in turn.
func zipped(t *testing.T, files ...string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		f, err := w.Create(files[i])
		if err == nil {
			_, err = f.Write([]byte(files[i+1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// mailWith is a mail with attachments, names and contents in turn.
func mailWith(files ...string) string {
	var b strings.Builder
	b.WriteString("Subject: x\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=m\n\n--m\n\nsee attachment\n")
	for i := 0; i < len(files); i += 2 {
		b.WriteString("--m\nContent-Disposition: attachment; filename=\"" + files[i] +
			"\"\nContent-Transfer-Encoding: base64\n\n" + base64.StdEncoding.EncodeToString([]byte(files[i+1])) + "\n")
	}
	b.WriteString("--m--\n")
	return b.String()
}

// attached lists the attachments of a job as name=content.
func attached(t *testing.T, j written) string {
	t.Helper()
	var list []string
	for _, k := range []string{"1", "2", "3", "4", "5", "6", "7"} {
		file := j.ctl.Get("attachments", k)
		if file == "" {
			break
		}
		if want := strings.TrimSuffix(j.name, ".ctl") + "_" + k + "_"; !strings.HasPrefix(file, want) {
			t.Errorf("attachment %s is %s", k, file)
		}
		list = append(list, j.ctl.Get("attachments", k+"_name")+"="+j.file(t, file))
	}
	return strings.Join(list, "|")
}

func TestArchivesAreReplacedByTheirFiles(t *testing.T) {
	t.Parallel()
	b := openUnpacking(t, "")
	inner := zipped(t, "x", "not unpacked")
	jobs := b.send(t, localhost, "a@b.example", []string{"1@fax", "2@fax"}, mailWith(
		"a.pdf", "%PDF", "Docs.ZIP", zipped(t, "z/page1.tif", "one", "a/b/page2.tif", "two", "inner.zip", inner),
		"broken.zip", "PK no", "b.txt", "text"))
	if len(jobs) != 2 {
		t.Fatalf("%d jobs", len(jobs))
	}
	for _, j := range jobs {
		if got, want := attached(t, j), "a.pdf=%PDF|page2.tif=two|inner.zip="+inner+"|page1.tif=one|broken.zip=PK no|b.txt=text"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if got, want := j.ctl.Get("system", "all"), "a.pdf,page2.tif,inner.zip,page1.tif,broken.zip,b.txt"; got != want {
			t.Errorf("item attachments: %s, want %s", got, want)
		}
	}
	log := b.log.String()
	for _, want := range []string{"level=WARN msg=dearchive session=s1", "app=fax attachment=broken.zip error=\"unpacker bsdtar: "} {
		if strings.Count(log, want) != 1 {
			t.Errorf("not once in the log: %s\n%s", want, log)
		}
	}
	b.nothingUnpacked(t)
}

// nothingUnpacked: no folder of an unpacker may outlive its message.
func (b *bench) nothingUnpacked(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(b.dir, func(path string, _ fs.DirEntry, err error) error {
		if strings.Contains(path, "dearchive") {
			t.Errorf("left behind: %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestArchivesShareTheLimits: what the first takes is lost to the others.
func TestArchivesShareTheLimits(t *testing.T) {
	t.Parallel()
	six, seven := zipped(t, "a", "123456"), zipped(t, "b", "1234567")
	five, three := zipped(t, "a", "", "b", "", "c", "", "d", "", "e", ""), zipped(t, "a", "", "b", "", "c", "")
	for _, tt := range []struct{ more, message, want string }{
		{"", mailWith("1.zip", six, "2.zip", seven), "a=123456|b=1234567"},
		{"    dearchive_max_size: 10\n", mailWith("1.zip", six, "2.zip", seven, "3.zip", zipped(t, "c", "1234"), "4.zip", six),
			"a=123456|2.zip=" + seven + "|c=1234|4.zip=" + six},
		{"max_mime_parts: 7\n", mailWith("1.zip", five, "2.zip", three, "3.zip", zipped(t, "f", "")),
			"a=|b=|c=|d=|e=|2.zip=" + three + "|f="},
	} {
		b := openUnpacking(t, tt.more)
		jobs := b.send(t, localhost, "a@b.example", []string{"1@fax"}, tt.message)
		if got := attached(t, jobs[0]); got != tt.want {
			t.Errorf("%s%q, want %q", tt.more, got, tt.want)
		}
		b.nothingUnpacked(t)
	}
}

func TestUnpackingEndsWithItsTransaction(t *testing.T) {
	t.Parallel()
	b := openUnpacking(t, "")
	trx := b.transaction(t, "1@fax")
	write(t, trx, mailWith("1.zip", zipped(t, "a", "x")))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := trx.Stage(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	b.nothingUnpacked(t)
}

func TestCheckDearchive(t *testing.T) {
	t.Parallel()
	s := settings(t, t.TempDir(), basics+`
clients: 127.0.0.1
applications:
  fax:
    output_folder: '{dir}/fax'
    ctl_type: fax
    addresses: '(?P<number>\d+)@fax$'
    dearchive: {zip: [no-such-unpacker, '{archive}', '{folder}'], 'tar.gz': [no-such-unpacker, '{archive}', '-C{dir}']}
`)
	problems, warnings := Check(s)
	all := problems.Error()
	for _, want := range []string{
		"applications.fax.dearchive.zip: program no-such-unpacker: ", "applications.fax.dearchive.zip: unknown placeholder {folder}: ",
		`applications.fax.dearchive."tar.gz": program no-such-unpacker: `,
	} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in:\n%s", want, all)
		}
	}
	if got := strings.Join(warnings, "\n"); !strings.Contains(got, "applications.fax.dearchive: has no effect") {
		t.Errorf("warnings: %s", got)
	}
}
