//go:build unix

package webservice

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"smtpreceiver/core/config"
	"smtpreceiver/core/consume"
	"smtpreceiver/core/consume/targets/targettest"
	"smtpreceiver/core/ctl"
)

// service is a web service that notes what it gets and answers as it is told.
type service struct {
	*httptest.Server
	mu     sync.Mutex
	got    []*http.Request
	bodies []string
	answer func(w http.ResponseWriter, n int) // n from 1
}

func newService(t *testing.T, answer func(w http.ResponseWriter, n int)) *service {
	t.Helper()
	s := &service{answer: answer}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.got, s.bodies = append(s.got, r.Clone(context.Background())), append(s.bodies, string(body)) // net/http still uses its own
	n := len(s.got)
	s.mu.Unlock()
	if s.answer != nil {
		s.answer(w, n)
	}
}

// requests are those that came, sent their bodies.
func (s *service) requests() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

func (s *service) sent() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.bodies)
}

// target makes a target of the keys of a section, as the configuration file has
// them.
func target(t *testing.T, ctlType, keys string) (*HTTP, error) {
	t.Helper()
	settings, err := config.Parse("yaml", []byte("applications:\n  sms: {output_folder: /tmp, ctl_type: "+ctlType+", addresses: x, max_parts: 2}\nconsume:\n  sms:\n    target: http\n"+indent(keys)), nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, keys)
	}
	return New(settings.Consume["sms"], settings.Applications["sms"])
}

func indent(keys string) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(keys), "\n", "\n    ") + "\n"
}

