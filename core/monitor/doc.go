// Package monitor shows by HTTP what the program does, to Prometheus, to
// probes and to smtpreceiver status, and reads it back for the latter.
//
//	/         a page for people (package page)
//	/metrics  Prometheus metrics
//	/healthz  200 if the service is alive
//	/readyz   200 if it can do its work; 503 with the reasons, one a line
//	/errors   the last errors and warnings of the log, as JSON
//
// There is no authentication: who reaches the listener reads all of it, and
// /errors holds addresses from mail. /metrics and /errors answer only to a Host
// that is this machine's, so that no web page can have a browser on it read them
// under a name of its own (DNS rebinding).
package monitor
