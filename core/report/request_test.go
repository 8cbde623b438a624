package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRequest(t *testing.T) {
	t.Parallel()
	full := Request{
		Sender: `"a b"@x.test`, Recipient: "jiří/1@fax", Arrived: time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC), Notify: "SUCCESS,FAILURE", Return: "HDRS",
		EnvID: "QQ=1", Original: "rfc822;1@fax", Told: []Action{Delayed}, Header: []byte("Subject: \xff\r\n folded\r\n"),
	}
	data, err := full.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&full, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// What is too long, or hidden in xtext, does not cost the report.
	hostile := full
	hostile.Notify, hostile.Return, hostile.EnvID = "NEVER\n", "FULL\x7f", "a\r\nBcc: all"
	hostile.Original, hostile.Header = strings.Repeat("x", maxEnvelope), []byte(strings.Repeat("X: y\r\n", 20000))
	if data, err = hostile.Encode(); err != nil {
		t.Fatal(err)
	}
	if got, err = Decode(bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	if got.Notify != "" || got.Return != "" || got.EnvID != "" || got.Original != "" || len(got.Header) != maxHeader/6*6 {
		t.Errorf("%q, %q, %q, %q, a header of %d bytes", got.Notify, got.Return, got.EnvID, got.Original, len(got.Header))
	}
	for _, bad := range []string{"", "{}\n", "{\"sender\":\"a\"}", "[]\n", `{"sender":"a\nb"}` + "\n", "{\"sender\":\"a\x7f\"}\n", `{"sender":"a"}` + "\n" + strings.Repeat("x", maxRequest), `{"sender":"a","told":1}` + "\n",
		`{"sender":"` + strings.Repeat("x", maxEnvelope-len(`{"sender":""}`)) + `"}` + "\n"} {
		if q, err := Decode(strings.NewReader(bad)); err == nil {
			t.Errorf("%.40q is a request: %v", bad, q)
		}
	}
	if _, err := (&Request{Sender: strings.Repeat("x", maxEnvelope)}).Encode(); err == nil {
		t.Error("a sender that nobody could read was written")
	}
	_, err = (&Request{Sender: strings.Repeat("x", maxEnvelope), Recipient: "1@fax"}).Encode()
	if err == nil || !strings.Contains(err.Error(), fmt.Sprint(maxEnvelope+5)) {
		t.Errorf("error %v, want the length of the addresses", err)
	}
	if data, err := (&Request{Sender: "a@x.test", Arrived: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}).Encode(); err == nil {
		t.Errorf("a time that JSON cannot hold: %.80q", data)
	}
	if _, err := Decode(io.MultiReader(bytes.NewReader(data), iotest.ErrReader(io.ErrNoProgress))); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a file that cannot be read to its end: %v", err)
	}
}

// TestLongestRequest: what is written is read, up to the last byte that is allowed.
func TestLongestRequest(t *testing.T) {
	t.Parallel()
	bare, err := json.Marshal(&Request{})
	if err != nil {
		t.Fatal(err)
	}
	written := 0
	for n := maxEnvelope - len(bare) - 3; n < maxEnvelope-len(bare)+3; n++ {
		data, err := (&Request{Sender: strings.Repeat("x", n)}).Encode()
		if err != nil {
			continue
		}
		written++
		if q, err := Decode(bytes.NewReader(data)); err != nil || len(q.Sender) != n {
			t.Errorf("a sender of %d bytes: %v", n, err)
		}
	}
	bare, err = (&Request{Sender: "x"}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	longest := Request{Sender: strings.Repeat("x", maxEnvelope-len(bare)+1), Header: []byte("A: " + strings.Repeat("y", maxHeader-len("A: \r\n")) + "\r\n")}
	data, err := longest.Encode()
	if err != nil || len(data) != 128<<10 {
		t.Fatalf("%d bytes, %v", len(data), err)
	}
	if q, err := Decode(bytes.NewReader(data)); err != nil || !bytes.Equal(q.Header, longest.Header) {
		t.Errorf("the longest file that is written: %v", err)
	}
	if written == 0 || written == 6 {
		t.Errorf("%d of 6 lengths were written: the limit is elsewhere", written)
	}
	// A parameter goes only where it makes the envelope too long.
	one, err := (&Request{Sender: "a", EnvID: "x"}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	for room, kept := range map[int]bool{1: true, 0: false, -1: false} { // a line is shorter than maxEnvelope
		id := strings.Repeat("x", maxEnvelope-room-(len(one)-1)+1)
		data, err := (&Request{Sender: "a", EnvID: id}).Encode()
		if err != nil {
			t.Fatal(err)
		}
		if q, err := Decode(bytes.NewReader(data)); err != nil || (q.EnvID == id) != kept || !kept && q.EnvID != "" {
			t.Errorf("an envelope of %d bytes below the limit: %d of %d bytes kept, %v", room, len(q.EnvID), len(id), err)
		}
	}
}

// TestReadHeader: of a header that is too long the fields that fit are kept, the last only if
// it is known to end; a longer one is not read.
func TestReadHeader(t *testing.T) {
	t.Parallel()
	const first = "A: b\r\n"
	fit := "X: " + strings.Repeat("y", maxHeader-len(first)-len("X: \r\n")) + "\r\n"
	for name, c := range map[string]struct{ message, want string }{
		"fits":                  {first + fit, first + fit},
		"body behind":           {first + "\r\nbody", first},
		"fits, more behind":     {first + fit + "\r\nbody", first},
		"fits, goes on":         {first + fit + " folded\r\n", first},
		"a byte too long":       {first + "X" + fit, first},
		"LF alone":              {"A: b\nC: d\n", "A: b\r\nC: d\r\n"},
		"LF alone, fits not":    {first + strings.TrimSuffix(fit, "\r\n") + "y\n", first},
		"begins with a folding": {" x\r\n" + first, ""},
	} {
		got, err := ReadHeader(strings.NewReader(c.message))
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %d bytes, %v, want %d", name, len(got), err, len(c.want))
		}
	}
	r := strings.NewReader(strings.Repeat("x", 3*maxHeader))
	if _, err := ReadHeader(r); err != nil || r.Len() != 2*maxHeader-1 {
		t.Errorf("%v, %d bytes left", err, r.Len())
	}
	if _, err := ReadHeader(iotest.ErrReader(io.ErrNoProgress)); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("%v", err)
	}
}