func mustTarget(t *testing.T, ctlType, keys string) *HTTP {
	t.Helper()
	h, err := target(t, ctlType, keys)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// hostile is what a mail could say to become more than one value.
const hostile = "\"},{\"to\":\"900\"}&to=900\r\n\r\n--x\r\nTo: 900;{number}{env:SMS_TEST}<b>%26\u2028😀"

// TestHTTPEncodings: each way of sending leaves a hostile value one value.
func TestHTTPEncodings(t *testing.T) {
	t.Setenv("SMS_TEST", "s3cret value&")
	body := strings.ReplaceAll(hostile, "\r\n", "\n")
	const subject = "a\" b&c=d;filename=x"
	values := "{to: '{number}', digits: '{digits}', text: '{text}', about: 'Re: {subject}', who: '{from}', token: '{env:SMS_TEST}', kind: '{gsm:gsm|ucs2}{report:r|}{flash:f|}', n: '{parts}', braces: '{ {}'}"
	want := map[string]string{"to": "+420603123456", "digits": "420603123456", "text": body, "about": "Re: " + subject, "who": "petr@example.com", "token": "s3cret value&", "kind": "ucs2r", "n": "1", "braces": "{ {}"}
	for _, way := range []string{"form", "query", "multipart", "json"} {
		s := newService(t, nil)
		h := mustTarget(t, "sms", "url: "+s.URL+"/send?fixed=1\n"+way+": "+values)
		job := targettest.New(t, hostile)
		job.Set(map[string]string{"system/subject": subject, "system/dr": "1"})
		if why := job.HandOn(t, h); why != "" {
			t.Fatalf("%s: %s", way, why)
		}
		if len(s.requests()) != 1 {
			t.Fatalf("%s: %d requests", way, len(s.requests()))
		}
		r, got := s.requests()[0], map[string]string{}
		r.Body = io.NopCloser(strings.NewReader(s.sent()[0]))
		switch way {
		case "json":
			if err := json.Unmarshal([]byte(s.sent()[0]), &got); err != nil {
				t.Fatal(err)
			}
			if r.Header.Get("Content-Type") != "application/json" {
				t.Errorf("type %s", r.Header.Get("Content-Type"))
			}
		case "multipart":
			if err := r.ParseMultipartForm(1 << 20); err != nil {
				t.Fatal(err)
			}
			for name, v := range r.MultipartForm.Value {
				got[name] = strings.Join(v, "|")
			}
		default:
			if err := r.ParseForm(); err != nil {
				t.Fatal(err)
			}
			for name, v := range r.Form {
				got[name] = strings.Join(v, "|")
			}
			delete(got, "fixed")
		}
		if r.URL.Query().Get("fixed") != "1" || r.URL.Path != "/send" || r.Method != "POST" {
			t.Errorf("%s: %s %s", way, r.Method, r.URL)
		}
		for name := range want {
			if got[name] != want[name] {
				t.Errorf("%s: %s is %q, want %q", way, name, got[name], want[name])
			}
		}
		if len(got) != len(want) {
			t.Errorf("%s: got %q", way, got)
		}
	}
}

// TestHTTPJSON: JSON nests, keeps order, case and literals.
func TestHTTPJSON(t *testing.T) {
	t.Parallel()
	s := newService(t, nil)
	h := mustTarget(t, "sms", "url: "+s.URL+`
json:
  Messages:
    - {To: ['{number}', b, 7], validity: 3.50, Flash: false, nothing: null, quoted: '7'}
  files: '{attachments}'
  a: {b: {c: '<{text}>'}}`)
	job := targettest.New(t, "Žluťoučký & <kůň>\r\n")
	job.Attach(t, "00000042_1_x.pdf", "%PDF-")
	job.Doc.Set("attachments", "1_name", "x \"y\".pdf")
	if why := job.HandOn(t, h); why != "" {
		t.Fatal(why)
	}
	want := `{"Messages":[{"To":["+420603123456","b",7],"validity":3.50,"Flash":false,"nothing":null,"quoted":"7"}],"files":["x \"y\".pdf"],"a":{"b":{"c":"<Žluťoučký & <kůň>>"}}}`
	if s.sent()[0] != want {
		t.Errorf("got  %s\nwant %s", s.sent()[0], want)
	}
}

// TestHTTPContentType: a type that is set wins over that of the body, but for multipart,
// whose boundary nobody else knows.
func TestHTTPContentType(t *testing.T) {
	t.Parallel()
	for way, want := range map[string]string{"form": "text/special", "json": "text/special", "multipart": "multipart/form-data; boundary="} {
		s := newService(t, nil)
		h := mustTarget(t, "sms", "url: "+s.URL+"\nheaders: {Content-Type: text/special}\n"+way+": {to: '{number}'}")
		if why := targettest.New(t, "x").HandOn(t, h); why != "" {
			t.Fatalf("%s: %s", way, why)
		}
		if got := s.requests()[0].Header["Content-Type"]; len(got) != 1 || !strings.HasPrefix(got[0], want) {
			t.Errorf("%s: type %q, want %s", way, got, want)
		}
	}
}

// TestHTTPAttachments: files are sent whole, with a length known beforehand.
func TestHTTPAttachments(t *testing.T) {
	t.Parallel()
	s := newService(t, nil)
	h := mustTarget(t, "fax", "url: "+s.URL+"\nmultipart: {to: '{number}', document: '{attachments}', text: '{text}'}")
	job := targettest.New(t, strings.Repeat("long ", 1000))
	content := strings.Repeat("%PDF-\r\n--boundary--\x00", 200_000)
	job.Attach(t, "00000042_1_a.pdf", content)
	job.Doc.Set("attachments", "1_name", "a\"; name=\"to.pdf")
	job.File(t, "00000042_2_b.zzz", "")
	job.Doc.Set("attachments", "count", "2")
	job.Doc.Set("attachments", "2", "00000042_2_b.zzz")
	if why := job.HandOn(t, h); why != "" {
		t.Fatal(why)
	}
	targettest.Closed(t, ".pdf")
	r := s.requests()[0]
	if r.ContentLength != int64(len(s.sent()[0])) || len(r.TransferEncoding) > 0 {
		t.Errorf("length %d of %d, %q", r.ContentLength, len(s.sent()[0]), r.TransferEncoding)
	}
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	form, err := multipart.NewReader(strings.NewReader(s.sent()[0]), params["boundary"]).ReadForm(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	defer form.RemoveAll()
	files := form.File["document"]
	if len(files) != 2 || files[0].Filename != `a"; name="to.pdf` || files[0].Size != int64(len(content)) || files[1].Filename != "00000042_2_b.zzz" || files[0].Header.Get("Content-Type") != "application/pdf" || files[1].Size != 0 {
		t.Errorf("%+v", files)
	}
	if len(form.Value["text"][0]) != 4999 {
		t.Errorf("the text of a fax was cut: %d", len(form.Value["text"][0]))
	}
	// A file that is not there: the one before it is closed, too.
	job = targettest.New(t, "x")
	job.Attach(t, "00000042_1_a.pdf", content)
	job.Set(map[string]string{"attachments/count": "2", "attachments/2": "00000042_2_b.pdf"})
	if why := job.HandOn(t, h); !strings.Contains(why, "00000042_2_b.pdf: no such file") || len(s.requests()) != 1 {
		t.Errorf("%d requests, %q", len(s.requests()), why)
	}
	targettest.Closed(t, ".pdf")
}

// TestHTTPAnswers: what each answer means.
func TestHTTPAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, keys string
		status     int
		said       string
		want       string // "": done
		again      bool   // it is tried again
	}{
		{"ok", "", 200, "", "", false},
		{"created", "", 201, "{}", "", false},
		{"the last of its kind", "", 299, "", "", false},
		{"accepted as asked", "success: '(?i)accepted'", 202, "0: Accepted for delivery", "", false},
		{"200 for a failure", "success: '(?i)accepted'", 200, "ERR: bad number", "200 OK: it says: ERR: bad number (success does not match)", false},
		{"refused", "", 400, "bad\r\nnumber", "400 Bad Request: it says: bad number", false},
		{"refused with a key", "idempotency_header: Key", 400, "", "400 Bad Request", false},
		{"forbidden", "", 401, "", "401 Unauthorized", false},
		{"a conflict without a key", "", 409, "", "409 Conflict", false},
		{"the last refusal", "", 499, "", "499 ", false},
		{"too slow", "", 408, "", "408 ", true},
		{"too early", "", 425, "", "425 ", true},
		{"too many", "", 429, "", "429 ", true},
		{"broken", "", 500, "", "500 ", true},
		{"down", "", 503, "maintenance", "503 Service Unavailable: it says: maintenance", true},
		{"the last fault", "", 599, "", "599 ", true},
		{"beyond", "", 600, "", "600 ", false},
		{"elsewhere", "", 302, "", "it points to https://other.example: change url", true},
		{"the last elsewhere", "", 399, "", "it points to https://other.example: change url", true},
		{"long answer", "success: needle", 200, strings.Repeat("x", 1<<20) + "needle", "success does not match", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newService(t, func(w http.ResponseWriter, _ int) {
				w.Header().Set("Location", "https://other.example/path?secret=1")
				w.WriteHeader(tt.status)
				io.WriteString(w, tt.said)
			})
			why := targettest.New(t, "x").HandOn(t, mustTarget(t, "sms", "url: "+s.URL+"/p?password=hidden\nform: {text: '{text}'}\n"+tt.keys))
			if !strings.Contains(why, tt.want) || (why == "") != (tt.want == "") || strings.Contains(why, "given up") != tt.again || strings.Contains(why, "hidden") || strings.Contains(why, "secret") {
				t.Errorf("why %q, want %q", why, tt.want)
			}
			if len(s.requests()) != 1 {
				t.Errorf("%d requests", len(s.requests()))
			}
		})
	}
}

