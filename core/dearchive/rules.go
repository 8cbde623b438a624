// Package dearchive has external programs unpack the archives among the
// attachments of a message, within limits of time, size and number of files; and
// convert documents, which is the same with {file} for {archive}.
//
// The archive is hostile and the unpacker may be fooled by it. So the unpacker
// sees a name of ours and never the sender's, no shell stands between, it works
// in a folder of its own that is removed afterwards, its whole process group
// ends with it, and only regular files that lie in that folder and nowhere else
// are taken. What keeps the program itself from writing elsewhere is its own
// care and the rights of the user it runs as. Archives inside archives stay as
// they are.
package dearchive

import (
	"cmp"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// The placeholders of a command.
const (
	archivePlaceholder = "{archive}" // full path of the archive
	filePlaceholder    = "{file}"    // of the document
	dirPlaceholder     = "{dir}"     // full path of the folder to unpack into
)

// Limits bound the unpacking of one archive. One who unpacks several for one
// message takes what the first has used off the limits of the next.
type Limits struct {
	Timeout  time.Duration
	MaxSize  int64 // bytes of all files together, temporary files and messages of the unpacker included
	MaxFiles int   // files and folders
	// MaxMemory is how many bytes of memory each process may ask for; 0: any number.
	// Only Linux and Windows can hold it.
	MaxMemory int64
}

// ErrForNow marks an error that may not be the file's: the program crashed, could
// not be run, or took too long.
var ErrForNow = errors.New("it may be done another time")

type forNow struct{ error }

func (e forNow) Unwrap() error { return e.error }

func (forNow) Is(target error) bool { return target == ErrForNow }

// Rules say which program unpacks what. The zero value with Limits unpacks
// nothing. Once every rule is added they may be used by several goroutines.
type Rules struct {
	Limits
	Converts  bool       // documents, not archives
	unpackers []unpacker // longest extension first
}

type unpacker struct {
	extension string // lower case, no dot in front
	program   string // full path
	args      []string
}

var (
	extensionSyntax = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)
	placeholder     = regexp.MustCompile(`\{\w+\}`) // other braces are the program's own
)

// Add has names that end in a dot and extension, in any case, unpacked by
// command: a program and its arguments, in which {archive} (of one that converts:
// {file}) and {dir} stand for full paths. The error joins everything that is wrong with the rule, a
// program that is not installed included; such a rule is not added.
func (r *Rules) Add(extension string, command []string) error {
	var errs []error
	problem := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !extensionSyntax.MatchString(extension) {
		problem("%q is not a file extension: write it without the dot in front, such as zip or tar.gz", extension)
	}
	u := unpacker{extension: strings.ToLower(extension)}
	if slices.ContainsFunc(r.unpackers, func(o unpacker) bool { return o.extension == u.extension }) {
		problem("there is a second command for the extension %s, which in any case of letters is the same", u.extension)
	}
	if len(command) == 0 || command[0] == "" {
		problem("the command is empty: write the program and its arguments as a list")
		return errors.Join(errs...)
	}
	if placeholder.MatchString(command[0]) {
		problem("the program %s has a placeholder in its name: name a program", command[0])
	} else if err := u.find(command[0]); err != nil {
		problem("program %s: %w: install it, or give its full path", command[0], err)
	}
	u.args = slices.Clone(command[1:])
	all := strings.Join(u.args, "\x00")
	for _, p := range placeholder.FindAllString(all, -1) {
		if p != r.input() && p != dirPlaceholder {
			problem("unknown placeholder %s: there are %s and %s", p, r.input(), dirPlaceholder)
		}
	}
	for _, p := range []string{r.input(), dirPlaceholder} {
		if !strings.Contains(all, p) {
			problem("no argument holds %s: the program must be told", p)
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	r.unpackers = append(r.unpackers, u)
	slices.SortStableFunc(r.unpackers, func(a, b unpacker) int { return cmp.Compare(len(b.extension), len(a.extension)) })
	return nil
}

// input is the placeholder of what the program reads.
func (r *Rules) input() string {
	if r.Converts {
		return filePlaceholder
	}
	return archivePlaceholder
}

// noun is what a program is called in errors.
func (r *Rules) noun() string {
	if r.Converts {
		return "converter"
	}
	return "unpacker"
}

// find looks the program up once: it runs in another folder, where a relative
// path would mean something else.
func (u *unpacker) find(program string) error {
	path, err := exec.LookPath(program)
	if err == nil {
		u.program, err = filepath.Abs(path)
	}
	if e := (*exec.Error)(nil); errors.As(err, &e) {
		err = e.Err // without the name, which the caller has said
	}
	return err
}

// Match says whether there is an unpacker for a file of that name.
func (r *Rules) Match(name string) bool { return r.find(name) != nil }

func (r *Rules) find(name string) *unpacker {
	name = strings.ToLower(name)
	for i, u := range r.unpackers {
		if strings.HasSuffix(name, "."+u.extension) {
			return &r.unpackers[i]
		}
	}
	return nil
}

// command fills in the placeholders, in one pass, so that what is filled in is
// never taken for a placeholder.
func (u *unpacker) command(input, archive, dir string) *exec.Cmd {
	fill := strings.NewReplacer(input, archive, dirPlaceholder, dir)
	cmd := exec.Command(u.program)
	for _, a := range u.args {
		cmd.Args = append(cmd.Args, fill.Replace(a))
	}
	return cmd
}
