package job

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"smtpreceiver/core/incoming"
	"smtpreceiver/core/reply"
	"smtpreceiver/core/sms"
	"smtpreceiver/core/transform"
)

var errFault = errors.New("fault")

// faultyJob fails at one of its calls.
type faultyJob struct {
	*memoryJob
	at string
}

func (j faultyJob) Create(name string) (io.WriteCloser, error) {
	if j.at == "create "+name {
		return nil, errFault
	}
	f, err := j.memoryJob.Create(name)
	return faultyFile{f, name, j.at}, err
}

func (j faultyJob) Link(name string, from Job, fromName string) error {
	if j.at == "link "+name {
		return errFault
	}
	return j.memoryJob.Link(name, from.(faultyJob).memoryJob, fromName)
}

func (j faultyJob) Control(ctl []byte) error {
	if j.at == "control" {
		return errFault
	}
	return j.memoryJob.Control(ctl)
}

type faultyFile struct {
	io.WriteCloser
	name, at string
}

func (f faultyFile) Write(p []byte) (int, error) {
	if f.at == "write "+f.name {
		return 0, errFault
	}
	return f.WriteCloser.Write(p)
}

func (f faultyFile) Close() error {
	err := f.WriteCloser.Close()
	if f.at == "close "+f.name {
		return errFault
	}
	return err
}

// TestEachFaultIsSaid: an error of any call of a job is that of Fill: a job that
// lacks something is never taken for whole.
func TestEachFaultIsSaid(t *testing.T) {
	t.Parallel()
	for _, at := range []string{
		"", "create gw1-1.txt", "write gw1-1.txt", "close gw1-1.txt", "create gw1-1_1_a.pdf", "write gw1-1_1_a.pdf", "close gw1-1_1_a.pdf",
		"create gw1-1.report", "write gw1-1.report", "close gw1-1.report", "control", "link gw1-2_2_evil.CTL_", "write gw1-2.txt", "close gw1-2.txt",
	} {
		r := recipe(t)
		r.Reported = true
		m, _ := maker(t, Mail{Sender: "a@b.example", Arrived: time.Unix(1e9, 0)}, withTwo)
		var err error
		for range 2 {
			if _, err := m.Read(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		rcpt := recipient(t, "1@fax")
		rcpt.Notify = "FAILURE"
		for _, id := range []string{"1", "2"} {
			err = errors.Join(err, m.Fill(t.Context(), faultyJob{newMemoryJob(id), at}, r, rcpt))
		}
		if errors.Is(err, errFault) != (at != "") || at == "" && err != nil {
			t.Errorf("fault at %q: %v", at, err)
		}
	}
}

// TestMessageThatCannotBeRead: the file behind a long message fails: the text is
// not taken for a shorter one.
func TestMessageThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"Subject: x\n\n" + strings.Repeat("body\n", 5000), withTwo + strings.Repeat("x", 100)} {
		for name, change := range map[string]func(*Recipe){
			"reported":  func(r *Recipe) { r.Reported = true },
			"plain":     func(*Recipe) {},
			"templates": func(r *Recipe) { r.Text = template(t, "<%msg%>") },
			"tidied":    func(r *Recipe) { r.Tidy, _ = sms.ParseTidy([]string{"signature"}) },
			"commands":  func(r *Recipe) { r.Tags, _ = transform.Builtin("mobilchange") },
			"unpacked": func(r *Recipe) {
				r.Dearchive.Timeout, r.Dearchive.MaxFiles, r.Dearchive.MaxSize = time.Minute, 10, 1<<20
				if err := r.Dearchive.Add("pdf", []string{"true", "{archive}", "{dir}"}); err != nil {
					t.Error(err)
				}
			},
		} {
			r := recipe(t)
			change(r)
			dir := scratch{t.TempDir(), new(bool)}
			m, _ := makerIn(t, dir, 0, Mail{Sender: "a@b.example"}, text)
			*dir.fails = true
			if _, err := m.Read(t.Context(), r); err != nil {
				continue // said before a job is begun
			}
			if err := m.Fill(t.Context(), newMemoryJob("1"), r, recipient(t, "1@fax")); err == nil {
				t.Errorf("%.20q, %s: filled from a file that fails", text, name)
			}
		}
	}
}

