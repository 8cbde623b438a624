package page

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"smtpreceiver/core/logging"
)

// TestChromium shows the page in a browser, light and dark, on a desk and on a
// telephone, empty, full and hostile. Nothing is wider than the window, nothing of a
// mail runs or is fetched. With PAGE_SCREENSHOTS, a folder, it keeps what was drawn,
// for people to look at.
func TestChromium(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	for _, tt := range []struct {
		name string
		fill func(*testing.T, *site)
	}{{"empty", func(*testing.T, *site) {}}, {"full", full}, {"hostile", hostileMail}} {
		s := newSite(t)
		tt.fill(t, s)
		url, asked := serve(t, s)
		for window, width := range map[string]int{"desk": 1200, "telephone": 390} {
			for _, dark := range []bool{false, true} {
				b.open(url, width, dark)
				what := fmt.Sprintf("%s-%s-%s", tt.name, window, map[bool]string{false: "light", true: "dark"}[dark])
				if got := b.eval("document.documentElement.scrollWidth"); got != float64(width) {
					t.Errorf("%s: the page is %v wide in a window of %d", what, got, width)
				}
				ground := b.eval("getComputedStyle(document.body).backgroundColor")
				if want := map[bool]string{false: "rgb(245, 246, 248)", true: "rgb(18, 22, 28)"}[dark]; ground != want {
					t.Errorf("%s: ground %v, want %s: is the style there?", what, ground, want)
				}
				if got := b.eval("document.scripts.length + document.images.length + document.querySelectorAll('style, iframe, object').length"); got != float64(0) {
					t.Errorf("%s: %v scripts, pictures, styles", what, got)
				}
				if folder := os.Getenv("PAGE_SCREENSHOTS"); folder != "" {
					if err := os.WriteFile(filepath.Join(folder, what+".png"), b.shot(), 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		// The form, as a person uses it.
		b.open(url, 1200, false)
		b.eval("document.querySelector('[name=to]').value = '1@fax'; document.querySelector('button').click()")
		for end := time.Now().Add(time.Minute); b.eval("(document.querySelector('pre') || {}).textContent") != ` ["1@fax"] 127.0.0.1`; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: no answer of the form: %v", tt.name, b.eval("document.body.textContent"))
			}
		}
		// The answer of a real question, on a telephone.
		b.open(url, 390, true)
		b.eval("document.querySelector('[name=to]').value = '" + strings.Repeat("+420603123456", 8) + "@sms'; document.querySelector('button').click()")
		for end := time.Now().Add(time.Minute); b.eval("document.querySelector('pre') != null && document.readyState == 'complete'") != true; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: no answer: %v", tt.name, b.eval("document.body.textContent"))
			}
		}
		if got := b.eval("document.documentElement.scrollWidth"); got != float64(390) {
			t.Errorf("%s: with an answer the page is %v wide", tt.name, got)
		}
		if folder := os.Getenv("PAGE_SCREENSHOTS"); folder != "" {
			if err := os.WriteFile(filepath.Join(folder, tt.name+"-answer.png"), b.shot(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for path, n := range asked() {
			if path != "/" && path != "/style.css" && path != "/favicon.ico" {
				t.Errorf("%s: the browser asked %d times for %s", tt.name, n, path)
			}
		}
	}
}

// serve serves the page on loopback; asked counts what was asked for.
func serve(t *testing.T, s *site) (url string, asked func() map[string]int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := New(s.source)
	paths := make(chan string, 1000)
	server := &http.Server{ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		paths <- r.URL.Path
		p.ServeHTTP(w, r)
	})}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return "http://" + l.Addr().String() + "/", func() map[string]int {
		counts := map[string]int{}
		for {
			select {
			case path := <-paths:
				counts[path]++
			default:
				return counts
			}
		}
	}
}

// full is a busy day of a small company.
func full(t *testing.T, s *site) {
	for i := range slots {
		work := i > 30 && i < 75
		for range i * 7 % 5 {
			if work {
				s.jobs.WithLabelValues("fax", "done").Inc()
			}
		}
		s.jobs.WithLabelValues("sms", "done").Add(float64(i * 13 % 9))
		if i == 50 || i == 51 {
			s.jobs.WithLabelValues("fax", "failed").Add(2)
		}
		s.source.History.sample(s.source.History.newer.Add(slotLength))
	}
	s.source.History.newer = time.Now().Truncate(slotLength)
	s.job(t, "fax", "00000101", "61388454@fax", "Objednávka č. 2026/118", "no carrier detected")
	s.job(t, "fax", "00000102", "+420261388454@fax", "Faktura", "")
	s.job(t, "sms", "00000103", "+420603123456@sms", "UPS on battery: server room, 12 minutes left", "")
	s.job(t, "sms", "00000104", "+420603123457@sms", "Disk /dev/sda failing", "")
	old := time.Now().Add(-40 * time.Minute)
	if err := os.Chtimes(filepath.Join(s.dir, "fax", "00000102.ctl"), old, old); err != nil {
		t.Fatal(err)
	}
	done := filepath.Join(s.dir, "fax", ".done", time.Now().Format(time.DateOnly))
	if err := os.MkdirAll(done, 0o755); err != nil {
		t.Fatal(err)
	}
	for i, subject := range []string{"Smlouva", "Potvrzení objednávky", "Re: dodací list"} {
		stem := fmt.Sprintf("%08d", 90+i)
		s.write(t, filepath.Join(done, stem+".ctl"), "[system]\r\napp=fax\r\nid="+stem+"\r\nsubject="+subject+"\r\ntxt="+stem+".txt\r\nformat=txt\r\n[to]\r\nnumber=1\r\naddress=22211133"+fmt.Sprint(i)+"@fax\r\n")
	}
	s.source.Errors = func() []logging.Event {
		return []logging.Event{
			{Time: time.Now().Add(-3 * time.Hour), Level: "W", Line: `time=2026-11-28T12:01:00Z level=W msg="target is down, jobs wait until one gets through" consumer=fax app=fax job=00000101`},
			{Time: time.Now().Add(-20 * time.Minute), Level: "E", Line: `time=2026-11-28T14:40:00Z level=E msg="job not handed on" consumer=fax app=fax rcpt=61388454@fax job=00000101 status=failed try=3 error="no carrier detected"`},
		}
	}
}

func hostileMail(t *testing.T, s *site) {
	for i, evil := range hostile {
		s.job(t, "fax", fmt.Sprintf("%08d", i+1), evil, evil, strings.Join(strings.Fields(evil), " ")+"!")
	}
	s.source.Errors = func() (events []logging.Event) {
		for _, evil := range hostile {
			events = append(events, logging.Event{Time: time.Now(), Level: "E", Line: evil})
		}
		return events
	}
}
