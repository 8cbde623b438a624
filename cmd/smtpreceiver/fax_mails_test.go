//go:build linux

package main

import (
	"flag"
	"fmt"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/image/tiff"
)

// document is one that HylaFAX has of a job.
type document struct{ kind, path string }

// documentsOf are the documents of the job to a number, in order.
func (h *hylafax) documentsOf(t testing.TB, number string) []document {
	t.Helper()
	jobs, err := filepath.Glob(filepath.Join(h.spool, "sendq", "q*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, job := range jobs {
		var found []document
		content := readFile(t, job)
		if !strings.Contains(content, "\nnumber:"+number+"\n") {
			continue
		}
		for line := range strings.Lines(content) {
			kind, rest, _ := strings.Cut(strings.TrimSpace(line), ":") // pdf:0::docq/doc5.pdf.4
			if path, ok := strings.CutPrefix(rest, "0::"); ok {
				found = append(found, document{kind, path})
			}
		}
		return found
	}
	return nil
}

// faxed has HylaFAX make what it sends of a document: by its own converter, in fine
// resolution. It says of each page whether it is blank, written on, or a picture.
func (h *hylafax) faxed(t testing.TB, d document, name string) (pages []string) {
	t.Helper()
	converter := map[string]string{"pdf": "bin/pdf2fax", "postscript": "bin/ps2fax", "tiff": "bin/tiff2fax"}[d.kind]
	if converter == "" {
		t.Fatalf("HylaFAX has no converter for %s", d.kind)
	}
	dir := t.TempDir()
	fax := filepath.Join(dir, "fax.tif")
	cmd := exec.Command(converter, "-o", fax, "-r", "196", "-w", "1728", "-l", "297", "-1", d.path)
	cmd.Dir = h.spool
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v, %s", cmd.Args, err, out)
	}
	if _, err := os.Stat(fax); err != nil { // it is one already
		fax = filepath.Join(h.spool, d.path)
	}
	plain := filepath.Join(dir, "plain.tif")
	for _, args := range [][]string{{"tiffcp", "-c", "none", fax, plain}, {"tiffsplit", plain, filepath.Join(dir, "page-")}} {
		if out, err := exec.Command(program(t, args[0], "libtiff-tools"), args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v, %s", args, err, out)
		}
	}
	files, _ := filepath.Glob(filepath.Join(dir, "page-*"))
	for _, file := range files {
		page := decodeTIFF(t, file)
		if *faxPages != "" {
			keepPage(t, page, fmt.Sprintf("%s-%s-%d.png", name, filepath.Base(d.path), len(pages)+1))
		}
		switch black := blackOf(page); {
		case black == 0:
			pages = append(pages, "blank")
		case black < 0.05:
			pages = append(pages, "written")
		default:
			pages = append(pages, "picture")
		}
	}
	return pages
}

func decodeTIFF(t testing.TB, path string) image.Image {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	page, err := tiff.Decode(f)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return page
}

var faxPages = flag.String("fax-pages", "", "a folder to which TestFaxMails writes each page as PNG, to be looked at")

func keepPage(t testing.TB, page image.Image, name string) {
	t.Helper()
	f, err := os.Create(filepath.Join(*faxPages, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, page); err != nil {
		t.Fatal(err)
	}
}

// blackOf is the part of a page that is black.
func blackOf(page image.Image) float64 {
	black, size := 0, page.Bounds()
	for y := size.Min.Y; y < size.Max.Y; y++ {
		for x := size.Min.X; x < size.Max.X; x++ {
			if r, _, _, _ := page.At(x, y).RGBA(); r < 0x8000 {
				black++
			}
		}
	}
	return float64(black) / float64(size.Dx()*size.Dy())
}

// words is what Ghostscript reads in a document, without the blanks around it.
func words(t testing.TB, path string) string {
	t.Helper()
	out, err := exec.Command(program(t, "gs", "ghostscript"), "-q", "-dSAFER", "-sDEVICE=txtwrite", "-o", "-", path).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v, %s", path, err, out)
	}
	var b strings.Builder
	for line := range strings.Lines(string(out)) {
		if fields := strings.Fields(line); len(fields) > 0 {
			b.WriteString(strings.Join(fields, " ") + "\n")
		}
	}
	return b.String()
}

// TestFaxMails: the mails that people fax most leave HylaFAX as the pages that their
// senders meant. testdata/fax has them, each with what the pages say; -update writes
// that anew, -fax-pages keeps the pages.
func TestFaxMails(t *testing.T) {
	t.Parallel()
	for name, of := range map[string]string{"soffice": "libreoffice-writer-nogui libreoffice-calc-nogui", "heif-convert": "libheif-examples"} {
		program(t, name, of)
	}
	for _, font := range []string{"dejavu/DejaVuSans.ttf", "droid/DroidSansFallbackFull.ttf"} {
		if _, err := os.Stat("/usr/share/fonts/truetype/" + font); err != nil {
			t.Skip("not here: apt-get install -y fonts-dejavu-core fonts-droid-fallback")
		}
	}
	h := newHylafax(t)
	r := newReceiver(t, "output_code_page: utf-8", "consume: {fax: {target: hylafax, arguments: ['-m', '-s', 'a4'], server: '"+h.server+"'}}")
	mkdir(t, filepath.Join(r.dir, "conf.d"))
	writeFile(t, filepath.Join(r.dir, "conf.d", "convert.yaml"), readFile(t, "../../contrib/consumers/convert.yaml"))
	r.start(t)
	mails, err := filepath.Glob("testdata/fax/*.eml")
	if err != nil || len(mails) < 20 {
		t.Fatalf("%q, %v", mails, err)
	}
	for i, file := range mails {
		wantDelivery(t, r.addr, mail{"petr.novak@example.com", []string{fmt.Sprintf("%d@fax", 60000+i)}, readFile(t, file)}, "250 ")
	}
	_, _, log := runCommand(t, r.dir, nil, "consume", "--once", "-c", r.config)
	for i, file := range mails {
		name := strings.TrimSuffix(filepath.Base(file), ".eml")
		number := strconv.Itoa(60000 + i)
		var b strings.Builder
		for _, d := range h.documentsOf(t, number) {
			fmt.Fprintf(&b, "--- %s: %s\n", d.kind, strings.Join(h.faxed(t, d, name), ", "))
			if d.kind == "pdf" {
				b.WriteString(words(t, filepath.Join(h.spool, d.path)))
			}
		}
		for line := range strings.Lines(log) {
			if _, reason, ok := strings.Cut(line, "reason="); ok && strings.Contains(line, "rcpt="+number+"@fax") {
				b.WriteString("--- log: " + reason)
			}
		}
		got := b.String()
		golden := strings.TrimSuffix(file, ".eml") + ".golden"
		if *update {
			writeFile(t, golden, got)
		}
		if want := readFile(t, golden); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", filepath.Base(file), got, want)
		}
	}
	wantNothingLeft(t, r.fax)
}
