package consume

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"smtpreceiver/core/consume/folder"
	"smtpreceiver/core/report"
)

const (
	reportsFor   = 5 * 24 * time.Hour // RFC 5321 section 4.5.4.1
	reportRetry  = time.Minute
	reportMost   = time.Hour
	reportPoll   = 5 * time.Second
	serverMost   = 15 * time.Minute // between two looks at a server that is down
	onceFor      = time.Minute
	reportLinger = 10 * time.Second // a report under way, when the consumer stops
	reportsAWay  = 100              // reports over one connection
)

// reportsTrouble is no job's name.
const reportsTrouble = "."

// kept is what became of a letter where that could not be written down.
type kept struct {
	over  bool // it is to be removed
	tried folder.Tried
}

// wake has the outbox looked at.
func (r *reporter) wake() {
	if r == nil {
		return
	}
	select {
	case r.kick <- struct{}{}:
	default:
	}
}

// run sends what may be sent, until ctx is done.
func (r *reporter) run(ctx context.Context) {
	for {
		r.round(ctx)
		select {
		case <-ctx.Done():
			return
		case <-r.kick:
		case <-time.After(r.poll):
		}
	}
}

// last gives all that is there its try, where jobs are handed on once, and says what
// of it still waits.
func (r *reporter) last(ctx context.Context) error {
	if r == nil {
		return nil
	}
	r.stop()
	r.ended.Wait()
	ctx, cancel := context.WithTimeout(ctx, onceFor)
	defer cancel()
	r.tellDelays(ctx, map[string]bool{})
	r.until = time.Time{} // the server has one more try, too
	r.round(ctx)
	names, mine, err := r.letters()
	names = slices.DeleteFunc(names, func(name string) bool { return r.kept[name].over })
	if err != nil || !mine || len(names) == 0 {
		return err
	}
	return fmt.Errorf("reports to senders not sent: %d; they wait in %s", len(names), folder.OutboxPath(r.consumer.Folder))
}

// letters are those that may be sent; mine: by this process.
func (r *reporter) letters() (names []string, mine bool, err error) {
	if mine, err = r.outbox.Mine(); err == nil && mine {
		names, err = r.outbox.Ready()
	}
	return names, mine, err
}

// round tries each report once whose time has come.
func (r *reporter) round(ctx context.Context) {
	if time.Now().Before(r.until) {
		return
	}
	r.wrong = false
	defer func() {
		if !r.wrong {
			r.consumer.noTrouble(reportsTrouble)
		}
	}()
	names, mine, err := r.letters()
	if err != nil {
		r.trouble(err)
	}
	if err != nil || !mine {
		return
	}
	// What is half way when the consumer stops may be sent again: let it end.
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(reportLinger, cancel) })()
	route := route{server: r.Server}
	defer route.close()
	for _, name := range names {
		if ctx.Err() != nil {
			return
		}
		letter, tried := r.due(name)
		if letter == nil {
			continue
		}
		err := route.send(sending, letter)
		if r.settle(name, letter, tried, err); err != nil && !is[*report.RefusedError](err) {
			r.down(err)
			return
		}
		r.pause, r.until = 0, time.Time{}
	}
}

func (r *reporter) trouble(err error) {
	r.wrong = true
	r.consumer.trouble(reportsTrouble, err)
}

// due reads a letter; nil: it is not to be sent now.
func (r *reporter) due(name string) (*folder.Letter, folder.Tried) {
	if r.kept[name].over {
		r.finish(name)
		return nil, folder.Tried{}
	}
	tried := r.outbox.Tried(name)
	if known, is := r.kept[name]; is {
		tried = known.tried
	}
	if r.had == nil && tried.Next.After(time.Now()) || r.had[name] {
		return nil, tried
	}
	letter, _, err := r.outbox.Read(name)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			r.trouble(err)
		}
		return nil, tried
	}
	return letter, tried
}

// route is the way to the server of reports; each connection takes some of them.
type route struct {
	server report.Server
	way    *report.Way // nil: to be opened
	sent   int         // over it
}

func (o *route) send(ctx context.Context, l *folder.Letter) (err error) {
	if o.sent >= reportsAWay {
		o.close()
	}
	if o.way == nil {
		if o.way, err = o.server.Open(ctx); err != nil {
			return err
		}
	}
	o.sent++
	err = o.way.Send(ctx, l.To, l.Text)
	if err != nil && !is[*report.RefusedError](err) {
		o.way, o.sent = nil, 0 // Send has closed it
	}
	return err
}

func (o *route) close() {
	if o.way != nil {
		o.way.Close()
	}
	o.way, o.sent = nil, 0
}

// down waits longer and longer for a server that cannot be reached.
func (r *reporter) down(err error) {
	if r.pause == 0 {
		r.log.Warn("reports wait, their server does not take them", "error", oneLine(err))
	}
	r.pause = min(max(2*r.pause, r.retry), serverMost)
	r.until = time.Now().Add(r.pause)
}

// settle notes what became of a try.
func (r *reporter) settle(name string, l *folder.Letter, tried folder.Tried, err error) {
	log := r.log.With("job", l.Job, "rcpt", l.To, "report", string(l.Action))
	var refused *report.RefusedError
	permanent := errors.As(err, &refused) && refused.Permanent()
	outcome := ""
	switch {
	case err == nil:
		outcome = "sent"
		log.Info("sender told")
	case permanent:
		outcome = "refused"
		log.Error("report refused, the sender is not told", "error", oneLine(err))
	case time.Since(l.Made) >= reportsFor:
		outcome = "given_up"
		log.Error("report given up, the sender is not told", "tries", tried.Times+1, "error", oneLine(err))
	default:
		tried.Times++
		tried.Reason = oneLine(err)
		delay := min(r.retry<<min(tried.Times-1, 10), reportMost)
		tried.Next = time.Now().Add(delay)
		if r.had != nil && refused != nil {
			r.had[name] = true
			log.Warn("report not sent yet", "try", tried.Times, "error", tried.Reason)
		}
		r.note(name, tried)
		return
	}
	r.consumer.metrics.reported(outcome)
	r.finish(name)
}

// note writes down when a letter is tried again.
func (r *reporter) note(name string, tried folder.Tried) {
	delete(r.kept, name)
	if err := r.outbox.Note(name, tried); err != nil {
		r.kept[name] = kept{tried: tried}
		r.trouble(err)
	}
}

// finish removes a letter that is dealt with. One that stays is not sent again while
// this process runs.
func (r *reporter) finish(name string) {
	said := r.kept[name].over
	delete(r.kept, name)
	err := r.outbox.Remove(name)
	if err == nil {
		return
	}
	r.kept[name] = kept{over: true}
	if !said {
		r.trouble(fmt.Errorf("report %s is dealt with and cannot be removed: after a restart it will be sent again: %w", name, err))
	}
}
