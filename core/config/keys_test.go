package config

import (
	"bytes"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSampleUncommented loads the sample with every key uncommented: it must be
// what the defaults are.
func TestSampleUncommented(t *testing.T) {
	t.Parallel()
	var all bytes.Buffer
	for line := range bytes.Lines(Sample()) {
		indent := len(line) - len(bytes.TrimLeft(line, " "))
		if body := line[indent:]; bytes.HasPrefix(body, []byte("#")) && !bytes.HasPrefix(body, []byte("# ")) {
			line = slices.Concat(line[:indent], body[1:])
		}
		all.Write(line)
	}
	want := mustParse(t, "yaml", `
applications:
  fax: {output_folder: /var/spool/smtpreceiver/fax, ctl_type: fax, addresses: '(?P<number>\+?\d+)@fax$'}
consume:
  fax: {target: hylafax}
`)
	if diff := cmp.Diff(want, mustParse(t, "yaml", all.String()), values); diff != "" {
		t.Errorf("the sample is not the defaults (-want +got):\n%s", diff)
	}
	root, err := new(treeBuilder).tree("yaml", all.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	var inFile []string
	var walk func(prefix string, n *node)
	walk = func(prefix string, n *node) {
		for _, p := range n.pairs {
			if p.value.mapping && len(p.value.pairs) > 0 {
				walk(strings.Replace(prefix+p.name, ".fax", ".<name>", 1)+".", p.value)
				continue
			}
			inFile = append(inFile, prefix+p.name)
		}
	}
	walk("", root)
	var inTable []string
	for _, key := range Keys() {
		inTable = append(inTable, key.Name)
	}
	if diff := cmp.Diff(inTable, inFile); diff != "" {
		t.Errorf("sample and key table differ (-table +sample):\n%s", diff)
	}
}

func TestSampleAsItIsSetsNothing(t *testing.T) {
	t.Parallel()
	root, err := new(treeBuilder).tree("yaml", Sample())
	if err != nil || !root.null {
		t.Errorf("sample = %+v, %v; want nothing", root, err)
	}
	for line := range bytes.Lines(Sample()) {
		if len(line) > 110 {
			t.Errorf("long line: %s", line)
		}
	}
}

func TestKeysAreDocumented(t *testing.T) {
	t.Parallel()
	name := regexp.MustCompile(`^([a-z]+\.|(applications|consume)\.<name>\.)?[a-z]+(_[a-z]+)*$`)
	for _, key := range Keys() {
		if !name.MatchString(key.Name) || key.Section == "" || key.Type == "" || !strings.HasSuffix(key.Doc, ".") {
			t.Errorf("incomplete: %+v", key)
		}
	}
	table := Keys()
	if first := table[0]; first.Name != "smtp_ip_address" || first.Section != "Listening" || first.Type != "string" {
		t.Errorf("first key: %+v", first)
	}
	last := table[len(table)-1]
	if want := (Key{"consume.<name>.timeout", "duration", "10m", last.Doc, "Handing jobs on", ""}); last != want {
		t.Errorf("last key: %+v, want %+v", last, want)
	}
}

// TestTypesOfKeys: what a key takes is said where not everything goes.
func TestTypesOfKeys(t *testing.T) {
	t.Parallel()
	want := map[string]string{"smtp_port": "number", "bare_newlines": "reject|accept", "applications.<name>.format_preference": "list of txt|eml|mht|htm", "clients": "list"}
	for _, key := range Keys() {
		if typ, listed := want[key.Name]; listed && key.Type != typ {
			t.Errorf("%s: %s, want %s", key.Name, key.Type, typ)
		}
	}
}

// TestSampleShape: what is written around the keys; the texts of all are held
// against the packaged file elsewhere.
func TestSampleShape(t *testing.T) {
	t.Parallel()
	sample := string(Sample())
	const head = "# Configuration of smtpreceiver. Every key is shown with its default; remove the # to change one.\n\n# ---- Listening ----\n\n# "
	if !strings.HasPrefix(sample, head) {
		t.Errorf("it begins %q", sample[:len(head)])
	}
	for _, part := range []string{
		"\n#smtp_ip_address: ''\n\n# ", "\n#milter:\n\n  # ", "\n  #socket_mode: '0660'\n\n  # ",
		"\n\n# ---- Applications ----\n\n#applications:\n  #fax:\n\n    # ", "\n    #enabled: 1\n\n    # ",
		"\n    # This key must be set.\n    #output_folder: /var/spool/smtpreceiver/fax\n", "\n    #transform: {}\n",
	} {
		if !strings.Contains(sample, part) {
			t.Errorf("nowhere %q", part)
		}
	}
	if n := strings.Count(sample, "\n#milter:\n") + strings.Count(sample, "# ---- Limits ----"); n != 2 {
		t.Errorf("headings %d times, want 2", n)
	}
	if n := strings.Count(sample, "# This key must be set.\n"); n != 4 { // output_folder, ctl_type, addresses, target
		t.Errorf("%d keys must be set", n)
	}
}

func TestWrap(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text  string
		width int
		want  []string
	}{
		{"aa bb cc", 5, []string{"aa bb", "cc"}}, {"aa bb cc", 4, []string{"aa", "bb", "cc"}}, {"aa bb cc", 8, []string{"aa bb cc"}}, {"aaaaaa  bb\ncc", 5, []string{"aaaaaa", "bb cc"}}, {"", 5, []string{""}},
	} {
		if got := wrap(tt.text, tt.width); !slices.Equal(got, tt.want) {
			t.Errorf("%q at %d: %q, want %q", tt.text, tt.width, got, tt.want)
		}
	}
}

// TestTagsHold finds misprints in the tags: every default must be valid itself,
// every tag known.
func TestTagsHold(t *testing.T) {
	t.Parallel()
	known := regexp.MustCompile(`^((key|section|default|doc|type|min|max|oneof|letters|split|required|example|backend|missing|secret|start):"([^"\\]|\\.)*" ?)+$`)
	backends := schemaOf[Settings]().byName["authentication.backend"].tag.Get("oneof")
	for _, fields := range [][]field{schemaOf[Settings]().fields, schemaOf[Application]().fields, schemaOf[Consumer]().fields} {
		for _, f := range fields {
			if !known.MatchString(string(f.tag)) {
				t.Errorf("%s: unknown tag in %s", f.name, f.tag)
			}
			if b := f.tag.Get("backend"); b != "" && !slices.Contains(strings.Split(backends, "|"), b) {
				t.Errorf("%s: there is no backend %s", f.name, b)
			}
			v := reflect.New(f.goType).Elem()
			if standard, ok := f.initial().(string); ok {
				if err := setText(v, f.kind, standard); err != nil {
					t.Errorf("%s: default %q: %v", f.name, standard, err)
				}
			} else {
				v.Set(reflect.ValueOf(f.initial()))
			}
			if what, _ := f.check(v); what != "" && (what != "missing" || f.tag.Get("example") == "") {
				t.Errorf("%s: the default is bad: %s", f.name, what)
			}
		}
	}
}
