package explained

import (
	"cmp"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"smtpreceiver/core/message"
	"smtpreceiver/core/report"
)

// ReadFiles reads the files of the job of that name in a folder: the CTL, the
// message, the attachments by their number, and what a report will need. decode reads
// the code page.
func ReadFiles(folder, name string, decode func([]byte) string) ([]File, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var files []File
	for _, e := range entries {
		rest, ours := strings.CutPrefix(e.Name(), name)
		if !ours || rest == "" || rest[0] != '.' && rest[0] != '_' {
			continue
		}
		file, err := read(filepath.Join(folder, e.Name()), rest, decode)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	slices.SortFunc(files, func(a, b File) int {
		return cmp.Compare(place(a.Name[len(name):]), place(b.Name[len(name):]))
	})
	return files, nil
}

// place orders the files of a job by what stands behind its name.
func place(rest string) int {
	switch {
	case rest == ".ctl":
		return -1
	case rest == report.FileExt:
		return math.MaxInt
	}
	number, _, _ := strings.Cut(rest[1:], "_")
	n, _ := strconv.Atoi(number) // 0 of the message
	return n
}

func read(path, rest string, decode func([]byte) string) (File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return File{}, err
	}
	file := File{Name: filepath.Base(path), Size: info.Size()}
	if rest == ".ctl" || rest == "."+string(message.TXT) {
		content, err := os.ReadFile(path)
		if err != nil {
			return File{}, err
		}
		text := decode(content)
		file.Text = &text
	}
	return file, nil
}
