package page

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"golang.org/x/net/html"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/config"
	"smtpreceiver/core/logging"
	"smtpreceiver/core/status"
)

// site is a configuration with folders of its own, and what the page is asked about.
type site struct {
	dir      string
	settings *config.Settings
	source   Source
	jobs     *prometheus.CounterVec
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{dir: t.TempDir()}
	yaml := "hostname: gw.example.com\noutput_code_page: utf-8\nmin_free_space: 0\nstate_directory: " + s.dir + "\napplications:\n"
	for _, app := range []string{"fax", "sms"} {
		if err := os.MkdirAll(filepath.Join(s.dir, app, ".failed"), 0o755); err != nil {
			t.Fatal(err)
		}
		yaml += fmt.Sprintf("  %s: {ctl_type: %s, output_folder: %s, addresses: '(?P<number>\\d+)@%[1]s$'}\n", app, app, filepath.Join(s.dir, app))
	}
	yaml += "consume: {fax: {target: command, command: [/bin/true]}}\n"
	var err error
	if s.settings, err = config.Parse("yaml", []byte(yaml), nil); err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	s.jobs = promauto.With(registry).NewCounterVec(prometheus.CounterOpts{Name: "jobs_total"}, []string{"app", "status"})
	fine := func(context.Context) error { return nil }
	s.source = Source{
		Service: "milter", Version: "1.2.3", Started: time.Now().Add(-50 * time.Hour), Settings: func() *config.Settings { return s.settings },
		Alive: fine, Ready: fine, Errors: func() []logging.Event { return nil }, History: NewHistory(registry, "jobs_total", "failed"), Private: true,
		Explain: func(_ context.Context, from string, rcpts []string, client netip.Addr) (string, error) {
			return fmt.Sprintf("%s %q %s", from, rcpts, client), nil
		},
		Log: slog.New(slog.DiscardHandler),
	}
	return s
}

// job writes a job that waits, or has failed.
func (s *site) job(t *testing.T, app, stem, rcpt, subject, reason string) {
	t.Helper()
	dir := filepath.Join(s.dir, app)
	if reason != "" {
		dir = filepath.Join(dir, ".failed")
		s.write(t, filepath.Join(dir, stem+".err"), "Job "+stem+" was not handed on.\nTries: 1\nWhy: "+reason+"\n")
	}
	s.write(t, filepath.Join(dir, stem+".txt"), "x")
	s.write(t, filepath.Join(dir, stem+".ctl"), "[system]\r\napp="+app+"\r\nid="+stem+"\r\nsubject="+subject+"\r\ntxt="+stem+".txt\r\nformat=txt\r\n[to]\r\nnumber=1\r\naddress="+rcpt+"\r\n")
}

func (s *site) write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (s *site) get(t *testing.T) (string, http.Header) {
	t.Helper()
	w := httptest.NewRecorder()
	New(s.source).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return w.Body.String(), w.Header()
}

func wantAll(t *testing.T, body string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(body, part) {
			t.Errorf("no %q in\n%s", part, body)
		}
	}
}

func TestPage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	body, header := s.get(t)
	wantAll(t, body, "All is well", ">running</dd>", ">ready</dd>", "gw.example.com", "<dd>2 days</dd>", "No jobs yet", "None since", "no jobs", "1.2.3", `<meta name="viewport"`, `name="client" value="127.0.0.1"`)
	for name, want := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
		"Cross-Origin-Resource-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
	} {
		if header.Get(name) != want {
			t.Errorf("%s: %q", name, header.Get(name))
		}
	}
	if csp := header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'; style-src 'self'; form-action 'self'") || strings.Contains(csp, "unsafe") || strings.Contains(csp, "script") {
		t.Errorf("policy %q", csp)
	}
	s.job(t, "fax", "00000001", "1@fax", "hello", "no such number")
	s.job(t, "sms", "00000002", "2@sms", "server room", "")
	s.jobs.WithLabelValues("fax", "done").Add(7)
	s.jobs.WithLabelValues("fax", "failed").Add(2)
	s.source.Ready = func(context.Context) error { return errors.New("no forward server\nno room") }
	s.source.Alive = func(context.Context) error { return errors.New("deaf") }
	s.source.Errors = func() []logging.Event {
		return []logging.Event{{Time: time.Now().Add(-time.Hour), Level: "E", Line: "older"}, {Time: time.Now(), Level: "W", Line: "newer"}}
	}
	body, _ = s.get(t)
	wantAll(t, body, "4 things need a look", "the service is not alive: deaf", "not answering</dd>", "not ready: no room", "fax: jobs failed: 1, the last of them 00000001: no such number", "not ready</dd>",
		"<bdi>hello</bdi>", "<bdi>server room</bdi>", "<bdi>2@sms</bdi>", `aria-label="7 jobs in 24 hours, 2 failed"`, `class="fails"`, "peak 9 in 15 min", "handed on by consume.fax", "read by another program")
	if strings.Index(body, "newer") > strings.Index(body, "older") {
		t.Error("errors are not in the order of their age")
	}
	if strings.Contains(body, "<script") || strings.Contains(body, "style=") || strings.Contains(body, "http://") || strings.Contains(body, "https://") {
		t.Errorf("the page needs a script, or something from elsewhere:\n%s", body)
	}
	// A stranger's network sees figures and nothing of the mail.
	s.source.Private = false
	body, _ = s.get(t)
	if v := New(s.source).overview(t.Context()); v.Queue != nil || v.Jobs != nil || v.Errors != nil || v.Problems != nil || v.Form {
		t.Errorf("for all: %+v", v)
	}
	wantAll(t, body, "4 things need a look", "7 jobs", "not ready</dd>")
	for _, secret := range []string{"hello", "2@sms", "no such number", "newer", "no room", "<form", s.dir} {
		if strings.Contains(body, secret) {
			t.Errorf("%q is shown to all", secret)
		}
	}
}

