package monitor

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// ownHost lets a handler answer only where the request's Host is localhost, an
// IP address or one of the names: 421 (RFC 9110 section 15.5.20) elsewhere.
func ownHost(names []string) func(http.Handler) http.Handler {
	own := map[string]bool{"localhost": true}
	for _, name := range names {
		own[plainHost(name)] = true
	}
	delete(own, "") // a request without a Host
	return func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			host := plainHost(r.Host)
			if _, err := netip.ParseAddr(host); err != nil && !own[host] {
				http.Error(w, "this name is not known here: add it to metrics.hosts, or ask by IP address", http.StatusMisdirectedRequest)
				return
			}
			h.ServeHTTP(w, r)
		})
	}
}

// plainHost is a Host without port and brackets, in lower case.
func plainHost(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.TrimSuffix(strings.ToLower(host), ".")
}
