package auth

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"

	"github.com/go-ldap/ldap/v3"
)

// server is where an LDAP server is and how it is spoken to.
type server struct {
	addr     string // host:port
	implicit bool   // TLS from the first byte
	startTLS bool
	tls      *tls.Config // checks the certificate against the host of the URL and the system's authorities
}

func parseServer(text string, startTLS bool) (server, error) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Path != "" && u.Path != "/" {
		return server{}, errors.New("it must be ldap://host or ldaps://host, with :port where it is not the usual one")
	}
	port := u.Port()
	switch u.Scheme {
	case "ldap":
		if port == "" {
			port = ldap.DefaultLdapPort
		}
	case "ldaps":
		if startTLS {
			return server{}, errors.New("ldaps: is encrypted already; remove start_tls or use an ldap: url")
		}
		if port == "" {
			port = ldap.DefaultLdapsPort
		}
	default:
		return server{}, fmt.Errorf("%q is neither ldap nor ldaps", u.Scheme)
	}
	return server{
		addr: net.JoinHostPort(u.Hostname(), port), implicit: u.Scheme == "ldaps", startTLS: startTLS,
		tls: &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12},
	}, nil
}

// clear tells whether passwords would cross a network unencrypted.
func (s server) clear() bool {
	host, _, _ := net.SplitHostPort(s.addr)
	ip, err := netip.ParseAddr(host)
	local := host == "localhost" || err == nil && ip.IsLoopback()
	return !s.implicit && !s.startTLS && !local
}

// dial connects, handshake included, until ctx ends; go-ldap alone would wait
// for ever for a server that falls silent in the TLS handshake.
func (s server) dial(ctx context.Context) (*connection, error) {
	wire, err := new(net.Dialer).DialContext(ctx, "tcp", s.addr)
	if err != nil {
		return nil, err
	}
	release := context.AfterFunc(ctx, func() { wire.Close() })
	defer release()
	spoken := wire
	if s.implicit {
		encrypted := tls.Client(wire, s.tls)
		if err := encrypted.HandshakeContext(ctx); err != nil {
			wire.Close()
			return nil, fmt.Errorf("TLS with %s: %w", s.addr, err)
		}
		spoken = encrypted
	}
	conn := ldap.NewConn(spoken, s.implicit)
	conn.Start()
	if s.startTLS {
		if err := conn.StartTLS(s.tls); err != nil {
			wire.Close()
			return nil, fmt.Errorf("STARTTLS with %s: %w", s.addr, err)
		}
	}
	return &connection{conn, wire}, nil
}
