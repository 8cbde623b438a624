package targets

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"smtpreceiver/core/consume"
	"smtpreceiver/core/consume/targets/fields"
	"smtpreceiver/core/consume/targets/program"
)

// exitTemporary is EX_TEMPFAIL of sysexits.h, as pipe(8) of Postfix takes it.
const exitTemporary = 75

var placeholder = regexp.MustCompile(`\{[a-z]+\}`)

// values of the other placeholders. A file is a copy that nobody can exchange.
var values = map[string]func(*consume.Job) (string, error){
	"{number}":  func(j *consume.Job) (string, error) { return j.Number, nil },
	"{name}":    func(j *consume.Job) (string, error) { return j.Name, nil },
	"{subject}": func(j *consume.Job) (string, error) { return j.Subject, nil },
	"{from}":    func(j *consume.Job) (string, error) { return j.FromSMTP, nil },
	"{id}":      func(j *consume.Job) (string, error) { return j.ID, nil },
	"{app}":     func(j *consume.Job) (string, error) { return j.App, nil },
	"{txt}":     func(j *consume.Job) (string, error) { return j.CopyFile(j.Text) },
	"{ctl}":     func(j *consume.Job) (string, error) { return j.CopyControl() },
}

// reason is a placeholder of on_failed.
const reason = "{reason}"

// Command runs a program for each job. Nobody can say what it had done when it was
// interrupted.
type Command struct {
	SMS      bool // the jobs are SMS: {txt} is cut to what they may cost
	MaxParts int  // SMS of one text; 0: no limit
	argv     []string
}

// NewCommand checks a command; the error lists everything that is wrong with it.
func NewCommand(argv []string) (*Command, error) { return &Command{argv: argv}, checkCommand(argv) }

func checkCommand(argv []string, more ...string) error {
	var errs []error
	if len(argv) == 0 || !filepath.IsAbs(argv[0]) {
		errs = append(errs, errors.New("the program needs its full path"))
	}
	for i, arg := range argv {
		for _, name := range placeholder.FindAllString(arg, -1) {
			switch {
			case name == fields.Attachments && arg != fields.Attachments:
				errs = append(errs, fmt.Errorf("%s in %q: it stands for any number of arguments, so it must be one by itself", name, arg))
			case name != fields.Attachments && values[name] == nil && !slices.Contains(more, name):
				errs = append(errs, fmt.Errorf("there is no %s", name))
			case i == 0:
				errs = append(errs, errors.New("the program must not come out of the mail"))
			}
		}
	}
	if script := scriptOf(argv); script != "" {
		errs = append(errs, fmt.Errorf("%q is a script, or becomes a part of one, in which what the mail says would be run: let a script of this machine have it as an argument, as in [/bin/sh, -c, 'send \"$1\"', sh, '{number}']", script))
	}
	return errors.Join(errs...)
}

// hook is the command of on_failed.
func hook(argv []string) func(context.Context, *consume.Job, string) error {
	if len(argv) == 0 {
		return nil
	}
	return func(ctx context.Context, j *consume.Job, why string) error {
		full, err := arguments(argv, j, map[string]string{reason: why})
		if err == nil {
			_, err = program.Run(ctx, j, nil, full...)
		}
		return err
	}
}

// Prepare implements consume.Target: it copies the files that the program gets.
func (c *Command) Prepare(_ context.Context, j *consume.Job) (note string, err error) {
	if c.SMS {
		if err := c.limit(j); err != nil {
			return "", err
		}
	}
	_, err = arguments(c.argv, j, nil)
	return "", err
}

// limit has {txt} name a cut copy where the text is longer than it may be.
func (c *Command) limit(j *consume.Job) error {
	if j.Format != "txt" || !slices.ContainsFunc(c.argv, func(arg string) bool { return strings.Contains(arg, "{txt}") }) {
		return nil
	}
	text, err := j.ReadFile(j.Text)
	if err != nil {
		return err
	}
	if text = strings.TrimRight(text, "\r\n "); text == "" {
		return nil // for the program to judge
	}
	if text, err = fields.Limit(j, text, c.MaxParts); err != nil || j.Over == 0 {
		return err
	}
	return j.WriteText(text)
}

// Submit implements consume.Target.
func (c *Command) Submit(ctx context.Context, j *consume.Job) error {
	argv, err := arguments(c.argv, j, nil)
	if err != nil {
		return err
	}
	_, err = program.Run(ctx, j, nil, argv...)
	var ended *program.ExitError
	if errors.As(err, &ended) && ended.Code != exitTemporary {
		return consume.Permanent(err)
	}
	return err
}

// Has implements consume.Target.
func (c *Command) Has(context.Context, *consume.Job) (consume.Answer, error) {
	return consume.Unknown, nil
}

// arguments puts the job's values, and others by their placeholders, into a
// command. A value at the beginning of an argument could be an option: there it
// loses its leading '-', unless "--" came before. With others, which a job that has
// failed has, a file that cannot be read is left out.
func arguments(command []string, j *consume.Job, others map[string]string) (argv []string, err error) {
	literal := false
	for _, arg := range command {
		if arg == fields.Attachments { // becomes one for each
			for _, a := range j.Attachments {
				path, err := j.CopyFile(a.File)
				if err != nil && others == nil {
					return nil, err
				}
				if err == nil {
					argv = append(argv, path)
				}
			}
			continue
		}
		at := placeholder.FindStringIndex(arg)
		full := placeholder.ReplaceAllStringFunc(arg, func(name string) string {
			value, known := others[name]
			if !known {
				var failed error
				if value, failed = values[name](j); failed != nil && others == nil {
					err = errors.Join(err, failed)
				}
			}
			return strings.ReplaceAll(value, "\x00", "")
		})
		if err != nil {
			return nil, err
		}
		if at != nil && at[0] == 0 && !literal {
			full = strings.TrimLeft(full, "- ")
		}
		argv = append(argv, full)
		literal = literal || arg == "--"
	}
	return argv, nil
}