// TestHTTPPause: Retry-After holds for all jobs, as seconds and as a date.
func TestHTTPPause(t *testing.T) {
	t.Parallel()
	for _, after := range []string{"600", time.Now().Add(10 * time.Minute).UTC().Format(http.TimeFormat)} {
		s := newService(t, func(w http.ResponseWriter, _ int) {
			w.Header().Set("Retry-After", after)
			w.WriteHeader(429)
		})
		h := mustTarget(t, "sms", "url: "+s.URL+"\nform: {text: '{text}'}")
		for range 2 {
			if why := targettest.New(t, "x").HandOn(t, h); !strings.Contains(why, "given up") {
				t.Error(why)
			}
		}
		if left := time.Until(h.asleep); len(s.requests()) != 1 || left < 9*time.Minute || left > 10*time.Minute {
			t.Errorf("Retry-After %s: %d requests, asleep for %v", after, len(s.requests()), left)
		}
	}
	h := &HTTP{}
	for after, most := range map[string]time.Duration{"": 0, "-5": 0, "soon": 0, "Mon, 02 Jan 2006 15:04:05 GMT": 0, "2147483647": maxRetryAfter} {
		h.asleep = time.Time{}
		_ = h.pause(after, io.EOF)
		if left := time.Until(h.asleep); left > most || most > 0 && left < most-time.Minute {
			t.Errorf("Retry-After %q: asleep for %v", after, left)
		}
	}
}

