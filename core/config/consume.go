package config

import (
	"cmp"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// ApplicationOf names the application that the consumer of that name serves.
func (c *Consumer) ApplicationOf(name string) string { return cmp.Or(c.Application, name) }

// Folders are where the consumer of an output folder puts jobs that are done
// and jobs that have failed.
func (c *Consumer) Folders(output string) (done, failed string) {
	return cmp.Or(c.DoneFolder, filepath.Join(output, ".done")), cmp.Or(c.FailedFolder, filepath.Join(output, ".failed"))
}

var consumerKeys = schemaOf[Consumer]()

// IsSet tells a key whose value is not the default.
func (c *Consumer) IsSet(key string) bool {
	f := consumerKeys.byName[key]
	switch {
	case f.kind == kindTree:
		return !f.in(c).IsNil()
	case f.kind == kindList || f.kind.isMap():
		return f.in(c).Len() > 0
	}
	standard := reflect.New(f.goType).Elem()
	if text := f.initial().(string); text != "" {
		_ = setText(standard, f.kind, text) // a bad default does not pass the tests
	}
	return !f.in(c).Equal(standard)
}

// consumers checks each consumer against its application.
func (l *loader) consumers(s *Settings) {
	for name, c := range s.Consume {
		shown := KeyPath("consume", name) + "."
		if s.Applications[c.ApplicationOf(name)] == nil {
			l.contradiction(shown+"application", "there is no application "+quote(c.ApplicationOf(name)), "name one of applications", "applications")
		}
		l.sharing(shown, c, s.Queue.On())
		if c.RetryDelayMax < c.RetryDelay {
			l.contradiction(shown+"retry_delay_max", "less than retry_delay", "make it at least as long", shown+"retry_delay")
		}
	}
}

// NeedsNumber tells a consumer that fails a job without a number.
func (c *Consumer) NeedsNumber() bool {
	has := func(text string) bool {
		return strings.Contains(text, "{number}") || strings.Contains(text, "{digits}")
	}
	switch c.Target {
	case "command":
		return slices.ContainsFunc(c.Command, has)
	case "http":
		for _, values := range []map[string]string{c.Headers, c.Query, c.Form, c.Multipart} {
			for _, value := range values {
				if has(value) {
					return true
				}
			}
		}
		return c.JSON != nil && c.JSON.Any(has)
	}
	return c.Target != "folder"
}

// sharing checks the keys that a queue needs, and those that it makes idle.
func (l *loader) sharing(shown string, c *Consumer, queue bool) {
	switch {
	case queue && c.TakeoverAfter <= c.Timeout:
		l.contradiction(shown+"takeover_after", "no longer than timeout, so a job could be taken over that is still being handed over", "make it much longer", "queue.servers", shown+"timeout")
	case queue && c.IsSet("poll_interval"):
		l.contradiction(shown+"poll_interval", "has no meaning with queue.servers, which tells of jobs by itself", "remove it", "queue.servers")
	case !queue && c.WorkDirectory != "":
		l.contradiction(shown+"work_directory", "set, but jobs come from an output folder", "remove it, or set queue.servers", "queue.servers")
	}
}

// FolderOf is where the consumer of that name has its jobs: the output folder of
// the application, or, with a queue, a folder of its own. That does not depend on
// who asks, a unit of systemd or a shell.
func (s *Settings) FolderOf(consumer string) string {
	c := s.Consume[consumer]
	if app := s.Applications[c.ApplicationOf(consumer)]; !s.Queue.On() {
		return app.OutputFolder
	}
	return filepath.Join(cmp.Or(c.WorkDirectory, filepath.Clean(s.StateDirectory)+"-consume"), consumer)
}
