package folder

import (
	"fmt"
	"io/fs"
	"path/filepath"
)

// moveChecked is moveNew where the system cannot do it in one step. Those who
// move jobs hold their locks, so nobody else gives the name meanwhile but a
// receiver, which never gives one twice.
func moveChecked(from *dir, name string, to *dir, as string) error {
	if taken, err := to.exists(as); err != nil || taken {
		if err == nil {
			err = fmt.Errorf("%s: %w", filepath.Join(to.path, as), fs.ErrExist)
		}
		return err
	}
	return move(from, name, to, as)
}
