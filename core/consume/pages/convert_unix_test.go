//go:build unix

package pages

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"smtpreceiver/core/dearchive"
)

var roomy = dearchive.Limits{Timeout: 5 * time.Minute, MaxSize: 1 << 30, MaxFiles: 10_000}

func converter(t *testing.T, extension string, limits dearchive.Limits, script string) *Maker {
	t.Helper()
	m := &Maker{Converters: dearchive.Rules{Limits: limits}}
	if missing, err := m.AddConverter(extension, []string{"sh", "-c", script, "sh", "{file}", "{dir}"}); missing != nil || err != nil {
		t.Fatal(missing, err)
	}
	return m
}

// made makes documents of a file and says what they are: their names without the
// first part, and their contents where those are short.
func made(t *testing.T, files *Files, name string, content []byte) (string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "1")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	documents, err := files.file(context.Background(), path, name)
	if there, read := os.ReadDir(filepath.Dir(path)); read != nil || slices.ContainsFunc(there, func(e os.DirEntry) bool { return !strings.HasPrefix(e.Name(), "1") }) {
		t.Errorf("left behind: %v, %v", there, read)
	}
	var said []string
	for _, document := range documents {
		data, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		rest, ours := strings.CutPrefix(document, path)
		if !ours {
			t.Errorf("document %s", document)
		}
		if len(data) < 50 {
			rest += "=" + string(data)
		}
		said = append(said, rest)
	}
	return strings.Join(said, " "), err
}

func TestConvert(t *testing.T) {
	t.Parallel()
	small := roomy
	small.MaxSize = 1 << 20
	short := roomy
	short.Timeout = 50 * time.Millisecond
	little := roomy
	little.MaxMemory = 64 << 20
	for _, tt := range []struct {
		name, file, content, script string
		limits                      dearchive.Limits
		want                        string // documents, or part of the error
		now                         bool   // the error is one for now
	}{
		{"converted", "a.DOC", "x", `printf %%PDF-%s "$(cat "$1")" >"$2/a.pdf"`, roomy, "-1.pdf=%PDF-x", false},
		{"several, in order", "a.doc", "x", `echo '%!b' >b; echo '%!a' >a`, roomy, "-1.ps=%!a\n -2.ps=%!b\n", false},
		{"what cannot be faxed beside what can", "a.doc", "x", `echo '%!b' >b; echo junk >a`, roomy, "-2.ps=%!b\n", false},
		{"too many", "a.doc", "x", `for i in $(seq 1001); do echo '%!' >$i; done`, roomy, "a fax of more than 1000 pages", false},
		{"text", "a.doc", "x", `echo text >a.txt`, roomy, "-1.pdf", false},
		{"not again", "a.doc", "x", `cp "$1" a.doc`, roomy, "its converter made nothing that can be faxed", false},
		{"taken as it is", "a.doc", "%PDF-1", `exit 1`, roomy, ".pdf=%PDF-1", false},
		{"another kind", "a.xls", "x", `echo '%!' >a`, roomy, "PDF, PostScript", false},
		{"cannot read it", "a.doc", "x", `echo no document >&2; exit 3`, roomy, "converter sh: exit status 3: it says: no document", false},
		{"nothing", "a.doc", "x", `true`, roomy, "converter sh: it wrote no files", false},
		{"crashes", "a.doc", "x", `kill -SEGV $$`, roomy, "converter sh: signal: segmentation fault", true},
		{"crashes below a shell", "a.doc", "x", `sh -c 'kill -SEGV $$'; exit $?`, roomy, "converter sh: exit status 139", true},
		{"hangs", "a.doc", "x", `sleep 100`, short, "not done within", true},
		{"large", "a.doc", "x", `cat /dev/zero >a`, small, "more than 1048576 bytes", false},
		{"memory", "a.doc", "x", `sleep 0.2; x=$(head -c 200000000 /dev/zero | tr '\0' x); echo "%!$x" >a`, little, "converter sh: ", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := made(t, converter(t, "doc", tt.limits, tt.script).Message(upper), tt.file, []byte(tt.content))
			if err != nil {
				got = err.Error()
			}
			if err == nil && got != tt.want || !strings.Contains(got, tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
			if errors.Is(err, dearchive.ErrForNow) != tt.now && tt.name != "memory" {
				t.Errorf("for now: %t, %v", !tt.now, err)
			}
			if errors.As(err, new(*Unfit)) == (tt.now || err == nil) && tt.name != "memory" {
				t.Errorf("the file is the reason: %v", err)
			}
		})
	}
}

