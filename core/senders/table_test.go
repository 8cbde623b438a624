package senders

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/senders/row"
	"smtpreceiver/core/senders/row/rowtest"
)

// TestMain looks for goroutines left over by look-ups.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, o Options) *Table {
	t.Helper()
	if o.Timeout == 0 {
		o.Timeout = 20 * time.Second
	}
	table, err := New(o, rowtest.Compile, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { table.Close() }) // an error is that of a server which has gone
	return table
}

// people are the rows that every backend is filled with: name, allowed,
// numbers_allowed, max_parts, max_jobs, caller_id, cost_code; nil is NULL.
var people = [][]any{
	{"jan@example.com", "1", `\+420\d+$`, 3, 50, "+420111", "K7"},
	{"o'brien@example.com", "0", nil, nil, nil, nil, nil},
	{"fax@example.com", "fax", nil, -1, 0, "", "K8"},
	{"null@example.com", nil, nil, nil, nil, nil, nil},
	{"bad@example.com", "1", `(`, nil, nil, nil, nil},
}

// conform holds a backend with people in it against what all have in common.
func conform(t *testing.T, table *Table) {
	t.Helper()
	for sender, want := range map[string]string{
		"jan@example.com":     "jan@example.com fax sms not:+491 not: 3 parts 50 jobs caller_id=+420111 cost_code=K7",
		"JAN@Example.COM":     "jan@example.com fax sms not:+491 not: 3 parts 50 jobs caller_id=+420111 cost_code=K7",
		"o'brien@example.com": "o'brien@example.com",
		"fax@example.com":     "fax@example.com fax cost_code=K8",
		"null@example.com":    "null@example.com fax sms",
		"bad@example.com":     "error",
		"nobody@example.com":  "none",
	} {
		if got := rowtest.Shown(table.Find(t.Context(), sender)); got != want {
			t.Errorf("%s: %q, want %q", sender, got, want)
		}
	}
	_, err := table.Find(t.Context(), "bad@example.com")
	if err == nil || !strings.Contains(err.Error(), `the row of "bad@example.com": numbers_allowed: `) {
		t.Errorf("a bad expression: %v", err)
	}
	for _, sender := range injections {
		if got := rowtest.Shown(table.Find(t.Context(), sender)); got != "none" {
			t.Errorf("%.60q: %q", sender, got)
		}
	}
	// However a sender is written, it counts under the name that the table holds.
	for _, sender := range spellings {
		r, err := table.Find(t.Context(), sender)
		if err != nil || r != nil && r.Name != "jan@example.com" {
			t.Errorf("%q is %v, %v", sender, r, err)
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := table.Find(gone, "new@example.com"); err == nil {
		t.Error("an answer for mail that is gone")
	}
	if got := rowtest.Shown(table.Find(t.Context(), "o'brien@example.com")); got != "o'brien@example.com" {
		t.Errorf("after all that: %q", got)
	}
}

// injections are senders that try to be more than a name. Nobody is called so.
var injections = []string{
	"*", "*)(uid=*", "jan@example.com)(|(mail=*", "jan*", "*)(&", "jan@example.com)(mail=*))(|(mail=*", `\2a`, `\`, `jan@example.com\`,
	"cn=admin,dc=example,dc=com", "%s", "%25s",
	"' or '1'='1", "' OR 1=1 -- ", "jan@example.com' -- ", "jan@example.com'/*", "jan@example.com'; DROP TABLE senders; --",
	`" OR ""="`, "') UNION SELECT 'jan@example.com' -- ", `\' OR 1=1 -- `, "%", "_", "jan%", "$1", "?", "NULL", "name", "#",
	strings.Repeat("x", 10_000), strings.Repeat("'", 255), strings.Repeat("(", 255), strings.Repeat("*", 255),
	"jan@example.com\x00", "jan@example.com\r\n", "\xbf' OR 1=1 -- ", "jan@example.com\xff", "",
}

// spellings are what some backends take for jan@example.com.
var spellings = []string{
	"Jan@Example.Com", "ján@example.com", "jan@éxample.com", "jan@example.com ", " jan@example.com",
	"\uff4aan@example.com", "jan@exa\u00admple.com", "jan@example.\u24d2om", "jan@example.com\u0301",
}

// scripted is a backend that counts what it is asked.
type scripted struct {
	asked atomic.Int64
	wait  chan struct{} // nil: answers at once
	fails atomic.Bool
	ended chan error // gets the end of the context where that comes first; nil: none

	closed bool
}

func (s *scripted) find(ctx context.Context, name string) (row.Row, error) {
	s.asked.Add(1)
	if s.wait != nil {
		select {
		case <-s.wait:
		case <-ctx.Done():
			if s.ended != nil {
				s.ended <- ctx.Err()
			}
			return nil, ctx.Err()
		}
	}
	if s.fails.Load() {
		return nil, errors.New("down")
	}
	if strings.HasPrefix(name, "nobody") {
		return nil, nil
	}
	return row.Row{row.ColumnName: name}, nil
}

func (s *scripted) Close() error {
	s.closed = true
	return nil
}

// table is one over a script, with a clock of its own.
func (s *scripted) table(keep time.Duration, now func() time.Time) *Table {
	t := &Table{backend: s, timeout: time.Minute, compile: rowtest.Compile, cache: newCache(keep, now), asking: map[string]*question{}}
	t.ctx, t.stop = context.WithCancel(context.Background())
	return t
}

// TestOneQuestionAMinute: for each sender, whether there is a row or not, and for
// all who ask at the same time.
func TestOneQuestionAMinute(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := &scripted{}
	table := s.table(time.Minute, func() time.Time { return now })
	defer table.Close()
	for minute := range 3 {
		for range 100 {
			for _, sender := range []string{"a", "A", "nobody"} {
				if got, want := rowtest.Shown(table.Find(t.Context(), sender)), map[string]string{"a": "a fax sms", "nobody": "none"}[strings.ToLower(sender)]; got != want {
					t.Fatalf("%s: %q, want %q", sender, got, want)
				}
			}
		}
		if n := s.asked.Load(); n != int64(2*(minute+1)) {
			t.Errorf("minute %d: %d questions", minute, n)
		}
		now = now.Add(time.Minute)
	}
}

// TestAskedOnce: many at once share one question, and one that hangs up takes the
// answer from no other.
func TestAskedOnce(t *testing.T) {
	t.Parallel()
	s := &scripted{wait: make(chan struct{})}
	table := s.table(time.Minute, time.Now)
	defer table.Close()
	var all sync.WaitGroup
	impatient, hangUp := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() { _, err := table.Find(impatient, "a"); first <- err }()
	const others = 50
	for range others {
		all.Go(func() {
			if got := rowtest.Shown(table.Find(t.Context(), "a")); got != "a fax sms" {
				t.Errorf("%q", got)
			}
		})
	}
	table.await(t, "a", others+1)
	hangUp()
	if err := mtatest.Receive(t, "the answer", first); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	close(s.wait)
	mtatest.Finish(t, "all answers", &all)
	if n := s.asked.Load(); n != 1 {
		t.Errorf("%d questions", n)
	}
}

// await waits until so many wait for the answer about a sender.
func (t *Table) await(tb testing.TB, name string, n int) {
	tb.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		t.mu.Lock()
		q := t.asking[name]
		waiting := q != nil && q.waiting == n
		t.mu.Unlock()
		if waiting {
			return
		}
		if time.Now().After(end) {
			tb.Fatalf("not %d wait for %s", n, name)
		}
	}
}

// TestLastOneEndsTheQuestion: a question of which no mail waits for the answer is
// given up, and the next mail asks anew.
func TestLastOneEndsTheQuestion(t *testing.T) {
	t.Parallel()
	s := &scripted{wait: make(chan struct{}), ended: make(chan error, 1)}
	table := s.table(time.Minute, time.Now)
	table.timeout = time.Hour
	defer table.Close()
	var all sync.WaitGroup
	impatient, hangUp := context.WithCancel(t.Context())
	for range 2 {
		all.Go(func() { table.Find(impatient, "a") })
	}
	table.await(t, "a", 2)
	hangUp()
	if err := mtatest.Receive(t, "the end of the question", s.ended); !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	mtatest.Finish(t, "those who hung up", &all)
	close(s.wait)
	if got := rowtest.Shown(table.Find(t.Context(), "a")); got != "a fax sms" {
		t.Errorf("%q", got)
	}
}

// TestNextQuestion: an answer is for those who waited for it, and one that nobody
// waits for is no other's, however long its look-up goes on.
func TestNextQuestion(t *testing.T) {
	t.Parallel()
	s := &scripted{}
	table := s.table(time.Minute, time.Now)
	defer table.Close()
	s.fails.Store(true)
	failed := table.join("a")
	mtatest.Receive(t, "the answer", failed.answered)
	s.fails.Store(false)
	if got := rowtest.Shown(table.Find(t.Context(), "a")); got != "a fax sms" {
		t.Errorf("beside one who was told an error: %q", got)
	}
	table.leave("a", failed)
	if got := rowtest.Shown(table.answer(t.Context(), "a")); got != "a fax sms" || s.asked.Load() != 2 {
		t.Errorf("%q after %d questions, want what was found meanwhile", got, s.asked.Load())
	}

	s.wait, s.ended = make(chan struct{}), make(chan error)
	left := table.join("b")
	table.leave("b", left)
	next := table.join("b")
	if next == left {
		t.Error("a question that was given up is joined")
	}
	mtatest.Receive(t, "the end of the first", s.ended)
	mtatest.Receive(t, "its answer", left.answered)
	if again := table.join("b"); again != next {
		t.Error("the end of the first question is that of the next one")
	} else {
		table.leave("b", again)
	}
	close(s.wait)
	mtatest.Receive(t, "the answer", next.answered)
	table.leave("b", next)
	if next.err != nil {
		t.Error(next.err)
	}
}

// TestGoneMail: for mail that is gone nothing is asked.
func TestGoneMail(t *testing.T) {
	t.Parallel()
	s := &scripted{}
	table := s.table(time.Minute, time.Now)
	defer table.Close()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := table.Find(gone, "a"); !errors.Is(err, context.Canceled) || s.asked.Load() != 0 {
		t.Errorf("%v, %d questions", err, s.asked.Load())
	}
}

// TestClose ends what is asked; no table has nothing to end.
func TestClose(t *testing.T) {
	t.Parallel()
	s := &scripted{wait: make(chan struct{})}
	table := s.table(time.Minute, time.Now)
	q := table.join("a")
	if err := table.Close(); err != nil || !s.closed {
		t.Errorf("%v, the backend is closed: %v", err, s.closed)
	}
	mtatest.Receive(t, "the answer", q.answered)
	if !errors.Is(q.err, context.Canceled) {
		t.Error(q.err)
	}
	table.leave("a", q)
	var none *Table
	if err := none.Close(); err != nil {
		t.Error(err)
	}
}

// TestErrorsAreNotKept: the first mail after the table is back has its rights.
func TestErrorsAreNotKept(t *testing.T) {
	t.Parallel()
	s := &scripted{}
	table := s.table(time.Minute, time.Now)
	defer table.Close()
	s.fails.Store(true)
	for range 2 {
		if _, err := table.Find(t.Context(), "a"); err == nil {
			t.Fatal("rights from a table that is down")
		}
	}
	s.fails.Store(false)
	if got := rowtest.Shown(table.Find(t.Context(), "a")); got != "a fax sms" {
		t.Errorf("%q", got)
	}
	s.fails.Store(true) // within the minute nobody notices
	if got := rowtest.Shown(table.Find(t.Context(), "a")); got != "a fax sms" {
		t.Errorf("%q", got)
	}
}

// TestTimeout: a table that hangs is an error after the time limit.
func TestTimeout(t *testing.T) {
	t.Parallel()
	s := &scripted{wait: make(chan struct{})}
	table := s.table(time.Minute, time.Now)
	table.timeout = 20 * time.Millisecond
	defer table.Close()
	if _, err := table.Find(t.Context(), "a"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

// TestCacheForgets: an answer gives way to a newer one, and goes when it is old.
func TestCacheForgets(t *testing.T) {
	t.Parallel()
	now := time.Now()
	c := newCache(time.Minute, func() time.Time { return now })
	is := func(name string, want int, kept ...string) {
		t.Helper()
		r, ok := c.get(name)
		if ok != (want > 0) || ok && r.MaxJobs != want {
			t.Errorf("%s: %+v, %v, want %d", name, r, ok, want)
		}
		for _, name := range kept {
			if c.byKey[name] == nil {
				t.Errorf("%s is not kept", name)
			}
		}
		if len(c.byKey) != len(kept) || c.order.Len() != len(kept) {
			t.Errorf("%d answers, %d in order, want %d", len(c.byKey), c.order.Len(), len(kept))
		}
	}
	c.put("a", &row.Rights{MaxJobs: 1})
	now = now.Add(30 * time.Second)
	c.put("b", &row.Rights{MaxJobs: 2})
	c.put("b", &row.Rights{MaxJobs: 3})
	is("b", 3, "a", "b")
	now = now.Add(30 * time.Second)
	is("a", 0, "a", "b")
	c.put("c", &row.Rights{MaxJobs: 4})
	is("b", 3, "b", "c")
	now = now.Add(30 * time.Second)
	c.put("b", &row.Rights{MaxJobs: 5})
	is("b", 5, "b", "c")
}

// TestCacheIsBounded: senders are whatever a client says.
func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	s := &scripted{}
	table := s.table(time.Hour, time.Now)
	defer table.Close()
	for i := range 3 * maxCached {
		table.Find(t.Context(), fmt.Sprint("nobody", i))
	}
	if n, m := len(table.cache.byKey), table.cache.order.Len(); n != 10_000 || m != n {
		t.Errorf("%d answers, %d in order", n, m)
	}
	asked := s.asked.Load()
	table.Find(t.Context(), fmt.Sprint("nobody", 3*maxCached-1)) // one of the last
	table.Find(t.Context(), "nobody0")                           // long gone
	if n := s.asked.Load() - asked; n != 1 {
		t.Errorf("%d questions, want one", n)
	}
	if none := s.table(0, time.Now); none != nil {
		none.Find(t.Context(), "a")
		if len(none.cache.byKey) != 0 {
			t.Error("an answer is kept that is to be asked each time")
		}
		none.Close()
	}
}

// sheetOf writes people into a file.
func sheetOf(t testing.TB) string {
	t.Helper()
	text := "Name,allowed,numbers_allowed,max_parts,max_jobs,caller_id,cost_code\n# a comment\n"
	for _, p := range people {
		if p[0] == "bad@example.com" {
			continue // a file with such a line is not taken over
		}
		var fields []string
		for _, v := range p {
			if v == nil {
				v = ""
			}
			fields = append(fields, fmt.Sprint(v))
		}
		text += strings.Join(fields, ",") + "\n"
	}
	path := filepath.Join(t.TempDir(), "senders.csv")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFile(t *testing.T) {
	t.Parallel()
	path := sheetOf(t)
	table := open(t, Options{Backend: "file", File: path})
	for sender, want := range map[string]string{
		"JAN@example.com": "jan@example.com fax sms not:+491 not: 3 parts 50 jobs caller_id=+420111 cost_code=K7",
		"fax@example.com": "fax@example.com fax cost_code=K8", "o'brien@example.com": "o'brien@example.com",
		"null@example.com": "null@example.com fax sms", "nobody@example.com": "none",
	} {
		if got := rowtest.Shown(table.Find(t.Context(), sender)); got != want {
			t.Errorf("%s: %q, want %q", sender, got, want)
		}
	}
	for _, sender := range append(injections, spellings[1:]...) {
		if got := rowtest.Shown(table.Find(t.Context(), sender)); got != "none" {
			t.Errorf("%.60q: %q", sender, got)
		}
	}
	// What is written later counts; a bad file is not taken over.
	table.cache.keep = 0
	for text, want := range map[string]string{
		"name,allowed\nnew@example.com,fax\n":                       "new@example.com fax",
		"name;allowed\r\nnew@example.com;1\r\n":                     "new@example.com fax",
		"name, allowed, caller_id\nnew@example.com, fax, \"7,8\"\n": "new@example.com fax caller_id=7,8",
		"name,allowed\nnew@example.com,fax\nnew@example.com,":       "new@example.com fax",
	} {
		if strings.Contains(text, ";") || strings.Count(text, "new@") > 1 {
			table.Find(t.Context(), "x")
		}
		if err := os.WriteFile(path, []byte("name,allowed\nnew@example.com,fax\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		table.Find(t.Context(), "y")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := rowtest.Shown(table.Find(t.Context(), "new@example.com")); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestBadFile names each bad line.
func TestBadFile(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		"":                                   "is empty",
		"allowed\n1\n":                       "first line: no column name",
		"name,allowed\na@x,maybe,\n":         ":2: wrong number of fields",
		"name,allowed\n\na@x,-1\nb@x,-2\n":   ":3: allowed: ",
		"name\na@x\nA@X\n":                   `:3: "a@x" has a line already, line 2`,
		"name,max_jobs\n\"a@x\n":             ":2: ",
		"name,numbers_allowed\na@x,(\n,\"\"": ":3: name: it is empty",
		"\"name\na@x\n":                      "senders.csv: ",
		"name\n" + strings.Repeat("-\x01\n", maxBadLines+1): "further lines are bad too",
	} {
		path := filepath.Join(t.TempDir(), "senders.csv")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := New(Options{Backend: "file", File: path, Timeout: time.Second}, rowtest.Compile, slog.New(slog.DiscardHandler))
		var option *OptionError
		if !errors.As(err, &option) || option.Option != "file" || !strings.Contains(err.Error(), says) {
			t.Errorf("%.40q: %v, want one that says %q", text, err, says)
		}
	}
	_, err := parseSheet("x", []byte("name\n"+strings.Repeat("-\x01\n", 20)), rowtest.Compile)
	if lines := strings.Split(fmt.Sprint(err), "\n"); len(lines) != 20 || !strings.HasPrefix(lines[19], "x:21: ") {
		t.Errorf("20 bad lines: %v", err)
	}
}

func TestBadOptions(t *testing.T) {
	t.Parallel()
	ldap := func(change func(*Options)) Options {
		o := Options{Backend: "ldap", URL: "ldap://x", BaseDN: "dc=x", Filter: "(mail=%s)", Attributes: map[string]string{"name": "mail"}, Timeout: 1}
		change(&o)
		return o
	}
	for _, tt := range []struct {
		o    Options
		want string // options
	}{
		{Options{Backend: "none"}, ""},
		{Options{Backend: "radius", Timeout: 1}, "backend"},
		{Options{Backend: "file", File: "x"}, "timeout"},
		{Options{Backend: "file", File: filepath.Join(t.TempDir(), "missing"), Timeout: 1}, "file"},
		{Options{Backend: "sql", Driver: "oracle", Timeout: 1}, "driver"},
		{Options{Backend: "sql", Driver: "sqlite", DSN: "x", Query: "SELECT 1", Timeout: 1}, "query"},
		{Options{Backend: "sql", Driver: "postgres", DSN: "port=x", Query: "SELECT 1", Timeout: 1}, "query dsn"},
		{Options{Backend: "sql", Driver: "sqlite", DSN: "file:x", Query: "SELECT ?, ?", Timeout: 1}, "query dsn"},
		{Options{Backend: "ldap", URL: "x", BaseDN: "x", Filter: "(", BindDN: "x", Timeout: 1}, "url base_dn filter attributes bind_dn"},
		{ldap(func(o *Options) { o.URL = "http://x" }), "url"},
		{ldap(func(o *Options) { o.BaseDN = "" }), "base_dn"},
		{ldap(func(o *Options) { o.Filter = "(mail=%s" }), "filter"},
		{ldap(func(o *Options) { o.Attributes = map[string]string{"name": ""} }), "attributes"},
		{ldap(func(o *Options) { o.Attributes = map[string]string{"mail": "mail"} }), "attributes"},
		{ldap(func(o *Options) { o.BindDN = "cn=x" }), "bind_dn"},
		{ldap(func(o *Options) { o.BindPassword = "x" }), "bind_dn"},
		{Options{Backend: "ldap", URL: "ldap://x", BaseDN: "dc=x", Filter: "(mail=x)", Attributes: map[string]string{"name": "a b", "x": "y"}, Timeout: 1}, "filter attributes"},
	} {
		table, err := New(tt.o, rowtest.Compile, slog.New(slog.DiscardHandler))
		var got []string
		for _, e := range unjoined(err) {
			var option *OptionError
			if errors.As(e, &option) {
				got = append(got, option.Option)
			}
		}
		if strings.Join(got, " ") != tt.want || table != nil {
			t.Errorf("%+v: %q (%v), want %q", tt.o, got, err, tt.want)
		}
	}
}

// TestClearPassword: that of the account is worth a warning where others can read it.
func TestClearPassword(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		url, account string
		warns        bool
	}{
		{"ldap://ldap.example.com", "cn=x", true}, {"ldap://ldap.example.com", "", false}, {"ldaps://ldap.example.com", "cn=x", false}, {"ldap://localhost", "cn=x", false},
	} {
		var log strings.Builder
		o := Options{Backend: "ldap", URL: tt.url, BaseDN: "dc=x", Filter: "(mail=%s)", Attributes: map[string]string{"name": "mail"}, Timeout: time.Second}
		o.BindDN, o.BindPassword = tt.account, tt.account
		table, err := New(o, rowtest.Compile, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		table.Close()
		if strings.Contains(log.String(), "unencrypted") != tt.warns {
			t.Errorf("%+v: log %q", tt, &log)
		}
	}
}

func unjoined(err error) []error {
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		return j.Unwrap()
	}
	return []error{err}
}

// FuzzSheet: whatever a file holds, it is read or refused, and what was read can
// be looked up.
func FuzzSheet(f *testing.F) {
	f.Add("name,allowed,numbers_allowed,max_parts,caller_id\njan@example.com,1,\\+420,3,x\n")
	f.Add("\ufeffName;allowed\n\"a\nb\",0\n")
	f.Add("name\n#\n\"\"\"\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseSheet("x", []byte(text), rowtest.Compile)
		if err != nil {
			return
		}
		for name, r := range s {
			rights, err := r.Rights(rowtest.Compile)
			if err != nil || row.Lowered(rights.Name) != name || row.CheckName(name) != nil {
				t.Fatalf("%q: %+v, %v", name, rights, err)
			}
		}
	})
}

// BenchmarkFind is what mail pays for its sender while the answer is kept.
func BenchmarkFind(b *testing.B) {
	table := (&scripted{}).table(time.Hour, time.Now)
	defer table.Close()
	names := make([]string, 1000)
	for i := range names {
		names[i] = fmt.Sprintf("User%d@example.com", i)
		table.Find(b.Context(), names[i])
	}
	b.RunParallel(func(p *testing.PB) {
		for i := 0; p.Next(); i++ {
			table.Find(b.Context(), names[i%len(names)])
		}
	})
}

// TestTenThousandASecond: a tenth of a second's worth of mail, in far less time.
func TestTenThousandASecond(t *testing.T) {
	table := (&scripted{}).table(time.Hour, time.Now)
	defer table.Close()
	const lookUps = 100_000
	begun := time.Now()
	for i := range lookUps {
		table.Find(t.Context(), fmt.Sprintf("user%d@example.com", i%1000))
	}
	if rate := lookUps / time.Since(begun).Seconds(); rate < 10_000 {
		t.Errorf("%.0f look-ups a second, want 10,000", rate)
	}
}
