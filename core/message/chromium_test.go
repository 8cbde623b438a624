package message

import (
	"bytes"
	"context"
	"image"
	_ "image/png"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("no Chromium here: apt-get install -y --no-install-recommends chromium")
	return ""
}

// screenshot opens a file in Chromium and returns what it draws.
func screenshot(t *testing.T, browser, file string) image.Image {
	t.Helper()
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	shot := filepath.Join(dir, "page.png")
	cmd := exec.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--hide-scrollbars", "--disable-background-networking", "--no-first-run", "--user-data-dir="+dir, "--window-size=640,480", "--screenshot="+shot, (&url.URL{Scheme: "file", Path: file}).String())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b, err := os.ReadFile(shot)
	if err != nil {
		t.Fatal(err)
	}
	img, _, err := image.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// count is how many pixels have exactly that colour.
func count(img image.Image, r, g, b uint32) (n int) {
	box := img.Bounds()
	for y := box.Min.Y; y < box.Max.Y; y++ {
		for x := box.Min.X; x < box.Max.X; x++ {
			if cr, cg, cb, _ := img.At(x, y).RGBA(); cr>>8 == r && cg>>8 == g && cb>>8 == b {
				n++
			}
		}
	}
	return n
}

// TestMHTInChromium opens mht files as a user would and looks for the
// pictures: squares of 16 by 16 pixels in pure red and blue.
func TestMHTInChromium(t *testing.T) {
	browser := chromium(t)
	for _, tc := range []struct {
		sample    string
		red, blue int
		broken    bool // the pictures are damaged: nothing else may colour the page
	}{
		{"outlook-html", 256, 0, false},
		{"iphone-related", 256, 256, false},
		{"iphone-related", 0, 0, true},
		{"content-location", 0, 256, false},
	} {
		t.Run(tc.sample, func(t *testing.T) {
			raw, err := os.ReadFile("testdata/" + tc.sample + ".eml")
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "page.mht")
			content := new(bytes.Buffer)
			if _, err := parse(t, raw, Limits{}).Body([]Format{MHT}).WriteTo(content); err != nil {
				t.Fatal(err)
			}
			page := content.String()
			if tc.broken {
				page = strings.ReplaceAll(page, "iVBORw0KGgo", "AAAAAAAAAAA")
			}
			if err := os.WriteFile(file, []byte(page), 0o644); err != nil {
				t.Fatal(err)
			}
			img := screenshot(t, browser, file)
			if red, blue := count(img, 255, 0, 0), count(img, 0, 0, 255); red != tc.red || blue != tc.blue {
				t.Errorf("%d red and %d blue pixels, want %d and %d", red, blue, tc.red, tc.blue)
			}
		})
	}
}
