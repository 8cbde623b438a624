package core

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"smtpreceiver/core/reply"
)

// FuzzJob takes whole messages into the jobs of three applications. Only a
// limit refuses one; a CTL that appears has the sections and keys it should,
// and the folders hold the files that it names and no others.
func FuzzJob(f *testing.F) {
	files, err := filepath.Glob("message/testdata/*.eml")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	b := open(f, "max_message_size: 64KiB\nmax_header_size: 4KiB\nmax_mime_depth: 5\nmax_mime_parts: 20\nmemory_per_message: 4KiB\n"+office+`
  attached:
    output_folder: '{dir}/sms'
    ctl_type: sms
    addresses: '(?P<number>\d+)@attached$'
    process_att_msg: 1
    process_attachments: 1
    format_preference: eml;txt
    transform: {subject: '<%subject[:5]%>', mail/id: '<%messageId%>', mail/files: '<%attachments%>', mail/text: '<%msg[-9:]%>'}
`)
	ctx := context.Background()
	f.Fuzz(func(t *testing.T, raw []byte) {
		b.log.Reset()
		trx := b.Begin(localhost)
		defer trx.Abort()
		if _, err := trx.Sender("a@b.example", Envelope{}); err != nil {
			t.Fatal(err)
		}
		for _, to := range []string{"1@fax", "2@sms", "3@attached"} {
			if _, err := trx.Recipient(ctx, to, RecipientOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := trx.Write(raw); err != nil {
			var refusal *reply.Reply
			if !errors.As(err, &refusal) || refusal.Temporary() {
				t.Error(err)
			}
			return
		}
		if err := trx.Stage(ctx); err != nil {
			t.Fatal(err)
		}
		if err := trx.Commit(ctx); err != nil {
			t.Fatal(err)
		}
		jobs := b.jobs(t)
		if len(jobs) != 3 {
			t.Fatalf("%d jobs", len(jobs))
		}
		named := 0
		for i, j := range jobs {
			named += checkJob(t, j, []string{"fax", "sms", "attached"}[i])
		}
		for _, folder := range []string{"fax", "sms"} {
			names := b.files(t, folder)
			named -= len(names)
			for _, name := range names {
				if err := os.Remove(filepath.Join(b.dir, folder, name)); err != nil {
					t.Error(err)
				}
			}
		}
		if named != 0 {
			t.Errorf("%d more files are named than there are", named)
		}
		if got := jobs[2]; got.ctl.Get("system", "format") == "eml" && got.text != string(raw) && !strings.Contains(strings.ToLower(string(raw)), "content-type") {
			t.Errorf("eml %q is not the message %q", got.text, raw)
		}
	})
}

// checkJob returns how many files the job has.
func checkJob(t *testing.T, j written, app string) (files int) {
	t.Helper()
	sections, attached := []string{"system", "from", "to"}, j.ctl.Keys("attachments")
	if len(attached) > 0 && app != "sms" {
		sections = append(sections, "attachments")
	}
	if app == "attached" && j.ctl.Keys("mail") != nil {
		sections = append(sections, "mail")
	}
	if got := j.ctl.Sections(); !slices.Equal(got, sections) || j.ctl.Get("system", "app") != app {
		t.Errorf("sections %q:\n%s", got, j.raw)
	}
	known := strings.Fields("type app id subject priority txt format maxlen user_app_id dr action " +
		"name username email gateway smtp number address")
	for _, section := range sections[:3] {
		for _, key := range j.ctl.Keys(section) {
			if !slices.Contains(known, key) {
				t.Errorf("key %q in [%s]", key, section)
			}
		}
	}
	if lines := strings.Split(strings.TrimSuffix(j.raw, "\r\n"), "\r\n"); len(lines) != len(sections)+keys(j, sections) {
		t.Errorf("%d lines:\n%s", len(lines), j.raw)
	}
	if len(attached) == 0 {
		return 2
	}
	count, err := strconv.Atoi(j.ctl.Get("attachments", "count"))
	if err != nil || len(attached) != 1+2*count || count > 21 {
		t.Errorf("attachments %q, %v", attached, err)
	}
	for i := range count {
		name := j.ctl.Get("attachments", strconv.Itoa(i+1))
		if info, err := os.Lstat(filepath.Join(j.folder, name)); err != nil || !info.Mode().IsRegular() || strings.ContainsAny(name, `/\`) {
			t.Errorf("attachment %q: %v", name, err)
		}
	}
	return 2 + count
}

func keys(j written, sections []string) (n int) {
	for _, s := range sections {
		n += len(j.ctl.Keys(s))
	}
	return n
}
