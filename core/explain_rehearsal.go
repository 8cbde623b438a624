package core

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"smtpreceiver/core/access"
	"smtpreceiver/core/config"
	"smtpreceiver/core/ctl"
	"smtpreceiver/core/explained"
	"smtpreceiver/core/machine"
	"smtpreceiver/core/output"
	"smtpreceiver/core/quota"
	"smtpreceiver/core/rules"
	"smtpreceiver/core/sms"
	"smtpreceiver/core/spool"
)

// rehearsal is a receiver by the same rules as the real one that works in a
// temporary folder: neither output folders nor state directory are touched.
type rehearsal struct {
	*Receiver
	dir    string
	folder map[string]string // the real one, by the one in its place
	names  *strings.Replacer // the same, in text
	warned map[string]bool   // output folders that were looked at
	log    *warningLog
}

// openRehearsal readies a rehearsal of s. The error is config.Problems if s
// cannot work. Folders, certificates and users' files are not looked at: explain
// may be run by another user than the service.
func openRehearsal(ctx context.Context, s *config.Settings) (_ *rehearsal, err error) {
	r := &rehearsal{folder: map[string]string{}, warned: map[string]bool{}, log: new(warningLog)}
	if r.dir, err = os.MkdirTemp("", "smtpreceiver-explain-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(r.dir)
		}
	}()
	resolver := access.NewResolver(nil, nil)
	moved, err := r.move(s)
	if err != nil {
		return nil, err
	}
	compiled, problems := rules.Compile(moved, resolver)
	if len(problems) > 0 {
		return nil, problems
	}
	log := slog.New(r.log)
	r.Receiver = &Receiver{resolver: resolver, quotas: quota.NewBook(nil).Counter(), log: log}
	jobs, err := spool.Open(ctx, spool.Config{StateDirectory: filepath.Join(r.dir, "state"), Instance: s.Instance, Log: log})
	if err != nil {
		return nil, err
	}
	r.output = rehearsedOutput{output.Folders(jobs), r.folder, s.StateDirectory}
	set := &ruleset{Rules: compiled, Backends: new(machine.Backends)}
	if set.Senders, err = machine.Senders(moved, log); err != nil {
		return nil, errors.Join(machine.CheckSenders(moved), r.output.Close())
	}
	r.rules.Store(set)
	return r, nil
}

// move copies s with a temporary folder in the place of every output folder.
func (r *rehearsal) move(s *config.Settings) (*config.Settings, error) {
	moved := *s
	moved.LogRcvData = false
	moved.Queue.Servers = nil // nothing is asked of it
	moved.Applications = make(map[string]*config.Application, len(s.Applications))
	instead := map[string]string{}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(s.Applications)) {
		app := *s.Applications[name]
		output := app.OutputFolder
		if instead[output] == "" {
			folder := filepath.Join(r.dir, "out"+strconv.Itoa(len(instead))+".d")
			if err := os.Mkdir(folder, 0o700); err != nil {
				return nil, err
			}
			instead[output], r.folder[folder] = folder, output
			names = append(names, folder, output)
		}
		app.OutputFolder = instead[output]
		moved.Applications[name] = &app
	}
	r.names = strings.NewReplacer(names...)
	return &moved, nil
}

// rehearsedOutput writes into the temporary folders and asks the real ones for
// their room.
type rehearsedOutput struct {
	output.Output
	folder map[string]string // the real one, by the one in its place
	state  string            // state_directory
}

// Room is unlimited for a folder that cannot be asked, which is warned of
// elsewhere.
func (o rehearsedOutput) Room(ctx context.Context, folder string) (uint64, error) {
	free, err := o.Output.Room(ctx, o.folder[folder])
	if err != nil {
		return math.MaxUint64, nil
	}
	return free, nil
}

// ScratchRoom is that of the real state directory; unlimited if it cannot be asked:
// this user may not be the service's.
func (o rehearsedOutput) ScratchRoom() (uint64, error) {
	free, err := spool.FreeSpace(o.state)
	if err != nil {
		return math.MaxUint64, nil
	}
	return free, nil
}

func (r *rehearsal) close() error {
	return errors.Join(r.output.Close(), r.rules.Load().Senders.Close(), os.RemoveAll(r.dir))
}

// jobs reads what the transaction has written.
func (r *rehearsal) jobs(t *Transaction) ([]explained.Job, error) {
	jobs := []explained.Job{}
	for _, staged := range t.staged {
		folder := staged.app.Conf.OutputFolder
		job := explained.Job{Name: staged.name, Application: staged.app.Name, Recipient: staged.rcpt.Mailbox, Folder: r.folder[folder]}
		var err error
		if job.Files, err = explained.ReadFiles(folder, staged.name, t.rules.Page.Decode); err != nil {
			return nil, err
		}
		if staged.app.Conf.CTLType == "sms" {
			job.SMS = cost(staged.app, job.Files)
		}
		jobs = append(jobs, job)
	}
	return jobs, nil
}

// cost is what the text of a job makes as SMS; nil: it has none that can be sent.
func cost(app *rules.Application, files []explained.File) *explained.SMS {
	control, err := ctl.ReadJob(*files[0].Text, app.Recipe.Layout)
	if err != nil || len(files) < 2 || files[1].Text == nil {
		return nil
	}
	_, parts, whole, err := sms.NewLimit(app.Conf.MaxParts, control.MaxLen, control.Action).Apply(sms.Plain(*files[1].Text))
	out := &explained.SMS{Parts: parts.Count, Whole: whole.Count, Alphabet: string(whole.Alphabet)}
	switch {
	case whole.Count == 0:
		out.Refused = "the text is empty"
	case err != nil:
		out.Refused = err.Error()
	}
	return out
}

// warningLog keeps what a transaction logs as a warning or worse.
type warningLog struct {
	mu    sync.Mutex
	lines []string
}

func (w *warningLog) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }
func (w *warningLog) WithAttrs([]slog.Attr) slog.Handler           { return w }
func (w *warningLog) WithGroup(string) slog.Handler                { return w }

func (w *warningLog) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "session", "client", "user", "from": // of this mail, like all the rest
		default:
			line += " " + a.Key + "=" + strconv.Quote(a.Value.String())
		}
		return true
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, line)
	return nil
}