// TestArchiveThatCannotBeUnpacked: it stays an attachment, and the log says why.
func TestArchiveThatCannotBeUnpacked(t *testing.T) {
	t.Parallel()
	r := recipe(t)
	r.Dearchive.Timeout, r.Dearchive.MaxFiles, r.Dearchive.MaxSize = time.Minute, 10, 1<<20
	if err := r.Dearchive.Add("pdf", []string{"false", "{archive}", "{dir}"}); err != nil {
		t.Fatal(err)
	}
	m, log := maker(t, Mail{}, withTwo)
	if got := m.job(t, "1", r, recipient(t, "1@fax")).files["gw1-1_1_a.pdf"]; got != "PDF" || !strings.Contains(log.String(), "a.pdf") {
		t.Errorf("attachment %q, log %q", got, log)
	}
	m, log = maker(t, Mail{}, withTwo)
	m.scratch = noScratch{}
	if got := m.job(t, "1", r, recipient(t, "1@fax")).files["gw1-1_1_a.pdf"]; got != "PDF" || !strings.Contains(log.String(), "fault") {
		t.Errorf("without room for a folder: attachment %q, log %q", got, log)
	}
}

type noScratch struct{ incoming.Scratch }

func (noScratch) TempDir() (string, error)                   { return "", errFault }
func (noScratch) TempFile(string) (incoming.TempFile, error) { return nil, errFault }

// fullScratch makes files that take nothing.
type fullScratch struct{ scratch }

func (s fullScratch) TempFile(of string) (incoming.TempFile, error) {
	f, err := s.scratch.TempFile(of)
	return fullFile{f}, err
}

type fullFile struct{ incoming.TempFile }

func (fullFile) Write([]byte) (int, error) { return 0, errFault }

// TestFilesAreLetGo: what a job has read is closed, also where it could not be
// written.
func TestFilesAreLetGo(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"", "create a", "write a", "close a"} {
		r := &countedReader{Reader: strings.NewReader("content")}
		err := writeAttachment(faultyJob{newMemoryJob("1"), at}, "a", attachment{"a", func() (io.ReadCloser, error) { r.open++; return r, nil }})
		if r.open != 0 || (err != nil) != (at != "") {
			t.Errorf("fault at %q: %d open, error %v", at, r.open, err)
		}
	}
	broken := attachment{"a", func() (io.ReadCloser, error) { return io.NopCloser(iotest.ErrReader(errFault)), nil }}
	if err := writeAttachment(newMemoryJob("1"), "a", broken); !errors.Is(err, errFault) {
		t.Errorf("an attachment that cannot be read: %v", err)
	}
}

type countedReader struct {
	io.Reader
	open int
}

func (r *countedReader) Close() error { r.open--; return nil }

// TestControlFileHasASize: what no reader of ours takes is not written. The
// sender chooses the names of attachments and many a value, so the limits of both
// multiply.
func TestControlFileHasASize(t *testing.T) {
	t.Parallel()
	for columns, refused := range map[int]bool{31: false, 33: true} {
		r := recipe(t)
		data := map[string]string{}
		for i := range columns {
			data[string(rune('a'+i/10))+string(rune('0'+i%10))] = strings.Repeat("x", 32<<10)
		}
		m, _ := maker(t, Mail{SenderData: data}, "\nx\n")
		if _, err := m.Read(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		j := newMemoryJob("1")
		err := m.Fill(t.Context(), j, r, recipient(t, "1@fax"))
		if !refused {
			if err != nil {
				t.Fatal(err)
			}
			j.document(t, r) // can be read
			continue
		}
		if err == nil || reply.Of(err).Code != 552 || reply.Of(err).Enhanced != [3]int{5, 3, 4} || j.ctl != "" {
			t.Errorf("%d values of 32 KiB: error %v, a CTL of %d bytes", columns, err, len(j.ctl))
		}
	}
}

// TestLineEndsThatCannotBeWritten: nothing counts as written that was not.
func TestLineEndsThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	f := faultyFile{nil, "x", "write x"}
	if n, err := (&crlfWriter{w: f}).Write([]byte("a\nb")); n != 0 || !errors.Is(err, errFault) {
		t.Errorf("%d bytes, %v", n, err)
	}
}
