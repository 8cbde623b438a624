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
		if server = strings.TrimSpace(server); server == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(server); err != nil {
			server = net.JoinHostPort(strings.Trim(server, "[]"), strconv.Itoa(s.ForwardSMTPServerPort))
		}
		servers = append(servers, server)
	}
	return servers
}
