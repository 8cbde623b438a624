package config

import (
	"net/url"
	"regexp"
	"slices"
)

var queueName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// maxQueueJobs is how many messages a batch of the queue holds.
const maxQueueJobs = 1000

// queue checks the section queue, and what of the rest goes with it.
func (l *loader) queue(s *Settings) {
	q := s.Queue
	if !q.On() {
		for key, set := range map[string]bool{
			"queue.monitor": len(q.Monitor) > 0, "queue.credentials_file": q.CredentialsFile != "",
			"queue.username": q.Username != "", "queue.password": q.Password != "",
		} {
			if set {
				l.contradiction(key, "set, but there is no queue", "set queue.servers, or remove the key", "queue.servers")
			}
		}
		return
	}
	for i, server := range q.Servers {
		if !isAddress(server, "nats", "tls") {
			l.contradiction(KeyIndex("queue.servers", i), quote(server)+" is no address of a server", "write nats://HOST:4222, or tls:// for TLS; user and password have keys of their own")
		}
	}
	for i, address := range q.Monitor {
		if !isAddress(address, "http", "https") {
			l.contradiction(KeyIndex("queue.monitor", i), quote(address)+" is no address of a server", "write http://HOST:8222")
		}
	}
	if len(q.Monitor) == 0 && q.Unsynced != "accept" {
		l.contradiction("queue.monitor", "missing, so the servers cannot be asked whether they acknowledge after fsync", "name the monitoring address of each, such as http://mq1:8222, or set queue.unsynced to accept", "queue.unsynced")
	}
	if !queueName.MatchString(q.Name) {
		l.contradiction("queue.name", quote(q.Name)+" cannot begin names in the cluster", "use small letters, digits and '-', at most 32, a letter first")
	}
	if s.Instance == "" {
		l.contradiction("instance", "missing, and a queue must know its gateways apart", "give each gateway a name of its own, such as gw1", "queue.servers")
	}
	if s.MaxRecipients > maxQueueJobs {
		l.contradiction("max_recipients", "more than a queue takes at once", "at most 1000", "queue.servers")
	}
	l.both("queue.username", q.Username, "queue.password", q.Password)
	l.both("queue.tls_cert_file", q.TLSCertFile, "queue.tls_key_file", q.TLSKeyFile)
	if q.CredentialsFile != "" && q.Username != "" {
		l.contradiction("queue.username", "set beside credentials_file", "log in by one of the two", "queue.credentials_file")
	}
}

// isAddress tells a URL with a host, one of the schemes, and nothing more.
func isAddress(text string, schemes ...string) bool {
	u, err := url.Parse(text)
	return err == nil && slices.Contains(schemes, u.Scheme) && u.Host != "" && u.User == nil && (u.Path == "" || u.Path == "/") && u.RawQuery == "" && u.Fragment == ""
}

// outputFolder refuses folders beside a queue.
func (l *loader) outputFolder(key string, app *Application, queue bool) {
	if queue && app.OutputFolder != "" {
		l.contradiction(key, "has no meaning with queue.servers, where all jobs go", "remove it when the jobs in it have been handed on; a program that reads folders gets them from a consumer", "queue.servers")
	}
}
