package standalone

import (
	"crypto/tls"
	"net"

	"smtpreceiver/core/certificate"
	"smtpreceiver/core/socket"
)

// TLS is what the server shows to clients that ask for TLS. No CertFile: it
// does not offer TLS.
type TLS struct {
	CertFile, KeyFile string // PEM, the chain with the server's certificate first
	MinVersion        string // 1.2 or 1.3
}

// ListenTLS is Listen for clients that speak TLS from the first byte (RFC 8314
// section 3.3).
func ListenTLS(address string, port int) (net.Listener, error) {
	l, err := socket.ListenTCP("smtp_ip_address, tls.port", address, port)
	if err != nil {
		return nil, err
	}
	return &listener{Listener: l, implicit: true}, nil
}

// serverTLS is nil where no certificate is set. A certificate that was set
// before is read anew, and kept if that fails.
func (s *Server) serverTLS(o TLS) *tls.Config {
	if o.CertFile == "" {
		return nil
	}
	if !s.certificate.Are(o.CertFile, o.KeyFile) {
		s.certificate = certificate.Of(o.CertFile, o.KeyFile, s.log)
	}
	return s.certificate.Server(o.MinVersion)
}
