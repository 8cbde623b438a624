package registry

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

func cp1250(b []byte) string {
	text, _ := charmap.Windows1250.NewDecoder().Bytes(b)
	return string(text)
}

// inUTF16 writes text as regedit does: little-endian behind a byte order mark,
// CRLF.
func inUTF16(t testing.TB, text string) []byte {
	t.Helper()
	b, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().Bytes([]byte(strings.ReplaceAll(text, "\n", "\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// dump shows a tree, one line for each key and value.
func dump(root *Key) string {
	var b strings.Builder
	kinds := []string{"String", "ExpandString", "MultiString", "Number", "Binary"}
	for key := range root.All() {
		if key != root {
			fmt.Fprintf(&b, "[%s]\n", key.Path())
		}
		for _, v := range key.Values() {
			fmt.Fprintf(&b, "%d %q %s %q\n", v.Line, v.Name, kinds[v.Kind], v.Text)
		}
	}
	return b.String()
}

// everything has each form that regedit writes.
const everything = header5 + `

[HKEY_LOCAL_MACHINE\SOFTWARE\Datasys]
@="default"
"text"="D:\\Faxchange\\\"log\" ž [x]=;"
"lines"="one
two"
"empty"=""
"port"=dword:00000019
"less"=dword:fffffff1
"expand"=hex(2):25,00,55,00,6d,00,73,00,25,00,5c,00,4d,00,61,00,69,00,6c,00,00,\
  00
"multi"=hex(7):61,00,00,00,7e,01,00,00,00,00
"string"=hex(1):61,00,00,00
"big"=hex(b):01,00,00,00,01,00,00,00
"number"=hex(4):0a,00,00,00
"bytes"=hex:01,\
  02,03
"none"=hex(0):
"=\"\\"="odd name"

[HKEY_LOCAL_MACHINE\SOFTWARE\Datasys\empty]

`

const everythingRead = `[HKEY_LOCAL_MACHINE]
[HKEY_LOCAL_MACHINE\SOFTWARE]
[HKEY_LOCAL_MACHINE\SOFTWARE\Datasys]
4 "" String ["default"]
5 "text" String ["D:\\Faxchange\\\"log\" ž [x]=;"]
6 "lines" String ["one\r\ntwo"]
8 "empty" String [""]
9 "port" Number ["25"]
10 "less" Number ["4294967281"]
11 "expand" ExpandString ["%Ums%\\Mail"]
13 "multi" MultiString ["a" "ž"]
14 "string" String ["a"]
15 "big" Number ["4294967297"]
16 "number" Number ["10"]
17 "bytes" Binary ["hex:01,02,03"]
19 "none" Binary ["hex(0):"]
20 "=\"\\" String ["odd name"]
[HKEY_LOCAL_MACHINE\SOFTWARE\Datasys\empty]
`

func read(t *testing.T, data []byte) (root *Key, problems []Problem) {
	t.Helper()
	root, problems, err := Read(data, cp1250)
	if err != nil {
		t.Fatal(err)
	}
	return root, problems
}

// TestEncodings reads the same export in each form in which it may come.
func TestEncodings(t *testing.T) {
	crlf := strings.ReplaceAll(everything, "\n", "\r\n")
	ansi, err := charmap.Windows1250.NewEncoder().String(crlf)
	if err != nil {
		t.Fatal(err)
	}
	wide := inUTF16(t, everything)
	big := slices.Clone(wide)
	for i := 0; i < len(big); i += 2 {
		big[i], big[i+1] = big[i+1], big[i]
	}
	for name, data := range map[string][]byte{
		"UTF-16LE":             wide,
		"UTF-16BE":             big,
		"UTF-16LE without BOM": wide[2:],
		"UTF-8 with BOM":       []byte("\xef\xbb\xbf" + crlf),
		"UTF-8 without BOM":    []byte(crlf),
		"ANSI":                 []byte(ansi),
	} {
		root, problems := read(t, data)
		if diff := cmp.Diff(everythingRead, dump(root)); diff != "" || len(problems) > 0 {
			t.Errorf("%s: problems %v, (-want +got):\n%s", name, problems, diff)
		}
	}
}

// TestREGEDIT4: strings in hex are in the code page too.
func TestREGEDIT4(t *testing.T) {
	root, problems := read(t, []byte("REGEDIT4\r\n\r\n[HKEY_LOCAL_MACHINE\\a]\r\n\"n\"=\"\x9elu\x9d\"\r\n\"e\"=hex(2):9e,00\r\n\"m\"=hex(7):9e,00,\\\r\n  62,00,00\r\n"))
	want := "[HKEY_LOCAL_MACHINE]\n[HKEY_LOCAL_MACHINE\\a]\n4 \"n\" String [\"žluť\"]\n5 \"e\" ExpandString [\"ž\"]\n6 \"m\" MultiString [\"ž\" \"b\"]\n"
	if diff := cmp.Diff(want, dump(root)); diff != "" || len(problems) > 0 {
		t.Errorf("problems %v, (-want +got):\n%s", problems, diff)
	}
}

// TestMeaning: what the lines do to each other.
func TestMeaning(t *testing.T) {
	for name, tt := range map[string]struct{ text, want, problems string }{
		"HKLM, case":      {"[HKLM\\A]\n\"x\"=\"1\"\n[hkey_local_machine\\a]\n\"X\"=\"2\"", "[HKEY_LOCAL_MACHINE]\n[HKEY_LOCAL_MACHINE\\A]\n5 \"X\" String [\"2\"]\n", ""},
		"value deleted":   {"[A]\n\"x\"=\"1\"\n\"y\"=\"2\"\n\"X\"=-\n@=-", "[A]\n4 \"y\" String [\"2\"]\n", ""},
		"key deleted":     {"[A\\B]\n\"x\"=\"1\"\n[A\\C]\n[-a\\b]\n[-Q]\n[-Q\\R]\n\"lost\"=-", "[A]\n[A\\C]\n", ""},
		"tree deleted":    {"[A\\B]\n\"x\"=\"1\"\n[-HKLM]\n[-A]", "", ""},
		"comments":        {"; c\n[A] ; c\n\"x\"=\"1;\" ; c\n\"y\"=dword:1;c\n\"z\"=hex:01,\\ ; c\n  02 ;c", "[A]\n4 \"x\" String [\"1;\"]\n5 \"y\" Number [\"1\"]\n6 \"z\" Binary [\"hex:01,02\"]\n", ""},
		"spaces":          {"  [A]  \n  \"x\" = \"1\"  \n @ = dword:2", "[A]\n3 \"x\" String [\"1\"]\n4 \"\" Number [\"2\"]\n", ""},
		"bracket in name": {"[A]B\\C]\n", "[A]B]\n[A]B\\C]\n", ""},
		"no key yet":      {"\"x\"=\"1\"\n[A]", "[A]\n", `line 2: the value "x" belongs to no key`},
		"broken key":      {"[A]\n[B\n\"x\"=\"1\"", "[A]\n", `line 3: a key must end with ]: "[B"; line 4: the value "x" belongs to no key`},
		"words behind ]":  {"[A]\n[B] c\n\"x\"=\"1\"", "[A]\n", `line 3: a key must end with ]: "[B] c"; line 4: the value "x" belongs to no key`},
		"hex of a number": {"[A]\n\"x\"=hex(10):01", "[A]\n3 \"x\" Binary [\"hex(10):01\"]\n", ""},
		"unclosed":        {"[A]\n\"x\"=\"1\n\"y\"=\"2\"", "[A]\n4 \"y\" String [\"2\"]\n", `line 3: the quotes of a value do not match: "\"x\"=\"1"`},
		"unclosed at end": {"[A]\n\"x\"=\"1", "[A]\n", `line 3: the quotes of a value do not match: "\"x\"=\"1"`},
		"junk": {"[A]\nx=1\n\"x\n\"x\"\n\"x\"=1\n\"x\"=dword:123456789\n\"x\"=dword:\n\"x\"=hex:0\n\"x\"=hex(2):gg", "[A]\n", `line 3: neither a key nor a value: "x=1"; ` +
			`line 4: the name of a value must end with a quote: "\"x"; line 5: = is missing behind the name of the value: "\"x\""; line 6: data of the value is of no known form: "1"; ` +
			`line 7: dword must have one to eight hexadecimal digits: "dword:123456789"; line 8: dword must have one to eight hexadecimal digits: "dword:"; ` +
			`line 9: hex must have pairs of hexadecimal digits: "hex:0"; line 10: hex must have pairs of hexadecimal digits: "hex(2):gg"`},
		"short dword":            {"[A]\n\"x\"=hex(4):01,02\n\"y\"=hex(b):01", "[A]\n3 \"x\" Binary [\"hex(4):01,02\"]\n4 \"y\" Binary [\"hex(b):01\"]\n", ""},
		"continued by a comment": {"[A]\n\"x\"=hex:01,\\\n;c\n\"y\"=\"1\"", "[A]\n3 \"x\" Binary [\"hex:01,\"]\n5 \"y\" String [\"1\"]\n", `line 3: hex ends with a comma, so more of it is missing: "hex:01,\\"`},
		"a second header":        {"[A]\n\"x\"=\"1\"\nREGEDIT4\n\"y\"=\"1\"\n[B]\n\x1a\n", "[A]\n3 \"x\" String [\"1\"]\n[B]\n", `line 5: the value "y" belongs to no key`},
		"continued to the end":   {"[A]\n\"x\"=hex:01,\\", "[A]\n3 \"x\" Binary [\"hex:01,\"]\n", `line 3: the file ends where the data of a value goes on: "01,\\"; line 3: hex ends with a comma, so more of it is missing: "hex:01,\\"`},
		"too deep":               {"[A]\n[" + strings.Repeat(`a\`, maxDepth) + "b]\n", "[A]\n", "line 3: more than 512 levels of keys"},
	} {
		root, problems := read(t, inUTF16(t, header5+"\n"+tt.text))
		var said []string
		for _, p := range problems {
			said = append(said, p.String())
		}
		if diff := cmp.Diff(tt.want, dump(root)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if got := strings.Join(said, "; "); got != tt.problems {
			t.Errorf("%s: problems %s", name, got)
		}
	}
}

// TestPlaces: a problem names the key in which it stands, or what stood in its place.
func TestPlaces(t *testing.T) {
	t.Parallel()
	root, problems := read(t, inUTF16(t, header5+"\nx\n[A\\B]\ny\n[A\\C\n\"z\"=\"1\"\n[-A\\D\n[A]\n"+header4+"\nx"))
	a := root.Sub("A")
	b := a.Sub("B")
	for i, want := range []struct {
		line int
		key  *Key
		path string
	}{{2, nil, ""}, {4, b, ""}, {5, nil, `A\C`}, {6, nil, `A\C`}, {7, nil, `A\D`}, {10, nil, ""}} {
		if i >= len(problems) || problems[i].Line != want.line || problems[i].Key != want.key || problems[i].Path != want.path {
			t.Fatalf("problem %d of %+v, want %+v", i, problems, want)
		}
	}
	for _, tt := range []struct {
		key, above *Key
		want       bool
	}{{b, b, true}, {b, a, true}, {b, root, true}, {a, b, false}, {nil, a, false}} {
		if got := tt.key.Within(tt.above); got != tt.want {
			t.Errorf("%v within %v: %t", tt.key, tt.above, got)
		}
	}
}

func TestEmpty(t *testing.T) {
	t.Parallel()
	root, _ := read(t, inUTF16(t, header5+"\n[A\\B\\C]\n[A\\B\\D]\n\"x\"=\"1\"\n[A\\B\\E]\n[A\\F]\n[G]\n@=\"1\"\n[H]\n"))
	for path, want := range map[string]bool{`A`: false, `A\B`: false, `A\B\C`: true, `A\B\D`: false, `A\F`: true, `G`: false, `H`: true} {
		if got := root.Sub(path).Empty(); got != want {
			t.Errorf("%s: %t", path, got)
		}
	}
	if !new(Key).Empty() {
		t.Error("a key without anything is not empty")
	}
	for _, path := range []string{`A\none`, `A\none\C`, `none\B`} {
		if root.Sub(path) != nil {
			t.Errorf("%s is not there", path)
		}
	}
}

// TestManyProblems: a damaged export is read as far as it can be, up to the limit.
func TestManyProblems(t *testing.T) {
	t.Parallel()
	_, problems := read(t, []byte(header5+strings.Repeat("\nx", maxProblems)))
	if len(problems) != maxProblems {
		t.Errorf("%d problems", len(problems))
	}
}

func TestNoExport(t *testing.T) {
	var keys strings.Builder
	for i := range maxKeys + 1 {
		fmt.Fprintf(&keys, "[%d]\n", i)
	}
	for name, tt := range map[string]struct{ data, want string }{
		"empty":        {"", "not a registry export"},
		"other text":   {"clients: localhost\n", "not a registry export"},
		"one byte":     {"W", "not a registry export"},
		"only a mark":  {"\xff\xfe", "not a registry export"},
		"large":        {header5 + strings.Repeat("\n", MaxSize), "larger than 32 MiB"},
		"many keys":    {header5 + "\n" + keys.String(), "too many keys"},
		"many bad":     {header5 + strings.Repeat("\nx", 2*maxProblems), "line 2: neither"},
		"hive, binary": {"regf\x00\x00\x01", "not a registry export"},
	} {
		if _, _, err := Read([]byte(tt.data), cp1250); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q in it", name, err, tt.want)
		}
	}
}

// FuzzRead: whatever comes, it is an export or it is not, and its keys are found
// under their paths.
func FuzzRead(f *testing.F) {
	f.Add(inUTF16(f, everything))
	f.Add([]byte(everything))
	f.Add([]byte("REGEDIT4\r\n[-HKLM\\a]\r\n[HKLM\\a]\r\n\"x\"=hex(7):41,\\\r\n 00\r\n\"x\"=-\r\n@=\"\\\\\\\"\"\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		root, problems, err := Read(data, cp1250)
		if err != nil {
			return
		}
		for _, p := range problems {
			if p.Line < 1 || strings.ContainsAny(p.What, "\r\n") {
				t.Fatalf("problem %+v", p)
			}
		}
		for key := range root.All() {
			if key != root && !strings.Contains(key.Name, `\`) && root.Sub(key.Path()) != key {
				t.Fatalf("%q is not found under its path", key.Path())
			}
			for _, v := range key.Values() {
				if v.Line < 1 || v.Kind != MultiString && len(v.Text) != 1 {
					t.Fatalf("value %+v", v)
				}
			}
		}
	})
}
