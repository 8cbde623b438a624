package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"smtpreceiver/core/consume/joblist"
	"smtpreceiver/core/migrate/registry"
)

// TestChangeJobs: a job that cannot be changed keeps no other from it; a signal does.
func TestChangeJobs(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	var out, errs bytes.Buffer
	c := new(cobra.Command)
	c.SetContext(ctx)
	c.SetOut(&out)
	c.SetErr(&errs)
	jobs, n := []*joblist.Job{{}, {}, {}}, 0
	change := func(*joblist.Job, context.Context) error {
		if n++; n == 1 {
			return errors.New("busy\x1b")
		}
		return nil
	}
	if err := changeJobs(c, "retry", jobs, change); !errors.Is(err, errSaid) || out.String() != "retry: 2 of 3 jobs\n" || strings.Count(errs.String(), "busy") != 1 || strings.Contains(errs.String(), "\x1b") {
		t.Errorf("%v, said %q and %q", err, &out, &errs)
	}
	out.Reset()
	if err := changeJobs(c, "retry", jobs, func(*joblist.Job, context.Context) error { cancel(); return nil }); !errors.Is(err, context.Canceled) || out.String() != "retry: 1 of 3 jobs\n" {
		t.Errorf("%v, said %q", err, &out)
	}
}

// TestReadExport: one that is too large is read far enough to tell that.
func TestReadExport(t *testing.T) {
	t.Parallel()
	c := new(cobra.Command)
	c.SetIn(strings.NewReader(strings.Repeat("x", registry.MaxSize+2)))
	if data, err := readExport(c, "-"); len(data) != registry.MaxSize+1 || err != nil {
		t.Errorf("%d bytes, %v", len(data), err)
	}
}
