package dearchive

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// program is one that every machine with a Go test on it can find.
func program(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return self
}

func TestAdd(t *testing.T) {
	t.Parallel()
	self := program(t)
	for _, tt := range []struct {
		name, extension string
		command         []string
		want            []string // parts of the error; none: no error
	}{
		{"whole arguments", "zip", []string{self, "-xf", "{archive}", "-C", "{dir}"}, nil},
		{"parts of arguments", "7z", []string{self, "--from={archive}", "-o{dir}"}, nil},
		{"both in one argument", "a", []string{self, "{archive}>{dir}/x"}, nil},
		{"braces of the program", "zip", []string{self, "-c", "{ a; } ${1%b} {}", "{archive}", "{dir}"}, nil},
		{"two dots", "tar.gz", []string{self, "{archive}", "{dir}"}, nil},
		{"dot in front", ".zip", []string{self, "{archive}", "{dir}"}, []string{`".zip"`, "without the dot"}},
		{"path", "../zip", []string{self, "{archive}", "{dir}"}, []string{"not a file extension"}},
		{"blank", "", []string{self, "{archive}", "{dir}"}, []string{"not a file extension"}},
		{"no command", "zip", nil, []string{"command is empty"}},
		{"empty program", "zip", []string{""}, []string{"command is empty"}},
		{"placeholder is the program", "zip", []string{"{archive}", "{archive}", "{dir}"}, []string{"placeholder in its name"}},
		{"not installed", "zip", []string{"no-such-unpacker", "{archive}", "{dir}"}, []string{"no-such-unpacker", "not found", "install it"}},
		{"not there", "zip", []string{filepath.Join(t.TempDir(), "x"), "{archive}", "{dir}"}, []string{"install it"}},
		{"no archive", "zip", []string{self, "{dir}"}, []string{"no argument holds {archive}"}},
		{"no dir", "zip", []string{self, "{archive}"}, []string{"no argument holds {dir}"}},
		{"split placeholder", "zip", []string{self, "{dir", "}", "{archive}"}, []string{"no argument holds {dir}"}},
		{"unknown placeholder", "zip", []string{self, "{archive}", "{dir}", "{name}"}, []string{"unknown placeholder {name}"}},
		{"case matters", "zip", []string{self, "{Archive}", "{archive}", "{dir}"}, []string{"unknown placeholder {Archive}"}},
		{"everything wrong", "*", []string{"no-such-unpacker", "{x}"}, []string{"not a file extension", "no-such-unpacker", "{x}", "{archive}:", "{dir}:"}},
	} {
		var r Rules
		err := r.Add(tt.extension, tt.command)
		if (err == nil) != (len(tt.want) == 0) {
			t.Errorf("%s: error %v", tt.name, err)
			continue
		}
		if r.Match("x."+tt.extension) != (err == nil) {
			t.Errorf("%s: a rule with the error %v matches: %t", tt.name, err, err != nil)
		}
		for _, part := range tt.want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: the error does not say %q: %v", tt.name, part, err)
			}
		}
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	self := program(t)
	var r Rules
	if r.Match("a.zip") {
		t.Error("the zero value matches")
	}
	for _, extension := range []string{"gz", "ZIP", "tar.gz"} {
		if err := r.Add(extension, []string{self, extension, "{archive}", "{dir}"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Add("zip", []string{self, "{archive}", "{dir}"}); err == nil || !strings.Contains(err.Error(), "second command") {
		t.Errorf("zip after ZIP: %v", err)
	}
	for name, want := range map[string]string{
		"a.zip": "ZIP", "A.Zip": "ZIP", ".zip": "ZIP", "../../x.zip": "ZIP", "a.tar.gz": "tar.gz", "a.TAR.GZ": "tar.gz", "tar.gz": "gz",
		"a.gz": "gz", "zip": "", "azip": "", "a.zip.exe": "", "a.zip ": "", "": "", ".": "",
	} {
		got := ""
		if u := r.find(name); u != nil {
			got = u.args[0]
		}
		if got != want || r.Match(name) != (want != "") {
			t.Errorf("%q is unpacked by %q, want %q", name, got, want)
		}
	}
}

func TestCommand(t *testing.T) {
	t.Parallel()
	var r Rules
	if err := r.Add("zip", []string{program(t), "-o{dir}", "{archive}", "$(x) {dir}/{archive}"}); err != nil {
		t.Fatal(err)
	}
	// What is filled in is neither split nor filled in again.
	cmd := r.find("a.zip").command(archivePlaceholder, "/in/{dir} b", "/out/{archive};")
	want := []string{program(t), "-o/out/{archive};", "/in/{dir} b", "$(x) /out/{archive};//in/{dir} b"}
	if !slices.Equal(cmd.Args, want) {
		t.Errorf("%q, want %q", cmd.Args, want)
	}
}

// TestProgramIsFoundOnce: the unpacker runs in another folder than the one its
// path was written for.
func TestProgramIsFoundOnce(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs a program without an extension")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "own"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	var r Rules
	if err := r.Add("zip", []string{"./own", "{archive}", "{dir}"}); err != nil {
		t.Fatal(err)
	}
	if got := r.unpackers[0].program; !filepath.IsAbs(got) {
		t.Errorf("program is %s", got)
	}
	t.Setenv("PATH", "") // "." is no place to take programs from, not even like this
	if err := r.Add("own", []string{"own", "{archive}", "{dir}"}); err == nil {
		t.Error("took a program from the current folder by its bare name")
	}
}
