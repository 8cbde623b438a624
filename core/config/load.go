package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strconv"
	"strings"

	"github.com/spf13/viper"
)

// Source says where the configuration comes from.
type Source struct {
	File    string   // the file to read; empty: smtpreceiver.yaml, .toml or .json is looked for in Dirs
	Dirs    []string // searched in order; nil: the usual ones
	Environ []string // "NAME=value", as os.Environ() gives it
}

// defaultDirs are the folders searched for a configuration file.
func defaultDirs() []string {
	if data := os.Getenv("ProgramData"); runtime.GOOS == "windows" && data != "" {
		return []string{".", filepath.Join(data, "smtpreceiver")}
	}
	return []string{".", "/etc/smtpreceiver"}
}

// formats are the extensions of configuration files, and the formats Parse takes.
var formats = []string{"yaml", "toml", "json"}

// Load reads, completes and validates the configuration: the main file, then the
// files of conf.d beside it. It returns the settings, the path of the main file
// (also when its content is bad), and as error the Problems, which list
// everything wrong at once. Settings that come with Problems hold what could be
// told, so that a check can go on with them; they are not to be run.
func Load(src Source) (s *Settings, file string, err error) {
	file = src.File
	if file == "" {
		if file, err = find(src.Dirs); err != nil {
			return nil, "", err
		}
	}
	texts, err := readAll(file)
	if err != nil {
		return nil, file, err
	}
	s, err = parse(texts, src.Environ)
	return s, file, err
}

// Parse is Load for a file already in memory; format is yaml, toml or json.
func Parse(format string, data []byte, environ []string) (*Settings, error) {
	return parse([]text{{"configuration", format, data}}, environ)
}

// find returns the only configuration file of the first folder that has one.
func find(dirs []string) (string, error) {
	if dirs == nil {
		dirs = defaultDirs()
	}
	var looked []string
	for i, dir := range dirs {
		var found []string
		for _, format := range formats {
			file := filepath.Join(dir, "smtpreceiver."+format)
			looked = append(looked, file)
			switch _, err := os.Stat(file); {
			case err == nil:
				found = append(found, file)
			case errors.Is(err, fs.ErrPermission) && i < len(dirs)-1: // a working directory that is closed to this user holds nothing for it
			case !errors.Is(err, fs.ErrNotExist):
				return "", unreadable(file, err)
			}
		}
		switch len(found) {
		case 0:
		case 1:
			return found[0], nil
		default:
			return "", Problems{{Key: found[0], What: "is not the only configuration there: " + strings.Join(found[1:], " and ") + " too", Remedy: "remove all but one"}}
		}
	}
	return "", Problems{{Key: "configuration", What: "no file found at " + strings.Join(looked, ", "), Remedy: "write one of them, or name another file with --config"}}
}

// Hidden is the configuration of the system that nobody reads because file was found
// in the working directory; empty: none.
func Hidden(file string) string { return hidden(file, defaultDirs()) }

func hidden(file string, dirs []string) string {
	if file == "" || filepath.Dir(file) != dirs[0] {
		return ""
	}
	other, err := find(dirs[1:])
	if err != nil {
		return ""
	}
	here, _ := os.Stat(file)
	there, _ := os.Stat(other)
	if os.SameFile(here, there) { // in the system's own folder, or a link
		return ""
	}
	return other
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFileSize+1))
}

func unreadable(file string, err error) Problems {
	return Problems{{Key: file, What: "cannot be read: " + plainError(err), Remedy: "give the user of the service access to it, or name another file with --config"}}
}

// plainError drops the operation and the path of a file error; the message has
// the path already.
func plainError(err error) string {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err.Error()
	}
	return err.Error()
}

// loader carries one load. Viper holds the layers (environment over file over
// defaults), but never text of the administrator as a key, because it
// lower-cases keys: it knows the sections of a group by their number in names.
type loader struct {
	v         *viper.Viper
	top       schema
	groups    []*group
	problems  Problems
	bad       map[string]bool   // keys that have a problem already
	given     map[string]bool   // keys that the file or the environment sets
	variables map[string]string // key to the environment variable that set it; "applications.fax." to the one that made it
	places    map[string]place  // of the keys in files of conf.d
	queued    bool              // queue.servers is set
}

