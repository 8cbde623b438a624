package config

import (
	"slices"
	"testing"
)

func TestForwardServers(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][]string{
		"":                       {},
		" , ":                    {},
		"mail.example.com":       {"mail.example.com:2525"},
		"a:26, b ,[2001:db8::1]": {"a:26", "b:2525", "[2001:db8::1]:2525"},
		"2001:db8::1,[::1]:26":   {"[2001:db8::1]:2525", "[::1]:26"},
	} {
		s := Settings{ForwardSMTPServer: in, ForwardSMTPServerPort: 2525}
		if got := s.ForwardServers(); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestReportServer(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"mail.example.com": "mail.example.com:587", "mail.example.com:26": "mail.example.com:26", "2001:db8::1": "[2001:db8::1]:587"} {
		if got := (&Reports{SMTPServer: in, SMTPPort: 587}).Server(); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
