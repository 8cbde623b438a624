package monitor

import (
	"net/http"
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
