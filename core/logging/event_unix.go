//go:build unix

package logging

import (
	"io"
	"log/syslog"
)

// openEventLog connects to syslog, facility mail, so that our events stand
// beside the mail server's.
func openEventLog() (func(letter, line string) error, io.Closer, error) {
	w, err := syslog.New(syslog.LOG_MAIL|syslog.LOG_INFO, identifier)
	if err != nil {
		return nil, nil, err
	}
	return func(letter, line string) error {
		switch letter {
		case "E":
			return w.Err(line)
		case "W":
			return w.Warning(line)
		case "I":
			return w.Info(line)
		}
		return w.Debug(line)
	}, w, nil
}