// TestConvertShares: many attachments have the limits of one.
func TestConvertShares(t *testing.T) {
	t.Parallel()
	limits := roomy
	limits.MaxSize = 1000
	m := converter(t, "doc", limits, `{ echo '%!'; head -c 600 /dev/zero; } >a`)
	files := m.Message(upper)
	if _, err := made(t, files, "a.doc", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := made(t, files, "a.doc", []byte("x")); !errors.As(err, new(*Unfit)) || !strings.Contains(err.Error(), "more than 397 bytes") {
		t.Errorf("the second: %v", err)
	}
	if left := files.converters.Timeout; left >= roomy.Timeout || left < roomy.Timeout-time.Minute {
		t.Errorf("%v are left of %v", left, roomy.Timeout)
	}
	if _, err := made(t, m.Message(upper), "a.doc", []byte("x")); err != nil {
		t.Errorf("another message: %v", err)
	}
}

func TestConverterMissing(t *testing.T) {
	t.Parallel()
	m := &Maker{Converters: dearchive.Rules{Limits: roomy}}
	missing, err := m.AddConverter("DOC", []string{"no-such-converter", "{file}", "{dir}"})
	if missing == nil || err != nil || !strings.Contains(missing.Error(), "no-such-converter") {
		t.Fatalf("%v, %v", missing, err)
	}
	if _, err := made(t, m.Message(upper), "a.doc", []byte("x")); err == nil || errors.As(err, new(*Unfit)) {
		t.Errorf("until it is installed: %v", err)
	}
	for extension, program := range map[string]string{"odt": "/none/converter", "ods": "/etc/passwd"} { // the last may not be run
		if missing, err := m.AddConverter(extension, []string{program, "{file}", "{dir}"}); missing == nil || err != nil || m.missing["."+extension] == nil {
			t.Errorf("%s: %v, %v", program, missing, err)
		}
	}
	if missing, err := m.AddConverter("xls", []string{"sh", "{archive}", "{dir}"}); missing != nil || err == nil || !strings.Contains(err.Error(), "there are {file} and {dir}") {
		t.Errorf("%v, %v", missing, err)
	}
}

// recipe is the converters of contrib, as an administrator copies them.
func recipe(t *testing.T) *Maker {
	t.Helper()
	for program, of := range map[string]string{"soffice": "libreoffice-writer-nogui libreoffice-calc-nogui", "heif-convert": "libheif-examples", "gs": "ghostscript"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("no %s here: apt-get install -y --no-install-recommends %s", program, of)
		}
	}
	data, err := os.ReadFile("../../../contrib/consumers/convert.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Consume struct {
			Fax struct{ Convert map[string][]string }
		}
	}
	if err := yaml.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	limits := roomy
	limits.MaxMemory = 2 << 30
	m := &Maker{Converters: dearchive.Rules{Limits: limits}}
	for extension, command := range file.Consume.Fax.Convert {
		if missing, err := m.AddConverter(extension, command); missing != nil || err != nil {
			t.Fatal(missing, err)
		}
	}
	return m
}

// TestRecipe: LibreOffice makes the pages of documents, several at once, within the
// default limits.
func TestRecipe(t *testing.T) {
	t.Parallel()
	m := recipe(t)
	for file, want := range map[string]string{
		"offer.docx":  "2: Nabídka č. 42 Příliš žluťoučký kůň úpěl ďábelské ódy. Καλημέρα. Доброе утро. Zboží Kusů Cena Stůl 2 1 200 Kč Židle 8 350 Kč Druhá strana",
		"offer.odt":   "2: Nabídka č. 42 Příliš žluťoučký kůň úpěl ďábelské ódy. Καλημέρα. Доброе утро. Zboží Kusů Cena Stůl 2 1 200 Kč Židle 8 350 Kč Druhá strana",
		"prices.xlsx": "1: prices Zboží Kusů Cena Stůl 2 1200 Židle 8 350 Celkem 10 5200 Page 1",
		"corner.heic": "1: ",
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			content, err := os.ReadFile(filepath.Join("testdata", file))
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "1")
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			documents, err := m.Message(upper).file(t.Context(), path, file)
			if err != nil || len(documents) != 1 {
				t.Fatalf("%q, %v", documents, err)
			}
			out, err := exec.Command("gs", "-q", "-dSAFER", "-sDEVICE=txtwrite", "-o", filepath.Join(filepath.Dir(path), "%d.txt"), documents[0]).CombinedOutput()
			if err != nil {
				t.Fatalf("%v, %s", err, out)
			}
			texts, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*.txt"))
			var words []string
			for _, text := range texts {
				data, err := os.ReadFile(text)
				if err != nil {
					t.Fatal(err)
				}
				words = append(words, strings.Fields(string(data))...)
			}
			if got := fmt.Sprintf("%d: %s", len(texts), strings.Join(words, " ")); got != want {
				t.Errorf("%s\nwant %s", got, want)
			}
		})
	}
}

// TestRecipeBroken: LibreOffice refuses what is no document, or makes a page of it;
// the job does not wait for it.
func TestRecipeBroken(t *testing.T) {
	t.Parallel()
	m := recipe(t)
	for name, content := range map[string]string{"a.docx": "PK\x03\x04 and no more", "a.heic": "no picture"} {
		if got, err := made(t, m.Message(upper), name, []byte(content)); err != nil && !errors.As(err, new(*Unfit)) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// TestRecipeNetwork: a document that names a picture elsewhere has nobody ask for it.
func TestRecipeNetwork(t *testing.T) {
	t.Parallel()
	m := recipe(t)
	var asked atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Store(true) }))
	defer server.Close()
	got, err := made(t, m.Message(upper), "a.html", []byte(`<p>Words <img src="`+server.URL+`/x.png">`))
	if err != nil || got != "-1.pdf" || asked.Load() {
		t.Errorf("%q, %v, asked: %t", got, err, asked.Load())
	}
}
