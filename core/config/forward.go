package config

import (
	"net"
	"strconv"
	"strings"
)

// ForwardServers are the servers of forward_smtp_server as host:port, in the
// order in which they are tried.
func (s *Settings) ForwardServers() []string {
	servers := []string{}
	for server := range strings.SplitSeq(s.ForwardSMTPServer, ",") {
		if server = strings.TrimSpace(server); server != "" {
			servers = append(servers, hostPort(server, s.ForwardSMTPServerPort))
		}
	}
	return servers
}

// Server is smtp_server as host:port.
func (r *Reports) Server() string { return hostPort(strings.TrimSpace(r.SMTPServer), r.SMTPPort) }

// hostPort reads HOST or HOST:PORT.
func hostPort(server string, port int) string {
	if _, _, err := net.SplitHostPort(server); err == nil {
		return server
	}
	return net.JoinHostPort(strings.Trim(server, "[]"), strconv.Itoa(port))
}
