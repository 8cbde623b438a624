package standalone

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestReceived(t *testing.T) {
	t.Parallel()
	when := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	tests := []struct {
		name, helo string
		client     string
		want       string // the line with from
	}{
		{"usual", "mx.example.org", "192.0.2.1", "from mx.example.org ([192.0.2.1])"},
		{"IPv6", "mx.example.org", "2001:db8::1", "from mx.example.org ([IPv6:2001:db8::1])"},
		{"mapped", "mx", "::ffff:192.0.2.1", "from mx ([192.0.2.1])"},
		{"zone", "mx", "fe80::1%eth0", "from mx ([IPv6:fe80::1])"},
		{"literal", "[192.0.2.1]", "192.0.2.1", "from [192.0.2.1] ([192.0.2.1])"},
		{"no HELO", "", "192.0.2.1", "from [192.0.2.1] ([192.0.2.1])"},
		{"Unix socket", "mx", "", "from mx"},
		{"nothing", "", "", "from unknown"},
		{"injection", "mx\r\nX-Evil: (1);\x00 y", "192.0.2.1", "from mx??X-Evil:??1????y ([192.0.2.1])"},
		{"not ASCII", "žluť\xff", "192.0.2.1", "from ?lu?? ([192.0.2.1])"},
		{"long", strings.Repeat("x", 999), "192.0.2.1", "from " + strings.Repeat("x", maxTraceName) + " ([192.0.2.1])"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			info := traceInfo{helo: tt.helo, host: "gw.test", id: "s1", protocol: "ESMTPS", when: when}
			if tt.client != "" {
				info.client = netip.MustParseAddr(tt.client)
			}
			want := "Received: " + tt.want + "\r\n\tby gw.test (smtpreceiver) with ESMTPS id s1;\r\n\tFri, 02 Jan 2026 03:04:05 +0100\r\n"
			if got := info.received(); got != want {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}

func TestWithProtocol(t *testing.T) {
	t.Parallel()
	tests := []struct {
		extended, utf8, tls, auth bool
		want                      string
	}{
		{want: "SMTP"},
		{extended: true, want: "ESMTP"},
		{extended: true, tls: true, want: "ESMTPS"},
		{extended: true, auth: true, want: "ESMTPA"},
		{extended: true, tls: true, auth: true, want: "ESMTPSA"},
		{extended: true, utf8: true, want: "UTF8SMTP"},
		{extended: true, utf8: true, tls: true, auth: true, want: "UTF8SMTPSA"},
	}
	for _, tt := range tests {
		if got := withProtocol(tt.extended, tt.utf8, tt.tls, tt.auth); got != tt.want {
			t.Errorf("%+v: got %s", tt, got)
		}
	}
}

func FuzzReceived(f *testing.F) {
	f.Add("mx.example.org", "ab12")
	f.Add("a\r\nX: y", "\x00\xff")
	f.Fuzz(func(t *testing.T, helo, id string) {
		info := traceInfo{helo: helo, id: id, host: "gw.test", protocol: "SMTP", client: netip.MustParseAddr("::1")}
		got := info.received()
		lines := strings.Split(got, "\r\n")
		if len(lines) != 4 || lines[3] != "" || strings.ContainsAny(strings.Join(lines, ""), "\r\n\x00") {
			t.Errorf("lines %q", lines)
		}
		for _, line := range lines[1:3] {
			if !strings.HasPrefix(line, "\t") {
				t.Errorf("not folded: %q", line)
			}
		}
		for _, line := range lines {
			if len(line) > 998 {
				t.Errorf("a line of %d bytes", len(line))
			}
		}
	})
}
