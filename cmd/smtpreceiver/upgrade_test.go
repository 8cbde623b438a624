//go:build linux

package main

import (
	"database/sql"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"smtpreceiver/contrib/mtatest"
)

// firstSeries holds what the first series of the program left behind; its README
// says how each piece came about.
const firstSeries = "testdata/upgrade/first-series"

// seriesRoot is the folder of the gateway that the pieces are from. Configuration,
// records and journals name it.
const seriesRoot = "/srv/smtpreceiver"

// layOut copies a tree with the modes that the program gives, as if it had been
// written below root.
func layOut(t *testing.T, from, root string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := root + strings.TrimPrefix(path, from)
		if e.IsDir() {
			mode := os.FileMode(0o750)
			if strings.Contains(path, "/.staging") {
				mode = 0o700
			}
			return os.MkdirAll(to, mode)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, []byte(strings.ReplaceAll(string(data), seriesRoot, root)), 0o640)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestUpgradeConfigurations checks configurations of the first series, with every
// key that it had.
func TestUpgradeConfigurations(t *testing.T) {
	t.Parallel()
	dir := mtatest.Dir(t) // a short path, for the sockets
	layOut(t, firstSeries+"/configurations", dir)
	for _, folder := range []string{"state", "fax", "sms", "plain", "call", "page", "outgoing", "gammu", "asterisk", "done", "failed"} {
		mkdir(t, filepath.Join(dir, folder))
	}
	_, _, certificate, key := mtatest.Certificate(t, "gateway.example.com")
	writeFile(t, filepath.Join(dir, "cert.pem"), readFile(t, certificate))
	writeFile(t, filepath.Join(dir, "key.pem"), readFile(t, key))
	db, err := sql.Open("sqlite", filepath.Join(dir, "users.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("CREATE TABLE users (name TEXT, hash TEXT)"); err != nil {
		t.Fatal(err)
	}

	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(files) != 4 {
		t.Fatalf("%q, %v", files, err)
	}
	keys := regexp.MustCompile(`(?m)^( *)#([a-z_]+:)`) // of the sample; other comments have a space
	for _, file := range files {
		text := readFile(t, file)
		if filepath.Base(file) == "sample.yaml" {
			if n := len(keys.FindAllString(text, -1)); n != 120 {
				t.Errorf("%d keys in the sample", n)
			}
			text = keys.ReplaceAllString(text, "$1$2")
			text = strings.NewReplacer("/var/spool/smtpreceiver/fax", filepath.Join(dir, "fax"), "/var/lib/smtpreceiver", filepath.Join(dir, "state")).Replace(text)
			writeFile(t, file, text)
		}
		if status, stdout, stderr := runCommand(t, dir, nil, "check", "--config", file); status != 0 {
			t.Errorf("%s: exit status %d\n%s%s", filepath.Base(file), status, stdout, stderr)
		}
	}
}

// TestUpgrade starts the program where the first series was killed: while it
// showed jobs, and while it handed some on.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	layOut(t, firstSeries+"/gateway", dir)
	r := &receiver{dir: dir, config: filepath.Join(dir, "smtpreceiver.yaml"), fax: filepath.Join(dir, "fax"), sms: filepath.Join(dir, "sms"), binary: binary}
	script := filepath.Join(dir, "send")
	writeFile(t, script, "#!/bin/sh\necho \"$1 $2\" >>'"+dir+"/sent'\n")
	if err := os.Chmod(script, 0o755); err != nil {
		t.Fatal(err)
	}
	if status, stdout, stderr := runCommand(t, dir, nil, "check", "--config", r.config); status != 0 {
		t.Fatalf("check: exit status %d\n%s%s", status, stdout, stderr)
	}

	r.start(t)
	// 2xx, 3xx and 4xx were decided, 1xx, 501 and 601 were not.
	fax := stemsIn(t, r.fax)
	if want := []string{"00000001", "00000201", "00000203", "00000301", "00000303", "00000401", "00000403"}; !slices.Equal(fax, want) {
		t.Fatalf("fax: %q, want %q", fax, want)
	}
	if got, want := stemsIn(t, r.sms), []string{"00000202", "00000302", "00000402"}; !slices.Equal(got, want) {
		t.Fatalf("sms: %q, want %q", got, want)
	}
	r.wantTidy(t)
	for _, stem := range fax {
		j, err := readJob(r.fax, stem+".ctl")
		if err != nil || len(j.files) != 2 {
			t.Fatalf("job %s: files %q, %v", stem, j.files, err)
		}
		for i, data := range []string{"Pump 3 stopped.", "%PDF-1.4\n%EOF\n"} {
			if got := readFile(t, filepath.Join(r.fax, j.files[i])); got != data {
				t.Errorf("%s holds %q, want %q", j.files[i], got, data)
			}
		}
	}
	wantFiles(t, r.fax, 3*len(fax)) // no data file of a job that was undone

	wantDelivery(t, r.addr, to("777@fax"), "250 ")
	eventually(t, "the new job", func() bool { return len(stemsIn(t, r.fax)) > len(fax) })
	if id := stemsIn(t, r.fax)[len(fax)]; id <= "00000700" {
		t.Errorf("ID %s, though those up to 700 were reserved", id)
	}
	r.stop(t)

	if status, _, stderr := runCommand(t, dir, nil, "consume", "--once", "--config", r.config); status != 1 ||
		!strings.Contains(stderr, "jobs not handed on: 2") {
		t.Errorf("consume: exit status %d, %s", status, stderr)
	}
	// 10 was to be tried again, 16 had been claimed only. 12 is in doubt; of 13 and
	// 14 it was on disk that they were handed on, of 11 and 15 that they failed.
	// Several workers: in any order.
	got := sorted(strings.Split(strings.TrimSpace(readFile(t, filepath.Join(dir, "sent"))), "\n"))
	if want := []string{"10 00000002", "16 00000008", "202 00000202", "302 00000302", "402 00000402"}; !slices.Equal(got, want) {
		t.Errorf("handed on: %q, want %q", got, want)
	}
	wantNothingLeft(t, r.sms)
	if got, want := settled(t, r.sms, ".done"), []string{"00000002", "00000005", "00000006", "00000008", "00000202", "00000302", "00000402"}; !slices.Equal(sorted(got), want) {
		t.Errorf("done: %q, want %q", got, want)
	}
	failed := sorted(settled(t, r.sms, ".failed"))
	if want := []string{"00000003", "00000004", "00000007"}; !slices.Equal(failed, want) {
		t.Fatalf("failed: %q, want %q", failed, want)
	}
	for i, why := range []string{"no such number", "in_doubt is fail", "no such number"} {
		if text := readFile(t, filepath.Join(r.sms, ".failed", failed[i]+".err")); !strings.Contains(text, why) {
			t.Errorf("%s: %s, want %q", failed[i], text, why)
		}
		readFile(t, filepath.Join(r.sms, ".failed", failed[i]+".txt"))
	}

	// A failed job is tried again as its .err says.
	for _, ext := range []string{".txt", ".ctl"} {
		if err := os.Rename(filepath.Join(r.sms, ".failed", failed[0]+ext), filepath.Join(r.sms, failed[0]+ext)); err != nil {
			t.Fatal(err)
		}
	}
	if status, _, stderr := runCommand(t, dir, nil, "consume", "--once", "--config", r.config); status != 0 {
		t.Errorf("consume: exit status %d, %s", status, stderr)
	}
	if sent := readFile(t, filepath.Join(dir, "sent")); !strings.HasSuffix(sent, "\n11 00000003\n") {
		t.Errorf("handed on:\n%s", sent)
	}
}

// stemsIn are the names of the jobs in a folder, sorted.
func stemsIn(t *testing.T, folder string) []string {
	t.Helper()
	stems, err := filepath.Glob(filepath.Join(folder, "*.ctl"))
	if err != nil {
		t.Fatal(err)
	}
	for i, path := range stems {
		stems[i] = strings.TrimSuffix(filepath.Base(path), ".ctl")
	}
	return stems
}

func sorted(names []string) []string { return slices.Sorted(slices.Values(names)) }

// wantFiles fails the test unless a folder holds that many files that readers see.
func wantFiles(t *testing.T, folder string, count int) {
	t.Helper()
	if files, err := filepath.Glob(filepath.Join(folder, "[^.]*")); err != nil || len(files) != count {
		t.Errorf("%q, %v, want %d", files, err, count)
	}
}
