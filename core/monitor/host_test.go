package monitor

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"smtpreceiver/core/logging"
)

// TestForeignHostReadsNothing: L3, a web page whose name resolves to this
// machine has the browser on it ask.
func TestForeignHostReadsNothing(t *testing.T) {
	t.Parallel()
	addr := served(t, Source{Alive: fine, Ready: fine, Errors: func() []logging.Event { return nil }, Hosts: []string{"Gate.example.com.", ""},
		Page: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })})
	for host, own := range map[string]bool{
		"localhost": true, "LOCALHOST:9125": true, "127.0.0.1": true, "192.0.2.7:80": true, "[::1]:9125": true, "[2001:db8::1]": true,
		"gate.example.com": true, "gate.example.com.:9125": true, "evil.example": false, "localhost.evil.example": false, "127.0.0.1.evil.example": false, "gate": false,
	} {
		for path, always := range map[string]bool{"/metrics": false, "/errors": false, "/": false, "/style.css": false, "/healthz": true, "/readyz": true} {
			r, err := http.NewRequest(http.MethodGet, "http://"+addr+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Host = host
			a, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Errorf("%s: %v", host, err)
				continue
			}
			a.Body.Close()
			want := http.StatusOK
			if !own && !always {
				want = http.StatusMisdirectedRequest
			}
			if a.StatusCode != want {
				t.Errorf("%s of %s: status %d, want %d", path, host, a.StatusCode, want)
			}
		}
	}
}

// TestNoHostReadsNothing: a request that names no host, as of HTTP/1.0, is none of
// this machine's names, though metrics.hosts has an empty one.
func TestNoHostReadsNothing(t *testing.T) {
	t.Parallel()
	addr := served(t, Source{Alive: fine, Ready: fine, Errors: func() []logging.Event { return nil }, Hosts: []string{"", "."}})
	for request, want := range map[string]string{"GET /errors HTTP/1.0\r\n\r\n": " 421 ", "GET /errors HTTP/1.1\r\nHost:\r\n\r\n": " 421 ", "GET /errors HTTP/1.0\r\nHost: localhost\r\n\r\n": " 200 "} {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, request)
		if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.Contains(line, want) {
			t.Errorf("%q: %q, %v, want%s", request, line, err, want)
		}
		c.Close()
	}
}
