package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// addedFolder, beside the main file, holds files that are read after it.
const addedFolder = "conf.d"

// maxFiles bounds what is read of it.
const maxFiles = 1000

// text is a file that was read.
type text struct {
	file, format string
	data         []byte
}

// place is where a key stands.
type place struct {
	file  string
	line  int // 0: not known
	added bool
}

func (p place) String() string {
	if p.line == 0 {
		return p.file
	}
	return p.file + ":" + strconv.Itoa(p.line)
}

// readAll reads the main file and the files of conf.d/*.yaml in the order of
// their names. The error is of type Problems.
func readAll(main string) ([]text, error) {
	data, err := readFile(main)
	if err != nil {
		return nil, unreadable(main, err)
	}
	texts := []text{newText(main, data)}
	folder := filepath.Join(filepath.Dir(main), addedFolder)
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, unreadable(folder, err)
	}
	var files []string
	for _, e := range entries {
		if name := e.Name(); strings.HasSuffix(name, ".yaml") && !strings.HasPrefix(name, ".") {
			files = append(files, filepath.Join(folder, name))
		}
	}
	if len(files) > maxFiles {
		return nil, Problems{{Key: folder, What: fmt.Sprintf("holds more than %d files", maxFiles), Remedy: "put several into one"}}
	}
	var problems Problems
	for _, file := range files {
		data, err := readFile(file)
		if err != nil {
			problems = append(problems, unreadable(file, err)...)
			continue
		}
		texts = append(texts, newText(file, data))
	}
	return texts, problems.Err()
}

func newText(file string, data []byte) text {
	return text{file, strings.TrimPrefix(strings.ToLower(filepath.Ext(file)), "."), data}
}

// parseAll makes one tree of all files. It holds a key as often as it is given.
func parseAll(texts []text) (*node, error) {
	b := new(treeBuilder)
	whole := &node{mapping: true}
	var problems Problems
	for i, t := range texts {
		format := t.format
		if format == "yml" {
			format = "yaml"
		}
		if !slices.Contains(formats, format) {
			return nil, Problems{{Key: t.file, What: "unknown format " + quote(t.format), Remedy: "name the file .yaml, .toml or .json"}}
		}
		b.at = place{file: t.file, added: i > 0}
		root, err := b.tree(format, t.data)
		switch {
		case err != nil:
			problems = append(problems, Problem{Key: t.file, What: err.Error(), Remedy: "mend the file; nothing of it was read"})
		case i == 0:
			whole = root
		case !root.section():
			problems = append(problems, Problem{Key: t.file, What: root.describe() + " where a section must be", Remedy: "write keys with values below it"})
		case whole.section():
			whole = &node{mapping: true, pairs: slices.Concat(whole.pairs, root.pairs)}
		}
	}
	return whole, problems.Err()
}

// Locate gives problems of keys that stand in files of conf.d their places. A
// key that is missing is looked for in the section around it.
func (s *Settings) Locate(problems Problems) {
	for i, p := range problems {
		for key := p.Key; key != ""; key = key[:max(strings.LastIndexAny(key, ".["), 0)] {
			if at, ok := s.places[key]; ok {
				problems[i].Place = at.String()
				break // "" for a key that the environment sets
			}
		}
	}
}

// Source names the files that were read, for messages.
func (s *Settings) Source() string {
	if len(s.Files) < 2 {
		return cmp.Or(strings.Join(s.Files, ""), "configuration")
	}
	var added []string
	for _, file := range s.Files[1:] {
		added = append(added, filepath.Base(file))
	}
	return s.Files[0] + " and " + addedFolder + " (" + strings.Join(added, ", ") + ")"
}