func TestWants(t *testing.T) {
	t.Parallel()
	for notify, want := range map[string]string{
		"": "failed", "NEVER": "", "SUCCESS": "relayed", "FAILURE": "failed", "delay,Failure": "delayed failed", "SUCCESS,FAILURE,DELAY": "relayed delayed failed",
	} {
		q := &Request{Notify: notify}
		var got []string
		for _, a := range []Action{Relayed, Delayed, Failed} {
			if q.Wants(a) {
				got = append(got, string(a))
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("NOTIFY=%s: %q, want %q", notify, got, want)
		}
	}
}

// TestFinal: a job that is delayed is heard of again.
func TestFinal(t *testing.T) {
	t.Parallel()
	for a, want := range map[Action]bool{Failed: true, Relayed: true, Delivered: true, Delayed: false} {
		if a.Final() != want {
			t.Errorf("%s: not %v", a, want)
		}
	}
}

func TestCutHeader(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                                        "",
		"A: b\r\n\r\nbody: c\r\n":                 "A: b\r\n",
		"A: b\nB: c\n\nd\n":                       "A: b\r\nB: c\r\n",
		"A: b\r\n c\r\nno field\r\nD: e\r\n":      "A: b\r\n c\r\n",
		" first\r\nA: b\r\n":                      "",
		"text of a mail without a header\r\n":     "",
		"A: b\r\nB: cut":                          "A: b\r\n",
		"A : b\r\n":                               "A : b\r\n",
		"A: b\r\n \r\nC: d\r\n":                   "A: b\r\n \r\nC: d\r\n",
		"A: b\r\nB: c\r\n folded\r\n cut in half": "A: b\r\n",
		"A b: c\r\n":                              "", "A~!: b\r\n": "A~!: b\r\n", "A\x7f: b\r\n": "", ": b\r\n": "",
	} {
		if got := string(cutHeader([]byte(in))); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	for room, want := range map[int]int{0: maxHeader, 1: 0} { // CRLF in the place of LF needs room too
		if got := cutHeader([]byte("A: " + strings.Repeat("x", maxHeader-len("A: \r\n")+room) + "\n")); len(got) != want {
			t.Errorf("a header of %d bytes with CRLF: %d, want %d", maxHeader+room, len(got), want)
		}
	}
	long := "A: b\r\nB: " + strings.Repeat("x\r\n ", maxHeader/4) + "\r\n"
	if got := string(cutHeader([]byte(long))); got != "A: b\r\n" {
		t.Errorf("a field that is too long is cut in its middle: %d bytes", len(got))
	}
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte(`{"sender":"a@x.test","recipient":"1@fax"}` + "\nSubject: x\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		q, err := Decode(bytes.NewReader(data))
		if err != nil {
			return
		}
		again, err := q.Encode()
		if err != nil {
			return // escapes made it too long
		}
		if _, err := Decode(bytes.NewReader(again)); err != nil {
			t.Errorf("what was written is not read: %v", err)
		}
	})
}
