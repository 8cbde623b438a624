// Package directory asks a site's LDAP servers about people, over connections
// that are kept open.
package directory

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

// Server is where an LDAP server is and how it is spoken to.
type Server struct {
	Addr     string // host:port
	implicit bool   // TLS from the first byte
	startTLS bool
	TLS      *tls.Config // checks the certificate against the host of the URL and the system's authorities
}

// ParseServer reads the URL of a server, ldap: or ldaps:.
func ParseServer(text string, startTLS bool) (Server, error) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Path != "" && u.Path != "/" {
		return Server{}, errors.New("it must be ldap://host or ldaps://host, with :port where it is not the usual one")
	}
	port := u.Port()
	switch u.Scheme {
	case "ldap":
		if port == "" {
			port = ldap.DefaultLdapPort
		}
	case "ldaps":
		if startTLS {
			return Server{}, errors.New("ldaps: is encrypted already; remove start_tls or use an ldap: url")
		}
		if port == "" {
			port = ldap.DefaultLdapsPort
		}
	default:
		return Server{}, fmt.Errorf("%q is neither ldap nor ldaps", u.Scheme)
	}
	return Server{
		Addr: net.JoinHostPort(u.Hostname(), port), implicit: u.Scheme == "ldaps", startTLS: startTLS,
		TLS: &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12},
	}, nil
}

// Clear tells whether passwords would cross a network unencrypted.
func (s Server) Clear() bool {
	host, _, _ := net.SplitHostPort(s.Addr)
	ip, err := netip.ParseAddr(host)
	local := host == "localhost" || err == nil && ip.IsLoopback()
	return !s.implicit && !s.startTLS && !local
}

// Dial connects, handshake included, until ctx ends; go-ldap alone would wait
// for ever for a server that falls silent in the TLS handshake.
func (s Server) Dial(ctx context.Context) (*Conn, error) {
	wire, err := new(net.Dialer).DialContext(ctx, "tcp", s.Addr)
	if err != nil {
		return nil, err
	}
	release := context.AfterFunc(ctx, func() { wire.Close() })
	defer release()
	spoken := wire
	if s.implicit {
		encrypted := tls.Client(wire, s.TLS)
		if err := encrypted.HandshakeContext(ctx); err != nil {
			wire.Close()
			return nil, fmt.Errorf("TLS with %s: %w", s.Addr, err)
		}
		spoken = encrypted
	}
	conn := ldap.NewConn(spoken, s.implicit)
	conn.Start()
	if s.startTLS {
		if err := conn.StartTLS(s.TLS); err != nil {
			wire.Close()
			return nil, fmt.Errorf("STARTTLS with %s: %w", s.Addr, err)
		}
	}
	return &Conn{conn, wire}, nil
}

// Account connects as Dial does, and binds as the account that may search; dn
// empty: anonymous.
func (s Server) Account(dn, password string) func(context.Context) (*Conn, error) {
	if dn == "" {
		return s.Dial
	}
	return func(ctx context.Context) (*Conn, error) {
		c, err := s.Dial(ctx)
		if err != nil {
			return nil, err
		}
		release := context.AfterFunc(ctx, func() { c.wire.Close() })
		defer release()
		if err := c.Bind(dn, password); err != nil {
			c.wire.Close()
			return nil, fmt.Errorf("bind as %s to %s: %w", dn, s.Addr, err)
		}
		return c, nil
	}
}
