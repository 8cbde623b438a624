package logging

import (
	"io"

	"golang.org/x/sys/windows/svc/eventlog"
)

// openEventLog connects to the Windows Event Log, source smtpreceiver.
func openEventLog() (func(letter, line string) error, io.Closer, error) {
	w, err := eventlog.Open("smtpreceiver")
	if err != nil {
		return nil, nil, err
	}
	return func(letter, line string) error {
		switch letter {
		case "E":
			return w.Error(1, line)
		case "W":
			return w.Warning(1, line)
		}
		return w.Info(1, line)
	}, w, nil
}
