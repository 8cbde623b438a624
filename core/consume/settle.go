package consume

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// settle moves a job whose verdict is on disk to where it belongs. It may be
// interrupted anywhere and called again.
func (j *Job) settle() error {
	c := j.claim
	if err := os.MkdirAll(j.journal.Folder, folderMode); err != nil {
		return err
	}
	files, err := j.dataFiles()
	if err != nil {
		return err
	}
	for _, folder := range []string{c.folder, j.journal.Kept} {
		if folder != "" && folder != j.journal.Folder {
			if err := moveAll(folder, j.journal.Folder, files); err != nil {
				return err
			}
		}
	}
	if j.journal.State == failed {
		if err := writeFile(filepath.Join(j.journal.Folder, c.stem+errorExt), []byte(j.explanation())); err != nil {
			return err
		}
	}
	if err := os.Rename(c.work(controlExt), filepath.Join(j.journal.Folder, c.stem+controlExt)); err != nil {
		return err
	}
	if err := errors.Join(syncFolder(j.journal.Folder), syncFolder(filepath.Dir(c.work("")))); err != nil {
		return err
	}
	return removeIfThere(c.work(journalExt))
}

// dataFiles are those that the CTL names; if nobody can read that, those whose
// names say that they belong to it.
func (j *Job) dataFiles() ([]string, error) {
	if j.Job != nil {
		return j.Files(), nil
	}
	entries, err := os.ReadDir(j.claim.folder)
	var files []string
	for _, e := range entries {
		if rest, ok := strings.CutPrefix(e.Name(), j.claim.stem); ok && (rest[0] == '.' || rest[0] == '_') && e.Type().IsRegular() {
			files = append(files, e.Name())
		}
	}
	return files, err
}

// room is the folder of that name, or one inside if it has another job of the
// same name.
func (c *claim) room(folder, key string) (string, error) {
	taken, err := exists(filepath.Join(folder, c.stem+controlExt))
	if taken {
		folder = filepath.Join(folder, key)
	}
	if err == nil {
		err = os.MkdirAll(folder, folderMode)
	}
	return folder, err
}

// moveAll renames files from one folder to the other; what is not there has been
// moved before. A job may name one file twice.
func moveAll(from, to string, files []string) error {
	for _, name := range files {
		err := os.Rename(filepath.Join(from, name), filepath.Join(to, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return syncFolder(to)
}

func (j *Job) explanation() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Job %s was not handed on.\n", j.Stem)
	if j.Job != nil {
		fmt.Fprintf(&b, "To: %s\nFrom: %s\n", j.Address, j.FromSMTP)
	}
	fmt.Fprintf(&b, "When: %s\nTries: %d\nWhy: %s\n\n", time.Now().Format(time.RFC3339), j.journal.Attempts, j.journal.Reason)
	fmt.Fprintf(&b, "To have it tried again, put right what is wrong, then move its files back into\n%s:\nthe data files first, %s last. Remove this file. Or remove all of them.\n", j.claim.folder, j.Stem+controlExt)
	return b.String()
}

// clean removes the folders of days that are over for longer than keep.
func clean(folder string, keep int, now time.Time) error {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		day, notDay := time.ParseInLocation(time.DateOnly, e.Name(), now.Location())
		if notDay == nil && e.IsDir() && day.AddDate(0, 0, keep+1).Before(now) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(folder, e.Name())))
		}
	}
	return err
}