// hostile is what a mail may try.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `</table></main><style>*{display:none}</style>`, `{{.Host}}`, "&lt;b&gt;",
	"\u202egnp.exe", "\u2066x\u2069\u200bzero\u0085\u2028line", strings.Repeat("W", 5000), strings.Repeat("e\u0301\u0301\u0301", 400), "javascript:alert(1)", "' onmouseover='x", "\xff\xfe",
}

// TestHostile: whatever a mail says stands on the page as text.
func TestHostile(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	plain, _ := s.get(t)
	for i, evil := range hostile {
		s.job(t, "fax", fmt.Sprintf("%08d", i+1), strings.ReplaceAll(evil, "\u2028", ""), evil, strings.ReplaceAll(evil, "\u2028", " ")+"!")
	}
	s.source.Errors = func() (events []logging.Event) {
		for _, evil := range hostile {
			events = append(events, logging.Event{Time: time.Now(), Level: "E", Line: evil})
		}
		return events
	}
	body, _ := s.get(t)
	root, err := html.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	allowed := map[string]bool{}
	for name := range elements(t, plain) {
		allowed[name] = true
	}
	for _, name := range strings.Fields("table thead tbody tr th td bdi span li ol time section ul p b tr") {
		allowed[name] = true
	}
	var walk func(n *html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.ElementNode {
			if !allowed[n.Data] {
				t.Errorf("element %s", n.Data)
			}
			for _, a := range n.Attr {
				if strings.HasPrefix(a.Key, "on") || a.Key == "style" || strings.Contains(a.Val, "javascript:") {
					t.Errorf("%s %s=%q", n.Data, a.Key, a.Val)
				}
			}
		}
		if n.Type == html.TextNode && strings.ContainsAny(n.Data, "\u202e\u2066\u2069\u200b\u0085\u2028") {
			t.Errorf("text %q", n.Data)
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	walk(root)
	wantAll(t, body, "&lt;script&gt;alert(1)&lt;/script&gt;", "{{.Host}}")
	if len(body) > 100<<10 {
		t.Errorf("a page of %d bytes", len(body))
	}
}

func elements(t *testing.T, body string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for z := html.NewTokenizer(strings.NewReader(body)); ; {
		if z.Next() == html.ErrorToken {
			return found
		}
		name, _ := z.TagName()
		found[string(name)] = true
	}
}

// post sends the form.
func post(t *testing.T, p *Page, header map[string]string, form url.Values) (int, string) {
	t.Helper()
	r := httptest.NewRequest("POST", "http://gw.example.com/", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for name, value := range header {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestExplainForm(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := New(s.source)
	form := url.Values{"from": {"<eva@example.com>"}, "to": {" 1@fax \r\n<b>2@sms"}, "client": {"::ffff:192.0.2.7"}}
	own := map[string]string{"Origin": "http://gw.example.com", "Sec-Fetch-Site": "same-origin"}
	if code, body := post(t, p, own, form); code != 200 || !strings.Contains(body, "&lt;eva@example.com&gt; [&#34;1@fax&#34; &#34;&lt;b&gt;2@sms&#34;] 192.0.2.7") || !strings.Contains(body, "<form") {
		t.Errorf("%d %s", code, body)
	}
	for name, header := range map[string]map[string]string{
		"another site": {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}, "an older browser": {"Origin": "http://evil.example"}, "a sandbox": {"Origin": "null"},
	} {
		if code, body := post(t, p, header, form); code != http.StatusForbidden {
			t.Errorf("%s: %d %s", name, code, body)
		}
	}
	for want, form := range map[string]url.Values{
		"must be an IP address": {"to": {"1@fax"}, "client": {"gw"}}, "name a recipient": {"to": {"\r\n"}, "client": {"::1"}},
		"at most 20": {"to": {strings.Repeat("1@fax\n", 21)}, "client": {"::1"}},
	} {
		if code, body := post(t, p, own, form); code != 200 || !strings.Contains(body, want) {
			t.Errorf("%q: %d %s", want, code, body)
		}
	}
	if code, body := post(t, p, own, url.Values{"to": {strings.Repeat("1@fax\n", 20)}, "client": {"::1"}}); code != 200 || strings.Contains(body, "complaint") {
		t.Errorf("20 recipients: %d %s", code, body)
	}
	long := s.source
	long.Explain = func(context.Context, string, []string, netip.Addr) (string, error) {
		return "", errors.New(strings.Repeat("y", 3001))
	}
	if _, body := post(t, New(long), own, form); !strings.Contains(body, ">"+strings.Repeat("y", 3000)+"…<") {
		t.Errorf("a long complaint: %s", body)
	}
	if code, _ := post(t, p, own, url.Values{"to": {strings.Repeat("x", 2*maxForm)}}); code != http.StatusBadRequest {
		t.Errorf("a form of any size: %d", code)
	}
	for _, change := range []func(*Source){func(s *Source) { s.Private = false }, func(s *Source) { s.Explain = nil }} {
		source := s.source
		change(&source)
		if code, _ := post(t, New(source), own, form); code != http.StatusMethodNotAllowed {
			t.Errorf("answered where there is no form: %d", code)
		}
	}
}

// TestExplainBounds: one at a time, and for five seconds.
func TestExplainBounds(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	begun := make(chan struct{})
	s.source.Explain = func(ctx context.Context, _ string, _ []string, _ netip.Addr) (string, error) {
		close(begun)
		<-ctx.Done()
		return "", ctx.Err()
	}
	p := New(s.source)
	form := url.Values{"to": {"1@fax"}, "client": {"::1"}}
	first := make(chan string)
	go func() {
		_, body := post(t, p, nil, form)
		first <- body
	}()
	mtatest.Receive(t, "the question", begun)
	if _, body := post(t, p, nil, form); !strings.Contains(body, "somebody else asks just now") {
		t.Errorf("%s", body)
	}
	if body := mtatest.Receive(t, "its answer", first); !strings.Contains(body, "no answer within 5 s") {
		t.Errorf("%s", body)
	}
}

func TestStyle(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	New(newSite(t).source).ServeHTTP(w, httptest.NewRequest("GET", "/style.css", nil))
	css, _ := io.ReadAll(w.Body)
	if w.Code != 200 || w.Header().Get("Content-Type") != "text/css; charset=utf-8" || !strings.Contains(string(css), "prefers-color-scheme: dark") || strings.Contains(string(css), "url(") || strings.Contains(string(css), "@import") {
		t.Errorf("%d %q", w.Code, w.Header())
	}
}

func TestPrivate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		addr net.Addr
		want bool
	}{
		{&net.UnixAddr{Name: "/run/x", Net: "unix"}, true},
		{&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, true},
		{&net.TCPAddr{IP: net.ParseIP("::1"), Port: 1}, true},
		{&net.TCPAddr{IP: net.IPv4zero, Port: 1}, false},
		{&net.TCPAddr{IP: net.IPv6unspecified, Port: 1}, false},
		{&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1}, false},
	} {
		if got := Private(tt.addr); got != tt.want {
			t.Errorf("%v: %t", tt.addr, got)
		}
	}
}

func TestHistory(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	promauto.With(registry).NewCounter(prometheus.CounterOpts{Name: "another_total"}).Add(100)
	jobs := promauto.With(registry).NewCounterVec(prometheus.CounterOpts{Name: "jobs_total"}, []string{"app", "status"})
	promauto.With(registry).NewCounter(prometheus.CounterOpts{Name: "other_total"}).Add(100)
	h := NewHistory(registry, "jobs_total", "failed")
	noon := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	h.newer = noon
	jobs.WithLabelValues("fax", "done").Add(3)
	h.sample(noon.Add(time.Minute))
	jobs.WithLabelValues("fax", "done").Add(2)
	jobs.WithLabelValues("fax", "failed").Add(1)
	h.sample(noon.Add(14 * time.Minute))
	jobs.WithLabelValues("fax", "done").Add(4)
	h.sample(noon.Add(31 * time.Minute))
	day := h.Of("fax")
	if day[slots-3] != (Slot{5, 1}) || day[slots-2] != (Slot{}) || day[slots-1] != (Slot{Jobs: 4}) || h.Of("sms") != ([slots]Slot{}) {
		t.Errorf("%v", day)
	}
	h.sample(noon.Add(30*time.Minute + 24*time.Hour - slotLength))
	if day := h.Of("fax"); day[0] != (Slot{Jobs: 4}) || day[slots-1] != (Slot{}) {
		t.Errorf("%v", day)
	}
	h.sample(noon.Add(-time.Hour)) // the clock was set back
	h.sample(noon.Add(100 * time.Hour))
	if day := h.Of("fax"); day != ([slots]Slot{}) {
		t.Errorf("%v", day)
	}
	jobs.Reset() // as by a restart without the application
	if h.sample(noon.Add(200 * time.Hour)); len(h.apps) != 0 {
		t.Errorf("%d applications", len(h.apps))
	}
}

// TestBars: a slot without jobs has no bar, one with few can be seen.
func TestBars(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	h := s.source.History
	h.newer = time.Now().Truncate(slotLength)
	for _, slot := range []Slot{{Jobs: 1}, {}, {Jobs: 9000, Failed: 1}} {
		s.jobs.WithLabelValues("fax", "done").Add(float64(slot.Jobs))
		s.jobs.WithLabelValues("fax", "failed").Add(float64(slot.Failed))
		h.sample(h.newer.Add(slotLength))
	}
	got := New(s.source).application(status.Application{App: "fax"}, time.Now())
	want := []bar{{X: (slots - 3) * barWidth, Y: dayHeight - 1, FailedY: dayHeight - 1, Height: 1}, {X: (slots - 1) * barWidth, Height: dayHeight * 9000 / 9001, Failed: 1, Y: dayHeight - dayHeight*9000/9001}}
	if !slices.Equal(got.Day, want) || got.Jobs != 9001 || got.JobsFailed != 1 || got.Peak != 9001 {
		t.Errorf("bars %+v, want %+v", got.Day, want)
	}
}

// TestApplication: a job is late when it has waited for more than a quarter of an hour, and
// the whole day is counted.
func TestApplication(t *testing.T) {
	t.Parallel()
	s, now := newSite(t), time.Now()
	s.source.History.apps["fax"] = &[slots]Slot{0: {Jobs: 3}, slots - 1: {Failed: 1}}
	p := New(s.source)
	for age, late := range map[time.Duration]bool{lateAfter: false, lateAfter + 1: true} {
		if a := p.application(status.Application{App: "sms", Oldest: "1.ctl", Since: now.Add(-age)}, now); a.Age != "15m" || a.Late != late {
			t.Errorf("%v: %+v", age, a)
		}
	}
	a := p.application(status.Application{App: "fax"}, now)
	if a.Age != "" || a.Late || a.Jobs != 3 || a.JobsFailed != 1 || a.Peak != 3 || len(a.Day) != 2 || a.Day[0].X != 0 {
		t.Errorf("%+v", a)
	}
}

// TestLooksNowAndThen: folders are looked at once in five seconds, whoever asks.
func TestLooksNowAndThen(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := New(s.source)
	first, _ := p.folders(s.settings)
	if again, _ := p.folders(s.settings); again != first {
		t.Error("looked at once more")
	}
	p.looked = time.Now().Add(-lookEvery)
	s.settings.OutputCodePage = "none" // so that no job can be read
	again, jobs := p.folders(s.settings)
	if again == first || len(jobs) != 1 || jobs[0].State != "unknown" || jobs[0].Reason == "" {
		t.Errorf("looked anew: %t, jobs %+v", again != first, jobs)
	}
}

// TestClean: what a stranger says is on one line, bounded, and turns nothing about.
func TestClean(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"abc": "abc", "abcd": "abcd", "abcde": "abcd…", "abcdef": "abcd…", "žžžž": "žžžž", "a\nb\t": "a b ", "a\u200cb\u200d": "a\u200cb\u200d", "a\u202eb": "a\ufffdb", "\xff": "\ufffd", "": "",
	} {
		if got := clean(in, 4); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// TestAgo: the page says how long something is ago in whole minutes.
func TestAgo(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		-time.Hour: "just now", time.Minute - 1: "just now", time.Minute: "1m ago", 2*time.Minute - 1: "1m ago", time.Hour: "1h0m ago",
		48*time.Hour - time.Minute: "47h59m ago", 48 * time.Hour: "2 days ago", 71 * time.Hour: "2 days ago", 72 * time.Hour: "3 days ago", 100 * time.Hour: "4 days ago",
	} {
		if got := ago(now, now.Add(-d)); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

// TestLastErrors: the newest errors and warnings are shown, each of few.
func TestLastErrors(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, lastErrors, lastErrors + 1} {
		s := newSite(t)
		var events []logging.Event
		for i := range n {
			events = append(events, logging.Event{Time: time.Now(), Level: "E", Line: fmt.Sprintf("msg=e%d", i)})
		}
		s.source.Errors = func() []logging.Event { return events }
		shown := New(s.source).overview(t.Context()).Errors
		if len(shown) != min(n, lastErrors) || n > 0 && !strings.HasSuffix(shown[0].Line, fmt.Sprintf("e%d", n-1)) {
			t.Errorf("of %d are shown: %+v", n, shown)
		}
	}
}

// TestHistoryKept: a restart goes on with what there was; a file that is no history
// costs nothing but that.
func TestHistoryKept(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "history")
	count := func(done float64, apps ...string) *History {
		registry := prometheus.NewRegistry()
		jobs := promauto.With(registry).NewCounterVec(prometheus.CounterOpts{Name: "jobs_total"}, []string{"app", "status"})
		for _, app := range append(apps, "fax") {
			jobs.WithLabelValues(app, "done").Add(done)
			jobs.WithLabelValues(app, "failed").Add(2)
		}
		h := NewHistory(registry, "jobs_total", "failed")
		h.newer = h.newer.Add(slotLength) // the next does not begin while the test runs
		return h
	}
	first := count(5)
	if err := first.save(); err != nil {
		t.Errorf("kept nowhere: %v", err)
	}
	if _, err := os.Lstat(".new"); err == nil {
		t.Error("it was kept in the working directory")
	}
	if err := first.Keep(file); err != nil {
		t.Fatal(err)
	}
	first.newer = first.newer.Add(-2 * slotLength)
	if err := first.save(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm()&0o007 != 0 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	others := strings.Fields("a b c d e f g h i j k l m n o p")
	second := count(3, others...)
	if err := second.Keep(file); err != nil {
		t.Fatal(err)
	}
	if day := second.Of("fax"); day[slots-3] != (Slot{5, 2}) || day[slots-1] != (Slot{3, 2}) {
		t.Errorf("%v", day)
	}
	for _, app := range others {
		if day := second.Of(app); day[slots-1] != (Slot{3, 2}) {
			t.Errorf("%s: %v", app, day)
		}
	}
	// Once more in the same quarter of an hour, at the end of the service.
	ctx, stop := context.WithCancel(t.Context())
	stop()
	second.Run(ctx)
	third := count(4, others...)
	third.newer = second.newer
	if err := third.Keep(file); err != nil {
		t.Fatal(err)
	}
	for _, app := range append(others, "fax") {
		if day := third.Of(app); day[slots-1] != (Slot{7, 4}) {
			t.Errorf("%s: %v", app, day)
		}
	}
	soon := time.Now().Truncate(slotLength).Format(time.RFC3339)
	for bad, fails := range map[string]bool{
		"": true, "{": true, `{"newer":"` + soon + `"}`: false, `{"newer":"` + soon + `","apps":null}`: false, `{"newer":"2026-11-28T10:00:00Z","apps":{"fax":[1]}}`: true,
		`{"newer":"` + soon + `","apps":{"fax":null}}`: false, `{"newer":"2999-01-01T00:00:00Z","apps":{"fax":[{"Jobs":9}]}}`: false, `{"newer":"2020-01-01T00:00:00Z","apps":{"fax":[{"Jobs":9}]}}`: false,
	} {
		if err := os.WriteFile(file, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		h := count(1)
		if err := h.Keep(file); (err != nil) != fails || err != nil && !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", bad, err)
		}
		h.sample(time.Now())
		if day := h.Of("fax"); day[slots-1] != (Slot{1, 2}) || day[0] != (Slot{}) {
			t.Errorf("%s: %v", bad, day)
		}
	}
	h := count(1)
	if err := h.Keep(filepath.Join(file, "below")); err == nil {
		t.Error("a file below a file can be read")
	}
	if err := h.save(); err == nil {
		t.Error("a file below a file can be written")
	}
}
