package takertest

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"smtpreceiver/core/consume"
)

// target notes what it is given, and holds each job against what was put in.
type target struct {
	site   *site
	submit func(*consume.Job) error // before it is noted
	has    func(*consume.Job) (consume.Answer, error)

	mu    sync.Mutex
	stems []string
	times []time.Time
	asked int
}

func (s *site) target() *target { return &target{site: s} }

// Prepare implements consume.Target.
func (g *target) Prepare(context.Context, *consume.Job) (string, error) { return "", nil }

// Submit implements consume.Target.
func (g *target) Submit(_ context.Context, j *consume.Job) error {
	if g.submit != nil {
		if err := g.submit(j); err != nil {
			return err
		}
	}
	if err := g.site.holdsAll(j.Stem, func(name string) (string, error) { return read(j, name) }); err != nil {
		g.site.t.Errorf("handed over: %v", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stems, g.times = append(g.stems, j.Stem), append(g.times, time.Now())
	return nil
}

func read(j *consume.Job, name string) (string, error) {
	if name == j.Stem+".ctl" {
		data, err := j.Control()
		return string(data), err
	}
	f, err := j.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	return string(data), err
}

// Has implements consume.Target.
func (g *target) Has(_ context.Context, j *consume.Job) (consume.Answer, error) {
	g.mu.Lock()
	g.asked++
	g.mu.Unlock()
	if g.has == nil {
		return consume.Unknown, errors.New("asked for no reason")
	}
	return g.has(j)
}

func (g *target) got() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.stems)
}

// wantOnce holds what targets were given against the jobs that there are.
func wantOnce(t *testing.T, stems []string, targets ...*target) {
	t.Helper()
	var got []string
	for _, g := range targets {
		got = append(got, g.got()...)
		if g.asked > 0 && g.has == nil {
			t.Errorf("the target was asked %d times whether it has a job", g.asked)
		}
	}
	slices.Sort(got)
	want := slices.Sorted(slices.Values(stems))
	if !slices.Equal(got, want) {
		t.Errorf("handed over: %q, want %q", got, want)
	}
}
