package message_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/mail"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	gomessage "github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset" // what the library is meant to be used with
	gomail "github.com/emersion/go-message/mail"

	"smtpreceiver/core/message"
)

var (
	differentialTime = flag.Duration("differential", 0, "how long TestDifferential makes mail; 0: a bounded number")
	differentialSeed = flag.Uint64("seed", 1, "of the mail that TestDifferential makes")
	differences      = flag.String("differences", "", "the file into which TestDifferential writes what the readers differ in")
)

// reading is what a reader takes a mail to say.
type reading struct {
	Text    string   `json:"text"`
	Subject string   `json:"subject"`
	Email   string   `json:"email"`
	Files   []string `json:"files"` // their contents
	Names   []string `json:"names"`
}

// readers are who reads: this package, go-message and Python's email.
var readers = []string{"ours", "go-message", "python"}

// TestDifferential makes plausible mail, breaks it in every kind that is known,
// and lets three readers read it. The maker knows what the mail says: ours must
// say that; in which kinds the others differ is counted.
func TestDifferential(t *testing.T) {
	py := startPython(t)
	r := rand.New(rand.NewPCG(*differentialSeed, 0))
	right := map[string]map[string]int{}
	made := map[string]int{}
	wrong := 0
	end := time.Now().Add(*differentialTime)
	for n := 0; n < 4*len(kinds) || time.Now().Before(end); n++ {
		k := kinds[n%len(kinds)]
		raw, want := k.sample(r)
		got := map[string]reading{"ours": readOurs(raw), "go-message": readGoMessage(raw)}
		if py != nil {
			got["python"] = py.read(t, raw)
		}
		made[k.name]++
		for who, g := range got {
			if right[who] == nil {
				right[who] = map[string]int{}
			}
			d := want.missing(g)
			switch {
			case d == "":
				right[who][k.name]++
			case who == "ours":
				if wrong++; wrong < 20 {
					t.Errorf("%s: %s in\n%.2000q", k.name, d, raw)
				}
			}
		}
	}
	for _, who := range readers {
		if py != nil || who != "python" {
			if n := right[who][""]; n < made[""] {
				t.Errorf("%s reads %d of %d mails that nothing is wrong with: the maker makes nonsense", who, n, made[""])
			}
		}
	}
	if *differences != "" {
		writeDifferences(t, made, right)
	}
}

// missing says what of a mail a reading lacks or garbles, "" if nothing.
func (w sample) missing(g reading) string {
	text := strings.Join(strings.Fields(g.Text), " ")
	for _, s := range w.words {
		if !strings.Contains(text, strings.Join(strings.Fields(s), " ")) {
			return fmt.Sprintf("no %q in the text %.300q", s, text)
		}
	}
	for _, s := range append(w.lacks, "\uFFFD", "\x00") {
		if strings.Contains(text, s) {
			return fmt.Sprintf("%q in the text %.300q", s, text)
		}
	}
	if w.subject != "" && g.Subject != w.subject {
		return fmt.Sprintf("subject %q, want %q", g.Subject, w.subject)
	}
	if w.email != "" && g.Email != w.email {
		return fmt.Sprintf("address %q, want %q", g.Email, w.email)
	}
	for _, f := range w.files {
		if !slices.Contains(g.Files, f) {
			return fmt.Sprintf("no file %.60q among %.200q", f, g.Files)
		}
	}
	if w.names != nil && !slices.Equal(g.Names, w.names) {
		return fmt.Sprintf("files %q, want %q", g.Names, w.names)
	}
	for _, s := range w.inside {
		if !slices.ContainsFunc(g.Files, func(f string) bool {
			return strings.Contains(f, s) || strings.Contains(readOurs([]byte(f)).Text, s)
		}) {
			return fmt.Sprintf("no %q in a mail among the files", s)
		}
	}
	return ""
}

