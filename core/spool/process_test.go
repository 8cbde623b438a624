package spool

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The test binary runs itself as another process that shares folders and IDs.
const (
	roleVariable    = "SPOOL_TEST_ROLE"
	foldersVariable = "SPOOL_TEST_FOLDERS"
	stateVariable   = "SPOOL_TEST_STATE"
)

func TestMain(m *testing.M) {
	role := os.Getenv(roleVariable)
	if role == "" {
		os.Exit(m.Run())
	}
	s, err := Open(context.Background(), Config{StateDirectory: os.Getenv(stateVariable)})
	if err == nil {
		switch role {
		case "deliver":
			err = deliverForEver(s, filepath.SplitList(os.Getenv(foldersVariable)))
		case "count":
			err = count(s, 250)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// deliverForEver delivers batches of two jobs, four at a time, and says after
// each what it has acknowledged.
func deliverForEver(s *Spool, folders []string) error {
	if err := s.Use(folders); err != nil {
		return err
	}
	var mu sync.Mutex
	errs := make(chan error)
	for i := range 4 {
		to := pick(folders, [][]int{{0, 0}, {0, 1}, {1, 1}, {1, 0}}[i])
		go func() {
			for {
				stems, err := deliver(context.Background(), s, to...)
				if err != nil {
					errs <- err
				}
				mu.Lock()
				fmt.Println(strings.Join(stems, " "))
				mu.Unlock()
			}
		}()
	}
	return <-errs
}

func count(s *Spool, n int) error {
	for range n {
		id, err := s.ids.next()
		if err != nil {
			return err
		}
		fmt.Println(id)
	}
	return nil
}

func process(t *testing.T, role, state string, folders ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"="+role, stateVariable+"="+state,
		foldersVariable+"="+strings.Join(folders, string(filepath.ListSeparator)))
	cmd.Stderr = os.Stderr
	return cmd
}

// A process is killed in the middle of its work, again and again: what it
// acknowledged is there, each job whole, each batch whole, and nothing is left
// in staging. The two jobs of a batch share their attachment, which is how a
// visible job's other half is known.
func TestKill(t *testing.T) {
	t.Parallel()
	folders := tempFolders(t, 2)
	state := t.TempDir()
	var acknowledged []string
	for kill := range 10 {
		cmd := process(t, "deliver", state, folders...)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			acknowledged = append(acknowledged, strings.Fields(lines.Text())...)
			if n == kill {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the process was not killed")
		}
		recoverWith(t, nil, folders...)
		var found, attachments []string
		for _, folder := range folders {
			for _, stem := range visible(t, folder) {
				found = append(found, stem)
				attachments = append(attachments, filepath.Join(folder, stem+attachment))
			}
		}
		for _, a := range attachments {
			if !slices.ContainsFunc(attachments, func(b string) bool { return a != b && isOneFile(a, b) }) {
				t.Errorf("%s: the other job of the batch is missing", a)
			}
		}
		for _, stem := range acknowledged {
			if !slices.Contains(found, stem) {
				t.Errorf("job %s was acknowledged and is not there", stem)
			}
		}
		slices.Sort(found)
		if len(slices.Compact(slices.Clone(found))) != len(found) {
			t.Errorf("a job is there twice: %q", found)
		}
		wantNothingStaged(t, folders...)
		if t.Failed() {
			t.Fatalf("kill %d", kill)
		}
	}
	if len(acknowledged) < 10 {
		t.Errorf("only %d jobs were delivered", len(acknowledged))
	}
}

// takeAll is a reader of folders: it moves each job it sees away, CTL first, and
// expects it whole from the moment it sees the CTL.
func takeAll(t *testing.T, folders []string, to string) {
	t.Helper()
	for _, folder := range folders {
		controls, err := filepath.Glob(filepath.Join(folder, "*"+controlSuffix))
		if err != nil {
			t.Error(err)
		}
		for _, path := range controls {
			stem := strings.TrimSuffix(filepath.Base(path), controlSuffix)
			for _, suffix := range []string{controlSuffix, ".txt", attachment} {
				if err := os.Rename(filepath.Join(folder, stem+suffix), filepath.Join(to, stem+suffix)); err != nil {
					t.Errorf("a reader saw half of a job: %v", err)
				}
			}
		}
	}
}

// Two processes, as milter and standalone, share state_directory and folders, and a
// reader takes what appears. One is killed again and again, in the end both.
func TestKillBesideAnotherAndAReader(t *testing.T) {
	t.Parallel()
	folders, taken := tempFolders(t, 2), tempFolders(t, 1)
	state := t.TempDir()
	var mu sync.Mutex
	var acknowledged []string
	run := func(lines int) {
		cmd := process(t, "deliver", state, folders...)
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Error(err)
			return
		}
		scanner := bufio.NewScanner(out)
		for n := 0; scanner.Scan(); n++ {
			mu.Lock()
			acknowledged = append(acknowledged, strings.Fields(scanner.Text())...)
			mu.Unlock()
			if n == lines {
				if err := cmd.Process.Kill(); err != nil {
					t.Error(err)
				}
			}
		}
		if err := cmd.Wait(); err == nil {
			t.Error("the process was not killed")
		}
	}
	const kills = 8
	var writers sync.WaitGroup
	writers.Go(func() { run(20 * kills) })
	writers.Go(func() {
		for n := range kills {
			run(2 + 3*n)
		}
	})
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	for over := false; !over; {
		select {
		case <-done:
			over = true
		case <-time.After(5 * time.Millisecond):
		}
		takeAll(t, folders, taken[0])
	}
	recoverWith(t, nil, folders...)
	takeAll(t, folders, taken[0])
	found := visible(t, taken[0])
	for _, stem := range acknowledged {
		if !slices.Contains(found, stem) {
			t.Errorf("job %s was acknowledged and is not there", stem)
		}
	}
	byFile := map[uint64]int{}
	d := openTestDir(t, taken[0])
	for _, stem := range found {
		info, err := d.root.Stat(stem + attachment)
		if err != nil {
			t.Fatal(err)
		}
		byFile[(&dir{info: info}).inode()]++
	}
	for inode, n := range byFile {
		if n != 2 && inode != 0 {
			t.Errorf("%d jobs of a batch of two", n)
		}
	}
	wantNothingStaged(t, folders...)
	for _, folder := range folders {
		if left := list(t, folder); len(left) > 0 {
			t.Errorf("left in a folder: %q", left)
		}
	}
	if len(acknowledged) < 20*kills {
		t.Errorf("only %d jobs were acknowledged", len(acknowledged))
	}
}

func TestProcessesNeverShareAnID(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	const processes = 4
	outputs := make([][]byte, processes)
	var wg sync.WaitGroup
	for i := range processes {
		cmd := process(t, "count", state)
		wg.Go(func() {
			var err error
			if outputs[i], err = cmd.Output(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var all []string
	for _, out := range outputs {
		all = append(all, strings.Fields(string(out))...)
	}
	slices.Sort(all)
	if len(all) != processes*250 || len(slices.Compact(slices.Clone(all))) != len(all) {
		t.Errorf("%d IDs, %d of them different", len(all), len(slices.Compact(all)))
	}
}
