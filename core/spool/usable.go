package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Fault is what is wrong with a folder.
type Fault string

// The faults of folders.
const (
	Missing     Fault = "does not exist"
	Unreachable Fault = "cannot be reached"
	NotFolder   Fault = "is not a folder"
	Unwritable  Fault = "cannot be written"
	Unremovable Fault = "does not let files be removed"
)

// FolderError says why a folder is of no use.
type FolderError struct {
	Folder string
	Fault  Fault
	Err    error // of the system, without operation and path; nil for Missing and NotFolder
}

func (e *FolderError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("%s %s", e.Folder, e.Fault)
	}
	return fmt.Sprintf("%s %s: %v", e.Folder, e.Fault, e.Err)
}

func (e *FolderError) Unwrap() error {
	if e.Fault == Missing {
		return fs.ErrNotExist
	}
	return e.Err
}

// Usable says whether this user can make files in folder; if not, the error is
// a *FolderError. Nothing is written: a reader may be watching the folder. Where
// the system does not tell (Windows, files of the kernel), TryWriting does.
func Usable(folder string) error {
	_, err := usable(folder)
	return err
}

func usable(folder string) (fs.FileInfo, error) {
	info, err := os.Stat(folder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &FolderError{Folder: folder, Fault: Missing}
	case err != nil:
		return nil, unusable(folder, Unreachable, err)
	case !info.IsDir():
		return nil, &FolderError{Folder: folder, Fault: NotFolder}
	}
	return info, unusable(folder, Unwritable, mayWrite(folder))
}

// TryWriting is Usable, and makes and removes a file.
func TryWriting(folder string) error {
	if err := Usable(folder); err != nil {
		return err
	}
	file, err := os.CreateTemp(folder, ".smtpreceiver-check-*")
	if err != nil {
		return unusable(folder, Unwritable, err)
	}
	return unusable(folder, Unremovable, errors.Join(file.Close(), os.Remove(file.Name())))
}

func unusable(folder string, fault Fault, err error) error {
	if err == nil {
		return nil
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return &FolderError{Folder: folder, Fault: fault, Err: err}
}
