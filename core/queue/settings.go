package queue

import (
	"cmp"
	"log/slog"
	"os"

	"smtpreceiver/core/config"
)

// ConfigOf is the section queue of a configuration, for those who only look or
// consume; a gateway adds who it is.
func ConfigOf(s *config.Settings, log *slog.Logger) Config {
	q := s.Queue
	host, _ := os.Hostname()
	return Config{
		Servers: q.Servers, CredentialsFile: q.CredentialsFile, Username: q.Username, Password: q.Password,
		CAFile: q.TLSCAFile, CertFile: q.TLSCertFile, KeyFile: q.TLSKeyFile,
		Name: q.Name, Replicas: q.Replicas, MaxSize: q.MaxSize, CommitTimeout: q.CommitTimeout,
		Monitor: q.Monitor, AcceptUnsynced: q.Unsynced == "accept", Host: cmp.Or(s.Hostname, host), Log: log,
	}
}
