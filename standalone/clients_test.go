package standalone

import (
	"context"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// program runs another program to its end and returns what it printed.
func program(t testing.TB, stdin, name string, args ...string) (output string, err error) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("no %s here: apt-get install -y --no-install-recommends openssl swaks libnet-ssleay-perl", name)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, name, args...)
	c.Stdin = strings.NewReader(stdin)
	out, err := c.CombinedOutput()
	return string(out), err
}

// TestSwaks sends from an address on no list, so that nothing but the login
// lets it in.
func TestSwaks(t *testing.T) {
	t.Parallel()
	g := newGateway(t, withTLS, withUsers)
	clear := newGateway(t, withClear)
	for _, tt := range []struct {
		name string
		g    *gateway
		tls  string
		auth []string
		fail string // what swaks shows if it must not get through
	}{
		{"STARTTLS, PLAIN", g, "--tls", []string{"--auth", "PLAIN"}, ""},
		{"STARTTLS, LOGIN", g, "--tls", []string{"--auth", "LOGIN"}, ""},
		{"implicit TLS, PLAIN", g, "--tls-on-connect", []string{"--auth", "PLAIN"}, ""},
		{"implicit TLS, LOGIN", g, "--tls-on-connect", []string{"--auth", "LOGIN"}, ""},
		{"plain text allowed", clear, "", []string{"--auth", "LOGIN"}, ""},
		{"no TLS", g, "", []string{"--auth", "PLAIN"}, "Host did not advertise authentication"},
		{"no login", g, "--tls", nil, "530 5.7.0 "},
		{"wrong password", g, "--tls", []string{"--auth", "PLAIN", "--auth-password", "guess"}, "535 5.7.8 "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			before := tt.g.jobs(t, "fax")
			addr := tt.g.addr
			if tt.tls == "--tls-on-connect" {
				addr = tt.g.tlsAddr
			}
			host, port, _ := net.SplitHostPort(addr)
			args := []string{"--server", host, "--port", port, "--local-interface", stranger, "--ehlo", "c.test",
				"--from", "jana@example.com", "--to", "1@fax,petr@example.com", "--body", tt.name}
			if tt.tls != "" {
				args = append(args, tt.tls)
			}
			if tt.auth != nil {
				args = append(args, "--auth-user", "jana@example.com", "--auth-password", "secret")
			}
			out, err := program(t, "", "swaks", append(args, tt.auth...)...)
			if tt.fail != "" {
				if err == nil || !strings.Contains(out, tt.fail) {
					t.Errorf("%v:\n%s", err, out)
				}
				return
			}
			if err != nil || tt.g.jobs(t, "fax") == before {
				t.Errorf("%v:\n%s", err, out)
			}
		})
	}
}

func TestOpenSSL(t *testing.T) {
	t.Parallel()
	g := newGateway(t, withTLS, withUsers)
	login := "AUTH LOGIN\n" + base64Of("jana@example.com") + "\n" + base64Of("secret") + "\n"
	mail := "MAIL FROM:<jana@example.com>\nRCPT TO:<1@fax>\nDATA\nSubject: x\n\nbody\n.\nQUIT\n"
	for _, tt := range []struct {
		name, addr string
		args       []string
		dialog     string
	}{
		{"STARTTLS", g.addr, []string{"-starttls", "smtp"}, "AUTH PLAIN " + plain("", "jana@example.com", "secret") + "\n"},
		{"STARTTLS, TLS 1.2", g.addr, []string{"-starttls", "smtp", "-tls1_2"}, login},
		{"implicit", g.tlsAddr, nil, login},
		{"implicit, TLS 1.2", g.tlsAddr, []string{"-tls1_2"}, "AUTH LOGIN " + base64Of("jana@example.com") + "\n" + base64Of("secret") + "\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := g.jobs(t, "fax")
			args := append([]string{"s_client", "-quiet", "-crlf", "-connect", tt.addr, "-bind", stranger, "-CAfile", g.certFile, "-verify_return_error"}, tt.args...)
			out, err := program(t, "EHLO c.test\n"+tt.dialog+mail, "openssl", args...)
			if err != nil || g.jobs(t, "fax") != before+1 {
				t.Errorf("%v:\n%s", err, out)
			}
		})
	}
	out, err := program(t, "", "openssl", "s_client", "-quiet", "-connect", g.tlsAddr, "-bind", listed, "-tls1_1", "-cipher", "ALL@SECLEVEL=0")
	if err == nil {
		t.Errorf("TLS 1.1 was accepted:\n%s", out)
	}
}