// TestHTTPDoubt: a request that may have arrived is not sent again, unless the
// service knows it by its key.
func TestHTTPDoubt(t *testing.T) {
	t.Parallel()
	hang := func(w http.ResponseWriter, _ int) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			c.Close()
		}
	}
	s := newService(t, hang)
	keys := "url: " + s.URL + "\nform: {text: '{text}'}\n"
	if why := targettest.New(t, "x").HandOn(t, mustTarget(t, "sms", keys)); !strings.Contains(why, "in_doubt is fail") || len(s.requests()) != 1 {
		t.Errorf("%d requests, %q", len(s.requests()), why)
	}
	h := mustTarget(t, "sms", keys+"idempotency_header: Idempotency-Key")
	// Until the service has answered, each try has the same key.
	odd := newService(t, func(w http.ResponseWriter, n int) {
		switch n {
		case 1:
			hang(w, n)
		case 2:
			w.WriteHeader(http.StatusConflict) // the first is still being worked on
		case 3:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	retried := targettest.New(t, "x")
	retried.Again = true
	if why := retried.HandOn(t, mustTarget(t, "sms", strings.Replace(keys, s.URL, odd.URL, 1)+"idempotency_header: Idempotency-Key")); why != "" || len(odd.requests()) != 4 {
		t.Fatalf("%d requests, %q", len(odd.requests()), why)
	}
	for _, r := range odd.requests() {
		if key := r.Header.Get("Idempotency-Key"); key == "" || key != odd.requests()[0].Header.Get("Idempotency-Key") {
			t.Errorf("key %q", key)
		}
	}
	if why := targettest.New(t, "x").HandOn(t, h); !strings.Contains(why, "given up after 1 tries") {
		t.Errorf("why %q", why)
	}
	if key := s.requests()[len(s.requests())-1].Header.Get("Idempotency-Key"); !strings.HasPrefix(key, "smtpreceiver-00000042-") {
		t.Errorf("key %q", key)
	}
	for _, tt := range []struct {
		begun time.Time
		h     *HTTP
		want  consume.Answer
	}{
		{time.Now().Add(-time.Hour), h, consume.Recognizes},
		{time.Now().Add(-25 * time.Hour), h, consume.Unknown},
		{time.Now(), mustTarget(t, "sms", keys), consume.Unknown},
	} {
		if got, err := tt.h.Has(t.Context(), &consume.Job{Begun: tt.begun}); got != tt.want || err != nil {
			t.Errorf("Has = %v, %v, want %v", got, err, tt.want)
		}
	}

	// A service that reads and says nothing until the try is over.
	silent := newService(t, nil)
	over := make(chan struct{})
	silent.answer = func(http.ResponseWriter, int) { <-over }
	t.Cleanup(func() { close(over) })
	why := targettest.New(t, "x").HandOnWithin(t, mustTarget(t, "sms", "url: "+silent.URL+"\nform: {text: '{text}'}"), 2*time.Second)
	if !strings.Contains(why, "not done within timeout") || !strings.Contains(why, "in_doubt is fail") {
		t.Errorf("why %q", why)
	}

	// An answer that breaks off before success is seen.
	broken := newService(t, func(w http.ResponseWriter, _ int) {
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, "Acc")
	})
	why = targettest.New(t, "x").HandOn(t, mustTarget(t, "sms", "url: "+broken.URL+"\nform: {text: '{text}'}\nsuccess: Accepted"))
	if !strings.Contains(why, "in_doubt is fail") {
		t.Errorf("why %q", why)
	}
}

// TestHTTPBodyClosedTwice: net/http closes it where the request is written and where
// the answer is read, at the same time.
func TestHTTPBodyClosedTwice(t *testing.T) {
	t.Parallel()
	f, err := os.Create(filepath.Join(t.TempDir(), "a"))
	if err != nil {
		t.Fatal(err)
	}
	b := &body{files: []io.Closer{f}}
	var closing sync.WaitGroup
	for range 8 {
		closing.Go(func() {
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	closing.Wait()
	if _, err := f.Stat(); err == nil {
		t.Error("the file is open")
	}
}

type unclosable struct{}

func (unclosable) Close() error { return io.ErrClosedPipe }

// TestHTTPBodyCloseFails: a file that cannot be closed is an error, each time.
func TestHTTPBodyCloseFails(t *testing.T) {
	t.Parallel()
	b := &body{files: []io.Closer{unclosable{}}}
	for range 2 {
		if err := b.Close(); !errors.Is(err, io.ErrClosedPipe) {
			t.Error(err)
		}
	}
}

// TestHTTPNoConnection: what was never sent is sent later.
func TestHTTPNoConnection(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	strangers := httptest.NewUnstartedServer(http.NotFoundHandler())
	strangers.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	strangers.StartTLS()
	t.Cleanup(strangers.Close)
	for url, want := range map[string]string{
		"http://" + address + "/send?password=hidden": "connection refused",
		"http://nowhere.invalid/":                     "nowhere.invalid",
		strangers.URL:                                 "certificate",
	} {
		why := targettest.New(t, "x").HandOn(t, mustTarget(t, "sms", "url: "+url+"\nform: {text: '{text}'}"))
		if !strings.Contains(why, want) || !strings.Contains(why, "given up after 1 tries") || strings.Contains(why, "hidden") {
			t.Errorf("%s: %q", url, why)
		}
	}
}

// TestHTTPSecrets: variables go where they are asked for and into no error, also
// if the service repeats them.
func TestHTTPSecrets(t *testing.T) {
	t.Setenv("SMS_TOKEN", "t0p s&cret")
	s := newService(t, func(w http.ResponseWriter, n int) {
		w.WriteHeader(400)
		io.WriteString(w, "token t0p s&cret, t0p+s%26cret, Basic fixed, is wrong")
	})
	h := mustTarget(t, "sms", "url: "+strings.Replace(s.URL, "http://", "http://user:{env:SMS_TOKEN}@", 1)+"/{env:SMS_TOKEN}/send\nheaders: {X-Auth: 'Basic fixed', X-Token: 'Bearer {env:SMS_TOKEN}', X-About: '{subject}', Host: sms.example}\nform: {text: '{text}'}")
	job := targettest.New(t, "x")
	job.Set(map[string]string{"system/subject": "Ahoj\r\nX-Evil: č"})
	why := job.HandOn(t, h)
	if !strings.Contains(why, "token ***, ***, ***, is wrong") || strings.Contains(why, "s&cret") || strings.Contains(why, "26cret") {
		t.Errorf("why %q", why)
	}
	r := s.requests()[0]
	user, password, _ := r.BasicAuth()
	if user != "user" || password != "t0p s&cret" || r.URL.Path != "/t0p s&cret/send" || r.Header.Get("X-Token") != "Bearer t0p s&cret" || r.Host != "sms.example" {
		t.Errorf("%s %s, %v, host %s", user, password, r.Header, r.Host)
	}
	about, err := new(mime.WordDecoder).DecodeHeader(r.Header.Get("X-About"))
	if err != nil || !strings.HasPrefix(about, "Ahoj") || r.Header.Get("X-Evil") != "" {
		t.Errorf("about %q, %v, %v", about, err, r.Header)
	}
	os.Unsetenv("SMS_TOKEN")
	if why := targettest.New(t, "x").HandOn(t, h); !strings.Contains(why, "the environment variable SMS_TOKEN is not set") || len(s.requests()) != 1 {
		t.Errorf("%d requests, %q", len(s.requests()), why)
	}
}

// TestHTTPSecretsCut: a mail's length says where the repeated request is cut, and no
// part of a password is left behind the cut, or before it.
func TestHTTPSecretsCut(t *testing.T) {
	const secret = `0123456789"\u00e4&ABCDEFGHIJ`
	t.Setenv("SMTPRECEIVER_TEST_CUT", secret)
	for behind := 970; behind <= 1000; behind += 3 {
		for _, echo := range []string{secret, url.QueryEscape(secret), strings.Trim(string(must(json.Marshal(secret))), `"`), base64.StdEncoding.EncodeToString([]byte("user:" + secret))} {
			for _, said := range []string{echo + strings.Repeat("x", behind), strings.Repeat("x", maxAnswer-behind+970) + echo} {
				s := newService(t, func(w http.ResponseWriter, _ int) {
					w.WriteHeader(http.StatusForbidden)
					io.WriteString(w, said)
				})
				why := targettest.New(t, "x").HandOn(t, mustTarget(t, "sms", "url: http://user:{env:SMTPRECEIVER_TEST_CUT}@"+strings.TrimPrefix(s.URL, "http://")+"/\nform: {text: '{text}'}\n"))
				_, words, found := strings.Cut(why, "it says: ")
				words, _, _ = strings.Cut(words, "\n")
				if !found || strings.Trim(words, "x*") != "" {
					t.Fatalf("%d bytes behind %q: %q", behind, echo, why)
				}
			}
		}
	}
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

// TestHTTPSecretsKnown: what is secret of a request is known wherever it stands, and nothing
// else is taken for one.
func TestHTTPSecretsKnown(t *testing.T) {
	t.Setenv("SMS_ONE", "first")
	t.Setenv("SMS_TWO", "second")
	h := mustTarget(t, "sms", "url: 'http://user:third@sms.invalid/{env:SMS_ONE}'\nheaders: {Authorization: fourth, X-Auth: fifth, X-Other: sixth, X-Auth-For: '{number}'}\nquery: {k: '{env:SMS_TWO}'}\nform: {text: '{text}'}")
	const said = "first second third fourth fifth sixth {number} user"
	if got, want := h.request.plain(said), "*** *** *** *** *** sixth {number} user"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestHTTPFaxNumber: a fax may be sent to what else one dials.
func TestHTTPFaxNumber(t *testing.T) {
	t.Parallel()
	s := newService(t, nil)
	job := targettest.New(t, "x")
	job.Set(map[string]string{"to/number": "906,*1#"})
	if why := job.HandOn(t, mustTarget(t, "fax", "url: "+s.URL+"\nform: {t: '{number}'}")); why != "" || s.sent()[0] != "t=906%2C%2A1%23" {
		t.Errorf("%q, sent %q", why, s.sent())
	}
}

// TestHTTPEmptySecrets: what is empty is no secret; it stands everywhere.
func TestHTTPEmptySecrets(t *testing.T) {
	t.Parallel()
	h := mustTarget(t, "sms", "url: http://user:@sms.invalid/\nheaders: {X-Auth: ''}\nform: {text: '{text}'}")
	if got := h.request.plain("no credit"); got != "no credit" {
		t.Errorf("%q", got)
	}
}

// TestHTTPVariables: every variable of a request is known, wherever it stands.
func TestHTTPVariables(t *testing.T) {
	t.Parallel()
	h := mustTarget(t, "sms", "url: 'https://{env:NOSUCH_A}.example/{env:NOSUCH_B}'\nproxy: 'http://{env:NOSUCH_C}'\nheaders: {X: 'a {env:NOSUCH_D} {env:NOSUCH_E}'}\nquery: {q: '{env:NOSUCH_F}'}\njson: {a: '{env:NOSUCH_G}{env:NOSUCH_H}', b: [x, '{env:NOSUCH_I}'], c: '{env:PATH}'}")
	want := []string{"NOSUCH_A", "NOSUCH_B", "NOSUCH_C", "NOSUCH_D", "NOSUCH_E", "NOSUCH_F", "NOSUCH_G", "NOSUCH_H", "NOSUCH_I"}
	if got := h.request.unset(); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	for place, name := range map[string]string{"form": "form: {f: '{env:NOSUCH}'}", "multipart": "multipart: {f: '{env:NOSUCH}'}"} {
		if got := mustTarget(t, "sms", "url: https://a.example\n"+name).request.unset(); !slices.Equal(got, []string{"NOSUCH"}) {
			t.Errorf("%s: %q", place, got)
		}
	}
}

// TestHTTPWays: own authority, proxy, method.
func TestHTTPWays(t *testing.T) {
	t.Parallel()
	secure := httptest.NewUnstartedServer(nil)
	s := &service{}
	secure.Config.Handler = s
	secure.EnableHTTP2 = true
	secure.StartTLS()
	t.Cleanup(secure.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	if why := targettest.New(t, "x").HandOn(t, mustTarget(t, "sms", "url: "+secure.URL+"\nca_file: "+ca+"\nform: {text: '{text}'}")); why != "" || len(s.requests()) != 1 || s.requests()[0].ProtoMajor != 2 {
		t.Errorf("own authority: %q, %+v", why, s.requests())
	}

	if why := targettest.New(t, "x").HandOn(t, mustTarget(t, "sms", "url: "+secure.URL+"\nca_file: "+ca+"\nmethod: GET\nquery: {text: '{text}'}")); why != "" || s.requests()[1].ContentLength != 0 {
		t.Errorf("nothing but a query: %q, %d bytes", why, s.requests()[1].ContentLength)
	}

	proxy := newService(t, nil)
	if why := targettest.New(t, "Čau").HandOn(t, mustTarget(t, "sms", "url: http://sms.invalid/send\nmethod: GET\nproxy: "+proxy.URL+"\nquery: {text: '{text}'}")); why != "" || len(proxy.got) != 1 {
		t.Fatalf("proxy: %q", why)
	}
	if r := proxy.got[0]; r.Method != "GET" || r.Host != "sms.invalid" || r.URL.Query().Get("text") != "Čau" || r.ContentLength != 0 || len(r.TransferEncoding) > 0 || r.UserAgent() != "smtpreceiver" || r.Header.Get("Accept-Encoding") != "" {
		t.Errorf("%s %s, host %s, %d bytes %q, %v", r.Method, r.URL, r.Host, r.ContentLength, r.TransferEncoding, r.Header)
	}

	// Each request has a connection of its own, and the query that stands in the address.
	plain := newService(t, nil)
	h := mustTarget(t, "sms", "url: "+plain.URL+"/?fixed=1\nform: {text: '{text}'}")
	for range 2 {
		if why := targettest.New(t, "x").HandOn(t, h); why != "" {
			t.Error(why)
		}
	}
	if r := plain.requests(); len(r) != 2 || r[0].RemoteAddr == r[1].RemoteAddr || r[0].URL.RawQuery != "fixed=1" {
		t.Errorf("%d requests: %+v", len(r), r)
	}
}

// TestHTTPText: what is sent costs no more than it may, and a text that cannot be
// sent is said.
func TestHTTPText(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		set  map[string]string
		keys string
		sent string
		why  string
	}{
		{strings.Repeat("a", 500), nil, "form: {t: '{text}'}", "t=" + strings.Repeat("a", 306), ""},
		{strings.Repeat("a", 500), map[string]string{"system/maxlen": "1"}, "form: {t: '{gsm:0|2}{parts}'}", "t=01", ""},
		{strings.Repeat("a", 500), map[string]string{"system/action": "1"}, "form: {t: '{text}'}", "", "max_parts allows 2"},
		{" \r\n", nil, "form: {t: '{text}'}", "", "the text is empty"},
		{" \r\n", nil, "form: {t: '{subject}'}", "t=Hello", ""},
		{"a€", nil, "form: {t: '{hex}{gsm:0|8}'}", "t=611b650", ""},
		{"č", nil, "form: {t: '{hex}{gsm:0|8}'}", "t=010d8", ""},
		{"č", nil, "form: {t: '{hex}'}", "t=010d", ""},
		{strings.Repeat("č", 71), nil, "form: {t: '{parts}'}", "t=2", ""},
		{"x", map[string]string{"to/number": "906,*1#"}, "form: {t: '{number}'}", "", "no number to dial"},
		{"x", map[string]string{"system/format": "eml"}, "form: {t: '{text}'}", "", "format_preference"},
		{"x", map[string]string{"to/number": "12ab"}, "form: {t: '{digits}'}", "", "no number to dial"},
		{"x", map[string]string{"to/number": ""}, "form: {t: '{number}'}", "", "has no number"},
		{"x", map[string]string{"to/number": "12ab"}, "form: {t: '{text}'}", "t=x", ""},
		{"x", map[string]string{"to/number": "+420 (603) 123-456"}, "form: {t: '{number}'}", "t=%2B420603123456", ""},
	} {
		s := newService(t, nil)
		job := targettest.New(t, tt.text)
		job.Set(tt.set)
		why := job.HandOn(t, mustTarget(t, "sms", "url: "+s.URL+"\n"+tt.keys))
		if !strings.Contains(why, tt.why) || (why == "") != (tt.why == "") || strings.Join(s.sent(), "|") != tt.sent {
			t.Errorf("%.20q %v %s: %q, sent %q", tt.text, tt.set, tt.keys, why, s.sent())
		}
	}
}

// TestHTTPKeys: what cannot work is said with its key.
func TestHTTPKeys(t *testing.T) {
	t.Parallel()
	const form = "\nform: {to: '{number}'}"
	for keys, want := range map[string]string{
		"url: sms.example.com" + form:                                                    "url: it is no address",
		"url: ftp://sms.example.com" + form:                                              "url: it is no address",
		"url: 'http://x/{env:A}/{env:b c}'" + form:                                       "url: {env:b c} is no environment variable",
		"url: http://x\nproxy: 'http://{env:b c}'" + form:                                "proxy: {env:b c} is no environment variable",
		"url: http:///send" + form:                                                       "url: it is no address",
		"url: 'http://[::1/send'" + form:                                                 "url: it is no address",
		"url: 'http://x/{number}'" + form:                                                "url: only {env:NAME} may stand there",
		"url: http://x":                                                                  "json: nothing of the job is sent",
		"url: http://x\njson: {a: b}" + form:                                             "json: there is more than one body",
		"url: http://x\nmethod: GET" + form:                                              "method: GET has no body",
		"url: http://x\nform: {to: '{nummer}'}":                                          "form.to: there is no {nummer}",
		"url: http://x\nform: {to: '{number:1}'}":                                        "form.to: there is no {number:1}",
		"url: http://x\nform: {to: '{attachments}'}":                                     "form.to: attachments go by multipart",
		"url: http://x\nmultipart: {to: 'a{attachments}'}":                               "multipart.to: {attachments} must be the whole value",
		"url: http://x\nquery: {to: '{gsm:1}'}":                                          "query.to: write {gsm:A|B}",
		"url: http://x\njson: {a: [{b: '{env:a b}'}]}":                                   "json.a[0].b: {env:a b} is no environment variable",
		"url: http://x\nheaders: {'a b': c}" + form:                                      "headers: \"a b\" is no name",
		"url: http://x\nheaders: {content-length: 5}" + form:                             "headers: content-length is made by the program",
		"url: http://x\nidempotency_header: 'a:'" + form:                                 "idempotency_header: \"a:\" is no name",
		"url: http://x\nsuccess: '('" + form:                                             "success: error parsing regexp",
		"url: http://x\nproxy: here" + form:                                              "proxy: it is no address",
		"url: http://x\nca_file: /nonexistent" + form:                                    "ca_file: open /nonexistent",
		"url: http://x\nca_file: " + os.Args[0] + form:                                   "holds no certificate",
		"url: '{env:SMS_URL}'" + form:                                                    "url: it is no address",
		"url: 'https://{env:HOST}/{env:T}/x'\nheaders: {A: '{id}'}\nquery: {a: '{key}'}": "",
	} {
		_, err := target(t, "sms", keys)
		var said []string
		var problems config.Problems
		errors.As(err, &problems)
		for _, problem := range problems {
			said = append(said, problem.String())
		}
		if !slices.ContainsFunc(said, func(s string) bool { return strings.Contains(s, want) }) && (want != "" || len(said) > 0) {
			t.Errorf("%s: %q, want %q", keys, said, want)
		}
	}
}

// TestAsks: what a section needs of others is said where it is sound.
func TestAsks(t *testing.T) {
	t.Parallel()
	for keys, want := range map[string][2]bool{
		"url: http://sms.example.com\nform: {a: '{text}'}":   {true, true},
		"url: http://sms.example.com\nform: {a: '{number}'}": {false, true},
		"url: https://sms.example.com\nform: {a: '{gsm:|}'}": {true, false},
		"url: http://sms.example.com\nform: {a: '{hex}{x}'}": {false, false}, // not sound
		"url: http://localhost\nform: {a: b}":                {false, false},
		"url: http://gateway:8080\nform: {a: b}":             {false, false},
		"url: 'http://{env:HOST}/'\nform: {a: b}":            {false, false},
		"url: http://192.0.2.1\nform: {a: b}":                {false, true},
		"url: http://127.0.0.1\nform: {a: b}":                {false, false},
		"url: http://10.1.2.3\nform: {a: b}":                 {false, false},
		"url: http://169.254.1.1\nform: {a: b}":              {false, false},
		"url: 'http://[::1]'\nform: {a: b}":                  {false, false},
		"url: 'http://[2001:db8::1]'\nform: {a: b}":          {false, true},
	} {
		settings, err := config.Parse("yaml", []byte("applications:\n  sms: {output_folder: /tmp, ctl_type: sms, addresses: x}\nconsume:\n  sms:\n    target: http\n"+indent(keys)), nil)
		if err != nil {
			t.Fatal(err)
		}
		if text, inClear := Asks(settings.Consume["sms"], settings.Applications["sms"]); [2]bool{text, inClear} != want {
			t.Errorf("%s: %t, %t", keys, text, inClear)
		}
	}
	if (&request{url: "http://[::1"}).inClear() {
		t.Error("what is no address is in clear")
	}
}

// FuzzHTTP: whatever a mail says stays one value, in each encoding.
func FuzzHTTP(f *testing.F) {
	f.Add("a&b=c", "{number}", "\"}\r\n")
	f.Add("\xff\x00", "--", "{env:HOME}{text}")
	f.Fuzz(func(t *testing.T, subject, name, text string) {
		c := &content{Job: jobOf(subject, name), text: text}
		values := map[string]string{"s": "{subject}", "n": "<{name}>", "t": "{text}"}
		r := request{form: values}
		b, err := r.body(c)
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := io.ReadAll(b)
		req := httptest.NewRequest("POST", "/", strings.NewReader(string(raw)))
		req.Header.Set("Content-Type", b.kind)
		if err := req.ParseForm(); err != nil || len(req.PostForm) != 3 || req.PostForm.Get("s") != subject || req.PostForm.Get("n") != "<"+name+">" || req.PostForm.Get("t") != text {
			t.Fatalf("form %q: %v", raw, err)
		}
		texts := map[string]*config.Tree{}
		tree := &config.Tree{}
		for key, value := range values {
			texts[key] = &config.Tree{Text: &value}
			tree.Object = append(tree.Object, config.Member{Name: key, Value: *texts[key]})
		}
		r = request{json: tree}
		if b, err = r.body(c); err != nil {
			t.Fatal(err)
		}
		raw, _ = io.ReadAll(b)
		var got map[string]string
		if err := json.Unmarshal(raw, &got); err != nil || len(got) != 3 || got["s"] != string([]rune(subject)) || got["t"] != string([]rune(text)) {
			t.Fatalf("json %q: %v", raw, err)
		}
		r = request{multipart: values}
		if b, err = r.body(c); err != nil {
			t.Fatal(err)
		}
		raw, _ = io.ReadAll(b)
		_, params, _ := mime.ParseMediaType(b.kind)
		form, err := multipart.NewReader(strings.NewReader(string(raw)), params["boundary"]).ReadForm(1 << 20)
		if err != nil || len(form.Value) != 3 || form.Value["s"][0] != subject || form.Value["t"][0] != text || int64(len(raw)) != b.size {
			t.Fatalf("multipart %q: %v", raw, err)
		}
		if h := headerValue(subject); strings.ContainsAny(h, "\r\n\x00") {
			t.Fatalf("header %q", h)
		}
	})
}

func jobOf(subject, name string) *consume.Job {
	return &consume.Job{Job: &ctl.Job{Subject: subject, Name: name}}
}
