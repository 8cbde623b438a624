package core

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"smtpreceiver/core/reply"
)

func nestedParts(depth int) string {
	var w strings.Builder
	w.WriteString("Subject: deep\n")
	for i := range depth {
		fmt.Fprintf(&w, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i)
	}
	w.WriteString("Content-Type: text/plain\n\nthe deepest text\n--b0--\n")
	return w.String()
}

func manyParts(n int) string {
	var w strings.Builder
	w.WriteString("Subject: wide\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nthe text\n")
	for i := range n {
		fmt.Fprintf(&w, "--b\nContent-Type: application/pdf; name=%d.pdf\n\n%d\n", i, i)
	}
	w.WriteString("--b--\n")
	return w.String()
}

// TestHostileMailIsAJob: whatever comes, there is a job, its files are no more
// than the limits allow, and nothing beyond them is lost.
func TestHostileMailIsAJob(t *testing.T) {
	t.Parallel()
	b := open(t, "max_mime_parts: 100\n"+spooling)
	for _, tt := range []struct {
		name, mail  string
		text        string
		attachments int
		last        string // what the last attachment ends with
		logged      string
	}{
		{"MIME depth 10,000", nestedParts(10_000), "", 1, "the deepest text", "more than 50 deep"},
		{"100,000 parts", manyParts(100_000), "the text", 99, "99999\r\n--b--\r\n", "more than 100 parts"},
		{"one boundary begins another", "Content-Type: multipart/mixed; boundary=ab\n\n--ab\nContent-Type: multipart/mixed; boundary=abc\n\n" +
			"--abc\n\none\n--abc\nContent-Type: application/pdf\n\ntwo\n--abc--\n--ab\nContent-Type: application/pdf\n\nthree\n--ab--\n", "one", 2, "three", ""},
		{"a boundary that begins its own child's", "Content-Type: multipart/mixed; boundary=abc\n\n--abc\nContent-Type: multipart/mixed; boundary=ab\n\n" +
			"--ab\n\none\n--ab\nContent-Type: application/pdf\n\ntwo\n--ab--\n--abc\nContent-Type: application/pdf\n\nthree\n--abc--\n", "one", 2, "three", ""},
		{"multipart without parts", "Content-Type: multipart/mixed; boundary=b\n\nonly a preamble\n", "only a preamble\r\n", 0, "", "without its end"},
		{"header only", "Subject: x", "", 0, "", ""},
		{"nothing but NUL", strings.Repeat("\x00", 1000), "", 0, "", ""},
		{"line of 1 MB", "\n" + strings.Repeat("x", 1<<20), strings.Repeat("x", 1<<20), 0, "", ""},
		{"message in message, 1,000 times", strings.Repeat("Content-Type: message/rfc822\n\n", 1000) + "\nend", "", 1, "end", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := b.send(t, localhost, "a@b.example", []string{"1@fax"}, tt.mail)[0]
			if got := j.text; got != tt.text {
				t.Errorf("text of %d bytes: %.100q, want %.100q", len(got), got, tt.text)
			}
			count := 0
			if s := j.ctl.Get("attachments", "count"); s != "" {
				var err error
				if count, err = strconv.Atoi(s); err != nil {
					t.Fatal(err)
				}
			}
			if count != tt.attachments {
				t.Errorf("%d attachments, want %d", count, tt.attachments)
			}
			for i := range count {
				content := j.file(t, j.ctl.Get("attachments", strconv.Itoa(i+1)))
				if i == count-1 && !strings.HasSuffix(content, tt.last) {
					t.Errorf("the last attachment ends with %q, want %q", content[max(0, len(content)-100):], tt.last)
				}
			}
			if tt.logged != "" && !strings.Contains(b.log.String(), tt.logged) {
				t.Errorf("the log does not say %q", tt.logged)
			}
		})
	}
}