// group is a section whose keys are sections that the administrator names, such
// as applications.
type group struct {
	name    string
	one     string // what one of them is called
	heading string // in the documentation
	keys    schema // of each of them
	names   []string
}

func groups() []*group {
	return []*group{
		{name: "applications", one: "an application", heading: "Applications", keys: schemaOf[Application]()},
		{name: "consume", one: "a consumer", heading: "Handing jobs on", keys: schemaOf[Consumer]()},
	}
}

// group returns the group of that name, or nil.
func (l *loader) group(name string) *group {
	for _, g := range l.groups {
		if g.name == name {
			return g
		}
	}
	return nil
}

// path is where viper has the keys of the group's section i; shown is where
// messages have them.
func (g *group) path(i int) (path, shown string) {
	return g.name + delimiter + strconv.Itoa(i) + delimiter, KeyPath(g.name, g.names[i]) + "."
}

// folders is the value of the tag required for what only output folders need.
const folders = "folders"

// delimiter separates the levels of viper's keys; no key of ours contains it.
const delimiter = "::"

func parse(texts []text, environ []string) (*Settings, error) {
	root, err := parseAll(texts)
	if err != nil {
		return nil, err
	}
	l := &loader{
		top: schemaOf[Settings](), groups: groups(), bad: map[string]bool{}, given: map[string]bool{}, variables: map[string]string{}, places: map[string]place{},
	}
	if err := l.file(root); err != nil {
		return nil, fmt.Errorf("config: %s: %w", texts[0].file, err)
	}
	l.environment(environ)

	s := &Settings{places: l.places, given: l.given}
	for _, t := range texts {
		s.Files = append(s.Files, t.file)
	}
	l.fill(s, l.top, "", "")
	l.queued = s.Queue.On()
	s.Applications = fillGroup[Application](l, "applications")
	s.Consume = fillGroup[Consumer](l, "consume")
	l.contradictions(s)
	s.Locate(l.problems)
	return s, l.problems.Err()
}

func fillGroup[T any](l *loader, name string) map[string]*T {
	filled := map[string]*T{}
	g := l.group(name)
	for i, one := range g.names {
		if l.bad[KeyPath(g.name, one)] { // not a section, and said so
			l.bad[g.name] = true
			continue
		}
		filled[one] = new(T)
		path, shown := g.path(i)
		l.fill(filled[one], g.keys, path, shown)
	}
	return filled
}

// fill sets every field of the struct that to points to, from the strongest
// layer that has the key. The prefixes stand before the keys: path as viper
// knows them, shown as messages do.
func (l *loader) fill(to any, s schema, path, shown string) {
	for _, f := range s.fields {
		key, at := shown+f.name, path+strings.ReplaceAll(f.name, ".", delimiter)
		if l.bad[key] {
			continue
		}
		if l.v.IsSet(at) {
			l.given[key] = true
		}
		l.v.SetDefault(at, f.initial())
		v := f.in(to)
		if text, scalar := l.v.Get(at).(string); !scalar {
			v.Set(reflect.ValueOf(l.v.Get(at))) // a list or map, typed by the layer it comes from
		} else if err := setText(v, f.kind, text); err != nil {
			what := quote(text) + " is not a valid " + string(f.kind)
			if errors.Is(err, errTooLarge) || errors.Is(err, errTooSmall) {
				what = quote(text) + " is " + err.Error()
			}
			l.reject(key, what, remedies[f.kind])
			continue
		}
		if l.queued && f.tag.Get("required") == folders && v.Len() == 0 {
			continue
		}
		if what, remedy := f.check(v); what != "" {
			if variable, ok := l.variables[shown]; ok {
				what += " (the section is there because of environment variable " + variable + ")"
			}
			l.reject(key, what, remedy)
		}
	}
}

// reject records what is wrong with a key, and that its value is not to be
// judged any further.
func (l *loader) reject(key, what, remedy string) {
	if name, ok := l.variables[key]; ok {
		what = "environment variable " + name + ": " + what
	}
	l.bad[key] = true
	l.problems.Add(key, what, remedy)
}