func readOurs(raw []byte) (g reading) {
	m, err := message.Parse(bytes.NewReader(raw), int64(len(raw)), message.Limits{})
	if err != nil {
		return g
	}
	var text bytes.Buffer
	b := m.Body([]message.Format{message.TXT})
	if _, err := b.WriteTo(&text); err != nil {
		return g
	}
	g = reading{Text: text.String(), Subject: m.Subject(), Email: m.From().Email}
	for _, a := range m.Attachments(b) {
		r, err := a.Open()
		if err != nil {
			return reading{}
		}
		c, err := io.ReadAll(r)
		if err != nil {
			return reading{}
		}
		g.Files, g.Names = append(g.Files, string(c)), append(g.Names, a.Name)
	}
	return g
}

// readGoMessage reads as the library's documentation shows it.
func readGoMessage(raw []byte) (g reading) {
	e, err := gomessage.Read(bytes.NewReader(raw))
	if e == nil || err != nil && !gomessage.IsUnknownCharset(err) && !gomessage.IsUnknownEncoding(err) {
		return g
	}
	r := gomail.NewReader(e)
	g.Subject, _ = r.Header.Subject()
	if l, _ := r.Header.AddressList("From"); len(l) > 0 {
		g.Email = l[0].Address
	}
	var html string
	for range 100 {
		p, err := r.NextPart()
		if p == nil || err != nil && !gomessage.IsUnknownCharset(err) && !gomessage.IsUnknownEncoding(err) {
			break
		}
		b, _ := io.ReadAll(p.Body)
		switch h := p.Header.(type) {
		case *gomail.InlineHeader:
			if ct, _, _ := h.ContentType(); ct == "text/html" {
				html += string(b)
			} else {
				g.Text += string(b)
			}
		case *gomail.AttachmentHeader:
			name, _ := h.Filename()
			g.Files, g.Names = append(g.Files, string(b)), append(g.Names, name)
		}
	}
	if strings.TrimSpace(g.Text) == "" {
		g.Text = html
	}
	return g
}

// python runs Python's email package, a mail a line.
type python struct {
	in  io.WriteCloser
	out *bufio.Scanner
}

func startPython(t *testing.T) *python {
	t.Helper()
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Log("no python3: two readers only")
		return nil
	}
	c := exec.Command(path, "testdata/differential.py")
	p := new(python)
	if p.in, err = c.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewScanner(out)
	p.out.Buffer(nil, 16<<20)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.in.Close()
		if err := c.Wait(); err != nil {
			t.Error("python3: ", err)
		}
	})
	return p
}

func (p *python) read(t *testing.T, raw []byte) (g reading) {
	t.Helper()
	if _, err := fmt.Fprintln(p.in, base64.StdEncoding.EncodeToString(raw)); err != nil {
		t.Fatal(err)
	}
	if !p.out.Scan() {
		t.Fatal("python3 ended: ", p.out.Err())
	}
	var a struct {
		reading
		Files64 []string `json:"files64"`
	}
	if err := json.Unmarshal(p.out.Bytes(), &a); err != nil {
		t.Fatal(err)
	}
	for _, f := range a.Files64 {
		b, err := base64.StdEncoding.DecodeString(f)
		if err != nil {
			t.Fatal(err)
		}
		a.Files = append(a.Files, string(b))
	}
	if l, err := mail.ParseAddressList(a.Email); err == nil {
		a.Email = l[0].Address
	}
	return a.reading
}

func writeDifferences(t *testing.T, made map[string]int, right map[string]map[string]int) {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "| kind | mails | ours right | go-message right | Python right | verdict |\n|---|---|---|---|---|---|\n")
	for _, k := range kinds {
		ours, lib, py := right["ours"][k.name], right["go-message"][k.name], right["python"][k.name]
		verdict := "ours right"
		switch {
		case ours < made[k.name]:
			verdict = "ours wrong"
		case lib == ours && py == ours:
			verdict = "equal"
		}
		name := k.name
		if name == "" {
			name = "(nothing wrong)"
		}
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %s |\n", name, made[k.name], ours, lib, py, verdict)
	}
	if err := os.WriteFile(*differences, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