// TestRefusedWhileItComes: a message past a limit is refused at the limit, not
// at its end, and leaves nothing.
func TestRefusedWhileItComes(t *testing.T) {
	t.Parallel()
	b := open(t, "max_message_size: 2MiB\n"+spooling)
	const piece = 8 << 10
	for _, tt := range []struct {
		name, head, unit string
		limit            int64
	}{
		{"header of 10 MB in one line", "Subject: ", "a", 1 << 20},
		{"header of 10 MB in lines", "", "X-A: b\r\n", 1 << 20},
		{"header of 10 MB folded", "Subject: x\r\n", "\ta\r\n", 1 << 20},
		{"base64 without end", "Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n", "QUJD\r\n", 2 << 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			trx := b.Begin(localhost)
			if _, err := trx.Sender("a@b.example", Envelope{}); err != nil {
				t.Fatal(err)
			}
			if _, err := trx.Recipient(context.Background(), "1@fax", RecipientOptions{}); err != nil {
				t.Fatal(err)
			}
			chunk := []byte(strings.Repeat(tt.unit, piece/len(tt.unit)))
			_, err := trx.Write([]byte(tt.head))
			for written := 0; err == nil && written < 10<<20; written += len(chunk) {
				_, err = trx.Write(chunk)
			}
			var refusal *reply.Reply
			if !errors.As(err, &refusal) || refusal.Code != 552 || refusal.Enhanced != [3]int{5, 3, 4} {
				t.Errorf("answer %v", err)
			}
			if size := trx.buffer.Size(); size > tt.limit {
				t.Errorf("%d bytes kept, limit %d", size, tt.limit)
			}
			trx.Abort()
			if files := b.files(t, "fax"); len(files) > 0 {
				t.Errorf("left over: %q", files)
			}
			err = filepath.WalkDir(filepath.Join(b.dir, "fax", ".staging"), func(path string, d os.DirEntry, err error) error {
				if err == nil && !d.IsDir() && filepath.Ext(path) != ".lock" {
					t.Errorf("left over: %s", path)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestAttachmentFiles: no name a sender can think of leaves the folder, hides
// a file, meets another one or opens a device, and the order stays.
func TestAttachmentFiles(t *testing.T) {
	t.Parallel()
	b := open(t, spooling)
	names := []struct{ sent, file string }{
		{"a.pdf", "a.pdf"}, {"a.pdf", "a.pdf"}, {"A.PDF", "A.PDF"}, {"2_a.pdf", "2_a.pdf"},
		{"../../etc/passwd", "passwd"}, {`..\..\boot.ini`, "boot.ini"}, {"/etc/cron.d/x", "x"}, {"..", "attachment"}, {".", "attachment"}, {".htaccess", "htaccess"},
		{"a\x00b.pdf", "a b.pdf"}, {"nul\x00.pdf", "_nul.pdf"}, {"fdp\u202etxt.exe", "fdptxt.exe"}, {"\u200f\u200e", "attachment"}, {strings.Repeat("x", 4000) + ".pdf", strings.Repeat("x", 60) + ".pdf"},
		{strings.Repeat("ž", 100) + ".tif", strings.Repeat("z", 60) + ".tif"}, {"CON", "_CON"}, {"con.txt", "_con.txt"}, {"LPT1", "_LPT1"}, {"a:b.pdf", "a_b.pdf"},
		{"job.ctl", "job.ctl_"}, {"a\r\n[to]\r\nnumber=900.pdf", "a [to] number=900.pdf"}, {"a=b;c#[d].pdf", "a=b;c#[d].pdf"}, {"  ", "attachment.pdf"}, {"", "attachment.pdf"},
		{"žluťoučký kůň.pdf", "zlutoucky kun.pdf"}, {"日本.pdf", "Ri Ben.pdf"}, {"a|b?c*d<e>f\".pdf", "a_b_c_d_e_f_.pdf"},
	}
	var mail strings.Builder
	mail.WriteString("Subject: names\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\ntext\n")
	for i, n := range names {
		fmt.Fprintf(&mail, "--b\nContent-Type: application/pdf\nContent-Disposition: attachment; filename=\"=?utf-8?B?%s?=\"\n\n%d\n", base64.StdEncoding.EncodeToString([]byte(n.sent)), i)
	}
	mail.WriteString("--b--\n")
	for _, j := range b.send(t, localhost, "a@b.example", []string{"1@fax", "2@fax"}, mail.String()) {
		stem := strings.TrimSuffix(j.name, ".ctl")
		for i, n := range names {
			key := strconv.Itoa(i + 1)
			if got, want := j.ctl.Get("attachments", key), stem+"_"+key+"_"+n.file; got != want {
				t.Errorf("%.40q is in %q, want %q", n.sent, got, want)
			}
			if got := j.file(t, j.ctl.Get("attachments", key)); got != strconv.Itoa(i) {
				t.Errorf("%.40q holds %q, want %d", n.sent, got, i)
			}
		}
	}
	files := b.files(t, "fax")
	if len(files) != 2*(len(names)+2) {
		t.Errorf("%d files: %q", len(files), files)
	}
	for i := range files {
		files[i] = strings.ToLower(files[i]) // Windows shares see no other difference
	}
	slices.Sort(files)
	if len(slices.Compact(files)) != 2*(len(names)+2) {
		t.Errorf("names differ by case only: %q", files)
	}
}

// TestManyLongNames: the CTL stays one that its readers take.
func TestManyLongNames(t *testing.T) {
	t.Parallel()
	b := open(t, spooling)
	var mail strings.Builder
	mail.WriteString("Content-Type: multipart/mixed; boundary=b\n\n--b\n\ntext\n")
	for range 400 {
		fmt.Fprintf(&mail, "--b\nContent-Type: application/pdf\nContent-Disposition: attachment; filename=\"%s.pdf\"\n\nx\n", strings.Repeat("ž", 2000))
	}
	mail.WriteString("--b--\n")
	j := b.send(t, localhost, "a@b.example", []string{"1@fax"}, mail.String())[0]
	j.values(t, map[string]string{"attachments/count": "400", "attachments/400_name": strings.Repeat("ž", 127)})
}

// TestMemoryOfOneMessage counts the bytes that are allocated for a message
// with an attachment of 1 MB and of 8 MB: memory_per_message and fixed buffers,
// whatever its size.
func TestMemoryOfOneMessage(t *testing.T) {
	b := open(t, "memory_per_message: 64KiB\n"+spooling)
	allocated := func(size int) uint64 {
		line := []byte(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("%PDF "), 57/5*100)) + "\r\n")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		trx := b.Begin(localhost)
		defer trx.Abort()
		ctx := context.Background()
		if _, err := trx.Sender("a@b.example", Envelope{}); err != nil {
			t.Fatal(err)
		}
		for _, to := range []string{"1@fax", "2@fax", "3@sms"} {
			if _, err := trx.Recipient(ctx, to, RecipientOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		write(t, trx, "Content-Type: multipart/mixed; boundary=b\n\n--b\n\ntext\n--b\nContent-Type: application/pdf\nContent-Transfer-Encoding: base64\n\n")
		for n := 0; n < size; n += len(line) {
			if _, err := trx.Write(line); err != nil {
				t.Fatal(err)
			}
		}
		write(t, trx, "\n--b--\n")
		if err := trx.Stage(ctx); err != nil {
			t.Fatal(err)
		}
		if err := trx.Commit(ctx); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	allocated(1 << 20) // what the first message makes for all
	small, large := allocated(1<<20), allocated(8<<20)
	if large > small+512<<10 { // a garbage collection empties pools that are filled again
		t.Errorf("%d bytes allocated for 1 MB, %d for 8 MB", small, large)
	}
}
