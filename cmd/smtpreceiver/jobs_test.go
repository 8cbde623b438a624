//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"smtpreceiver/core/codepage"
	"smtpreceiver/core/ctl"
)

// job is a job as its reader, the fax or SMS server, finds it.
type job struct {
	*ctl.Document
	folder, control string
	files           []string // names of its data files: the text, then the attachments
}

// jobsIn reads all jobs of a folder in the order of their names. It is an error
// if one is not whole, or if a file belongs to none.
func jobsIn(folder string) ([]job, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var jobs []job
	strangers := map[string]bool{}
	for _, e := range entries {
		if e.Name() != ".staging" {
			strangers[e.Name()] = true
		}
	}
	for _, e := range entries {
		if filepath.Ext(e.Name()) != ".ctl" {
			continue
		}
		j, err := readJob(folder, e.Name())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(folder, e.Name()), err)
		}
		jobs = append(jobs, j)
		for _, name := range append(j.files, j.control) {
			delete(strangers, name)
		}
	}
	if len(strangers) > 0 {
		return nil, fmt.Errorf("%s: files of no job: %v", folder, strangers)
	}
	return jobs, nil
}

// outputPage is the default of output_code_page.
const outputPage = "cp1250"

func readJob(folder, control string) (job, error) {
	raw, err := os.ReadFile(filepath.Join(folder, control))
	if err != nil {
		return job{}, err
	}
	page, err := codepage.Lookup(outputPage)
	if err != nil {
		return job{}, err
	}
	doc, err := ctl.Parse(page.Decode(raw))
	if err != nil {
		return job{}, err
	}
	j := job{Document: doc, folder: folder, control: control, files: []string{doc.Get("system", "txt")}}
	if count := doc.Get("attachments", "count"); count != "" {
		n, err := strconv.Atoi(count)
		if err != nil {
			return job{}, err
		}
		for i := range n {
			j.files = append(j.files, doc.Get("attachments", strconv.Itoa(i+1)))
		}
	}
	for _, name := range j.files {
		if info, err := os.Stat(filepath.Join(folder, name)); err != nil {
			return job{}, err
		} else if name == "" || !info.Mode().IsRegular() || info.Size() == 0 {
			return job{}, fmt.Errorf("data file %q: mode %v, %d bytes", name, info.Mode(), info.Size())
		}
	}
	return j, nil
}

// text is the message file in UTF-8.
func (j job) text() (string, error) {
	raw, err := os.ReadFile(filepath.Join(j.folder, j.files[0]))
	if err != nil {
		return "", err
	}
	page, err := codepage.Lookup(outputPage)
	if err != nil {
		return "", err
	}
	return page.Decode(raw), nil
}

// take removes a job as its reader does when it is done with it.
func (j job) take() error {
	for _, name := range append([]string{j.control}, j.files...) {
		if err := os.Remove(filepath.Join(j.folder, name)); err != nil {
			return err
		}
	}
	return nil
}

// jobs are the jobs in a folder of the receiver.
func jobs(t testing.TB, folder string) []job {
	t.Helper()
	found, err := jobsIn(folder)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// addresses are the recipients of the jobs in both folders, sorted.
func (r *receiver) addresses(t testing.TB) []string {
	t.Helper()
	found := []string{}
	for _, j := range append(jobs(t, r.fax), jobs(t, r.sms)...) {
		found = append(found, j.Get("to", "address"))
	}
	slices.Sort(found)
	return found
}

// wantJobs fails the test unless there is one job for each address and no other.
func (r *receiver) wantJobs(t testing.TB, addresses ...string) {
	t.Helper()
	slices.Sort(addresses)
	if got := r.addresses(t); !slices.Equal(got, addresses) {
		t.Errorf("jobs for %q, want %q", got, addresses)
	}
}

// staged lists what lies in the staging folders, locks of owners included.
func (r *receiver) staged(t testing.TB) []string {
	t.Helper()
	var found []string
	for _, folder := range []string{r.fax, r.sms} {
		root := filepath.Join(folder, ".staging")
		err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
			if err == nil && path != root {
				found = append(found, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// wantTidy fails the test if anything is staged but the empty folders and locks
// of the running process; none of these if it has ended.
func (r *receiver) wantTidy(t testing.TB) {
	t.Helper()
	own := fmt.Sprintf("-%d-", r.cmd.Process.Pid)
	var left []string
	for _, path := range r.staged(t) {
		name := strings.TrimPrefix(path, r.dir)
		if r.hasEnded() || !strings.Contains(filepath.Base(path), own) {
			left = append(left, name)
		}
	}
	if len(left) > 0 {
		t.Errorf("left in staging: %q", left)
	}
}
