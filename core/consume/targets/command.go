package targets

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"smtpreceiver/core/consume"
)

// exitTemporary is EX_TEMPFAIL of sysexits.h, as pipe(8) of Postfix takes it.
const exitTemporary = 75

var placeholder = regexp.MustCompile(`\{[a-z]+\}`)

// attachments is an argument by itself and becomes one for each attachment.
const attachments = "{attachments}"

// values of the other placeholders.
var values = map[string]func(*consume.Job) string{
	"{number}":  func(j *consume.Job) string { return j.Number },
	"{name}":    func(j *consume.Job) string { return j.Name },
	"{subject}": func(j *consume.Job) string { return j.Subject },
	"{from}":    func(j *consume.Job) string { return j.FromSMTP },
	"{id}":      func(j *consume.Job) string { return j.ID },
	"{app}":     func(j *consume.Job) string { return j.App },
	"{txt}":     func(j *consume.Job) string { return j.Path(j.Text) },
	"{ctl}":     func(j *consume.Job) string { return j.Control() },
}

// Command runs a program for each job. Nobody can say what it had done when it was
// interrupted.
type Command struct{ argv []string }

// NewCommand checks a command; the error lists everything that is wrong with it.
func NewCommand(argv []string) (*Command, error) {
	var errs []error
	if len(argv) == 0 || !filepath.IsAbs(argv[0]) {
		errs = append(errs, errors.New("the program needs its full path"))
	}
	for i, arg := range argv {
		for _, name := range placeholder.FindAllString(arg, -1) {
			switch {
			case name == attachments && arg != attachments:
				errs = append(errs, fmt.Errorf("%s in %q: it stands for any number of arguments, so it must be one by itself", name, arg))
			case name != attachments && values[name] == nil:
				errs = append(errs, fmt.Errorf("there is no %s", name))
			case i == 0:
				errs = append(errs, errors.New("the program must not come out of the mail"))
			}
		}
	}
	return &Command{argv}, errors.Join(errs...)
}

// Submit implements consume.Target.
func (c *Command) Submit(ctx context.Context, j *consume.Job) error {
	_, err := run(ctx, j, nil, c.arguments(j)...)
	var ended *exitError
	if errors.As(err, &ended) && ended.code != exitTemporary {
		return consume.Permanent(err)
	}
	return err
}

// Has implements consume.Target.
func (c *Command) Has(context.Context, *consume.Job) (consume.Answer, error) {
	return consume.Unknown, nil
}

// arguments puts the job's values in. A value at the beginning of an argument
// could be an option: there it loses its leading '-', unless "--" came before.
func (c *Command) arguments(j *consume.Job) []string {
	var argv []string
	literal := false
	for _, arg := range c.argv {
		if arg == attachments {
			for _, a := range j.Attachments {
				argv = append(argv, j.Path(a.File))
			}
			continue
		}
		at := placeholder.FindStringIndex(arg)
		full := placeholder.ReplaceAllStringFunc(arg, func(name string) string {
			return strings.ReplaceAll(values[name](j), "\x00", "")
		})
		if at != nil && at[0] == 0 && !literal {
			full = strings.TrimLeft(full, "- ")
		}
		argv = append(argv, full)
		literal = literal || arg == "--"
	}
	return argv
}
