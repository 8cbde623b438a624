//go:build unix

package targets

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"smtpreceiver/core/consume"
	"smtpreceiver/core/consume/targets/targettest"
)

// exchanging is a target in whose folder others exchange what was prepared, for a
// link to a folder of theirs or of somebody else's.
type exchanging struct {
	consume.Target
	exchange func(j *consume.Job) error
	t        *testing.T
}

func (e exchanging) Submit(ctx context.Context, j *consume.Job) error {
	if err := e.exchange(j); err != nil {
		e.t.Error(err)
	}
	return e.Target.Submit(ctx, j)
}

// TestSubmitThroughLink: nothing is handed over or removed through a link that has
// come between the two steps.
func TestSubmitThroughLink(t *testing.T) {
	t.Parallel()
	kinds := map[string]func(to string) consume.Target{
		"smstools": func(to string) consume.Target { return Smstools{Drop: NewDrop(to)} },
		"gammu":    func(to string) consume.Target { return Gammu{Drop: NewDrop(to)} },
		"asterisk": func(to string) consume.Target {
			return Asterisk{Drop: NewDrop(to), Channel: "PJSIP/{number}@trunk", Context: "fax"}
		},
		"folder": func(to string) consume.Target { return Folder{to} },
	}
	for kind, open := range kinds {
		for _, planted := range []string{"staging", "staging, one data file there", "job", "plain file"} {
			if kind != "folder" && planted != "staging" && planted != "plain file" {
				continue // there a job is one file, which is moved whatever it is
			}
			t.Run(kind+"/"+planted, func(t *testing.T) {
				t.Parallel()
				to := t.TempDir()
				private, staging := filepath.Join(to, "private"), filepath.Join(to, stagingName)
				var kept []string
				keep := func(path, content string) error {
					kept = append(kept, path)
					return errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(content), 0o600))
				}
				why := targettest.New(t, "x").HandOn(t, exchanging{open(to), func(j *consume.Job) error {
					own := filepath.Join(staging, j.Key)
					if planted == "job" {
						return errors.Join(keep(filepath.Join(private, "00000042.txt"), "mine"), keep(filepath.Join(private, "00000042.ctl"), "mine"),
							os.RemoveAll(own), os.Symlink("../private", own))
					}
					err := os.Rename(staging, filepath.Join(to, "away"))
					if planted == "plain file" {
						return errors.Join(err, keep(staging, "mine"))
					}
					if kind != "folder" {
						err = errors.Join(err, keep(filepath.Join(private, j.Key), "mine"))
					} else {
						err = errors.Join(err, keep(filepath.Join(private, j.Key, "00000042.txt"), "mine"), keep(filepath.Join(private, j.Key, "00000042.ctl"), "mine"))
					}
					if planted != "staging" { // which ends in an error that cleans up
						err = errors.Join(err, keep(filepath.Join(to, "00000042.txt"), "other"))
					}
					return errors.Join(err, os.Symlink("private", staging))
				}, t})
				if why == "" {
					t.Error("handed on")
				}
				for _, path := range kept {
					if content, err := os.ReadFile(path); err != nil || string(content) != "mine" && string(content) != "other" {
						t.Errorf("%q, %v", content, err)
					}
				}
				if files, _ := filepath.Glob(filepath.Join(to, "[^.ap]*")); len(files) > 1 || len(files) == 1 && planted != "staging, one data file there" {
					t.Errorf("handed over: %q", files)
				}
			})
		}
	}
}

// TestMoveLeavesNoFolder: a name in a journal leads to no other place.
func TestMoveLeavesNoFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	to := filepath.Join(dir, "to")
	if err := errors.Join(os.MkdirAll(filepath.Join(to, stagingName, "sub"), 0o770), os.WriteFile(filepath.Join(to, stagingName, "copy"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	root, staging, err := openBoth(to)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	defer staging.Close()
	for _, name := range []string{"../out", "/" + dir + "/out", stagingName + "/sub/in", ""} {
		if err := move(staging, "copy", root, name); err == nil {
			t.Errorf("moved to %q", name)
		}
		if err := move(staging, name, root, "in"); err == nil || !strings.Contains(err.Error(), "is no name of a file") {
			t.Errorf("moved from %q: %v", name, err)
		}
	}
	if err := move(staging, "copy", root, "in"); err != nil {
		t.Error(err)
	}
}
