package dearchive

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// maxDepth is how many folders may lie inside each other.
const maxDepth = 64

// Files are what came out of one archive.
type Files struct {
	List    []File // in the order of their paths
	Size    int64  // bytes of all together
	Ignored int    // links, devices and the like, which were not taken

	workspace *workspace
}

// File is one file out of an archive.
type File struct {
	Name string // without folders; otherwise as the archive has it, not safe as a file name
	Size int64  // bytes

	workspace *workspace
	path      string // inside the workspace
	info      fs.FileInfo
	id        fileID
	links     uint64 // names of the file, here and elsewhere
}

// Open reads the file. It must be closed before Files is.
func (f File) Open() (io.ReadCloser, error) {
	r, err := f.workspace.open(f.path)
	if err != nil {
		return nil, err
	}
	info, err := r.Stat()
	if err == nil && !os.SameFile(info, f.info) {
		err = fmt.Errorf("%s is no longer the file that was unpacked", f.path)
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// Close removes the files.
func (f *Files) Close() error { return f.workspace.remove() }

// collect lists what was unpacked.
func (w *workspace) collect() (*Files, error) {
	files := &Files{workspace: w}
	names := make(map[fileID]uint64) // of each file, here
	err := w.walk(filesName, func(path string, info fs.FileInfo) error {
		if !info.Mode().IsRegular() {
			if !info.IsDir() {
				files.Ignored++
			}
			return nil
		}
		id, links, err := w.identify(path, info)
		if err != nil {
			return err
		}
		names[id]++
		name := strings.ToValidUTF8(path[strings.LastIndexAny(path, `/\`)+1:], "_")
		files.List = append(files.List, File{name, info.Size(), w, path, info, id, links})
		return nil
	})
	if err != nil {
		return nil, err
	}
	// A file with more names than are here has one elsewhere: to take it would
	// give the recipient somebody else's file.
	found := len(files.List)
	files.List = slices.DeleteFunc(files.List, func(f File) bool { return f.links > names[f.id] })
	files.Ignored += found - len(files.List)
	slices.SortFunc(files.List, func(a, b File) int { return strings.Compare(a.path, b.path) })
	for _, f := range files.List {
		files.Size += f.Size
	}
	return files, nil
}

// measure says whether what the unpacker has written passes a limit.
func (w *workspace) measure(l Limits) error {
	size, entries := int64(0), -1 // the output is ours
	count := func(_ string, info fs.FileInfo) error {
		if entries++; entries > l.MaxFiles {
			return fmt.Errorf("it wrote more than %d files and folders", l.MaxFiles)
		}
		if !info.Mode().IsRegular() {
			return nil
		}
		// Not the blocks in use: a file with holes is copied whole.
		if info.Size() > l.MaxSize-size {
			return fmt.Errorf("it wrote more than %d bytes", l.MaxSize)
		}
		size += info.Size()
		return nil
	}
	output, err := w.root.Lstat(outputName)
	if err == nil {
		err = count(outputName, output)
	}
	err = unlessGone(err) // where the unpacker never ran
	for _, top := range []string{filesName, tempName} {
		if err == nil {
			err = w.walk(top, count)
		}
	}
	return err
}

// walk visits everything below the folder top, in no order, and follows no
// links. What vanishes meanwhile is left out.
func (w *workspace) walk(top string, visit func(path string, info fs.FileInfo) error) error {
	for folders := []string{top}; len(folders) > 0; {
		last := len(folders) - 1
		folder := folders[last]
		folders = folders[:last]
		inner, err := w.visitFolder(folder, visit)
		if err != nil {
			return err
		}
		if len(inner) > 0 && strings.Count(folder, "/") >= maxDepth {
			return fmt.Errorf("more than %d folders inside each other", maxDepth)
		}
		folders = append(folders, inner...)
	}
	return nil
}

// visitFolder visits the entries of one folder and returns the folders among
// them.
func (w *workspace) visitFolder(folder string, visit func(string, fs.FileInfo) error) (inner []string, err error) {
	d, err := w.open(folder)
	if err != nil {
		return nil, unlessGone(err)
	}
	defer d.Close()
	for {
		names, err := d.Readdirnames(256) // there may be millions
		for _, name := range names {
			path := folder + "/" + name
			info, err := w.root.Lstat(path)
			if err == nil {
				err = visit(path, info)
			}
			if err = unlessGone(err); err != nil {
				return nil, err
			}
			if info != nil && info.IsDir() {
				inner = append(inner, path)
			}
		}
		if errors.Is(err, io.EOF) {
			return inner, nil
		}
		if err != nil {
			return inner, unlessGone(err)
		}
	}
}

func unlessGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// open opens a file or folder, also one that the archive gave a mode that bars
// its owner.
func (w *workspace) open(path string) (*os.File, error) {
	f, err := w.root.OpenFile(path, os.O_RDONLY|openFlags, 0)
	if errors.Is(err, fs.ErrPermission) {
		if info, e := w.root.Lstat(path); e == nil && (info.IsDir() || info.Mode().IsRegular()) {
			if e := w.root.Chmod(path, 0o700); e == nil {
				return w.root.OpenFile(path, os.O_RDONLY|openFlags, 0)
			}
		}
	}
	return f, err
}
