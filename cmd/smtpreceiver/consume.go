package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"smtpreceiver/core/codepage"
	"smtpreceiver/core/config"
	"smtpreceiver/core/consume"
	"smtpreceiver/core/consume/targets"
	"smtpreceiver/core/ctl"
	"smtpreceiver/core/logging"
)

func (a *app) consume() *cobra.Command {
	once := false
	c := a.withConfig(&cobra.Command{
		Use:   "consume [NAME...]",
		Short: "Hand jobs on to HylaFAX, smstools3, gammu-smsd, Asterisk or a command",
		Long: `consume takes the jobs that appear in the output folders of applications and
hands them on, as the sections consume.<name> of the configuration say: those
named, or all. A job that was handed on moves to done_folder; one that cannot be
moves to failed_folder, with a file .err beside it that says why. A new
configuration counts from the next start; jobs on their way are safe.`,
		RunE: func(c *cobra.Command, names []string) error { return a.runConsumers(c, names, once) },
	})
	c.Args = cobra.ArbitraryArgs
	c.Flags().BoolVar(&once, "once", false, "hand on what is there and exit; status 1: not all could be")
	return c
}

func (a *app) runConsumers(c *cobra.Command, names []string, once bool) error {
	settings, file, err := a.load()
	if err == nil {
		// Nothing of the receiver's: its folders may be closed to this user.
		var problems config.Problems
		checkConsumers(settings, &problems)
		settings.Locate(problems)
		err = problems.Err()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if len(names) == 0 {
		names = slices.Sorted(maps.Keys(settings.Consume))
	}
	if len(names) == 0 {
		return fmt.Errorf("%s: nothing to do, there is no section consume", file)
	}
	log, err := logging.Open(logOptions(settings), c.ErrOrStderr())
	if err != nil {
		return err
	}
	defer log.Close()
	var consumers []*consume.Consumer
	for _, name := range names {
		if settings.Consume[name] == nil {
			return usageError{fmt.Errorf("%s has no section consume.%s", file, name)}
		}
		consumer, err := openConsumer(settings, name, log.Logger)
		if err != nil {
			return fmt.Errorf("consume.%s: %w", name, err)
		}
		consumers = append(consumers, consumer)
	}
	if once {
		return drain(c.Context(), consumers)
	}
	return managed(c.Context(), func(ctx context.Context, m manager) error {
		log.Info("started", "service", "consume", "consumers", names, "version", release)
		m.ready("consume " + strings.Join(names, " "))
		var group errgroup.Group
		for _, consumer := range consumers {
			group.Go(func() error { return consumer.Run(ctx) })
		}
		err := group.Wait()
		log.Info("stopped", "service", "consume")
		return err
	})
}

// drain runs all consumers once.
func drain(ctx context.Context, consumers []*consume.Consumer) error {
	var errs error
	for _, consumer := range consumers {
		left, err := consumer.Drain(ctx)
		if err == nil && left > 0 {
			err = fmt.Errorf("jobs not handed on: %d", left)
		}
		if err != nil {
			errs = errors.Join(errs, fmt.Errorf("consume.%s: %w", consumer.Name, err))
		}
	}
	return errs
}

func openConsumer(s *config.Settings, name string, log *slog.Logger) (*consume.Consumer, error) {
	c := s.Consume[name]
	app := s.Applications[c.ApplicationOf(name)]
	target, err := target(c)
	if err != nil {
		return nil, err
	}
	layout, err := layoutOf(s, app)
	if err != nil {
		return nil, err
	}
	page, err := codepage.Lookup(s.OutputCodePage)
	if err != nil {
		return nil, err
	}
	done, failed := c.Folders(app.OutputFolder)
	return consume.Open(consume.Options{
		Name: name, App: c.ApplicationOf(name), Folder: app.OutputFolder, Done: done, Failed: failed,
		Layout: layout, Decode: page.Decode, Target: target, Resend: c.InDoubt == "resend",
		KeepDoneDays: c.KeepDoneDays, PollInterval: c.PollInterval, RetryDelay: c.RetryDelay,
		RetryDelayMax: c.RetryDelayMax, GiveUpAfter: c.GiveUpAfter, Timeout: c.Timeout, Log: log,
	})
}

func target(c *config.Consumer) (consume.Target, error) {
	switch c.Target {
	case "hylafax":
		return targets.HylaFAX{Server: c.Server, Arguments: c.Arguments, SkipUnknown: c.SkipUnknown}, nil
	case "smstools":
		return targets.Smstools{Folder: c.TargetFolder}, nil
	case "gammu":
		return targets.Gammu{Folder: c.TargetFolder}, nil
	case "asterisk":
		return targets.NewAsterisk(targets.Asterisk{Folder: c.TargetFolder, Channel: c.Channel, Context: c.Context})
	}
	return targets.NewCommand(c.Command)
}

// keyOf is the key whose value a target may refuse.
var keyOf = map[string]string{"asterisk": "channel", "command": "command"}

func layoutOf(s *config.Settings, app *config.Application) (ctl.Layout, error) {
	top, err := ctl.ParseLayout(s.CTLLayout)
	if err != nil {
		return ctl.Layout{}, err
	}
	own, err := ctl.ParseLayout(app.CTLLayout)
	return top.Over(own), err
}

// checkConsumers adds what is wrong with the consumers beyond what the file tells.
func checkConsumers(s *config.Settings, problems *config.Problems) (warnings []string) {
	serves := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(s.Consume)) {
		c := s.Consume[name]
		key := func(k string) string { return config.KeyPath("consume", name, k) }
		app := s.Applications[c.ApplicationOf(name)]
		if app == nil || c.Target == "" {
			continue // said already
		}
		if other, twice := serves[c.ApplicationOf(name)]; twice {
			warnings = append(warnings, key("application")+": consume."+other+" serves "+c.ApplicationOf(name)+" too; each job goes to one of the two")
		}
		serves[c.ApplicationOf(name)] = name
		if _, err := target(c); err != nil {
			problems.Merge(config.Problems{{Key: key(keyOf[c.Target]), What: err.Error()}})
		}
		if layout, err := layoutOf(s, app); err == nil {
			probe := ctl.New()
			for _, k := range []string{"system/txt", "to/number"} {
				section, k, _ := ctl.ParseTarget(k)
				probe.Set(section, k, "x")
			}
			if out := layout.Apply(probe); layout.Get(out, "system", "txt") == "" || layout.Get(out, "to", "number") == "" {
				problems.Add(key("application"), "ctl_layout drops system/txt or to/number, without which nothing can be handed on", "rename the key instead")
			}
		}
		if first := app.FormatPreference; c.Target != "command" && c.Target != "asterisk" && (len(first) == 0 || first[0] != "txt" || len(first) > 1) {
			warnings = append(warnings, config.KeyPath("applications", c.ApplicationOf(name), "format_preference")+": consume."+name+" can hand on format txt only, other jobs will fail")
		}
		if !app.Enabled {
			warnings = append(warnings, key("application")+": "+c.ApplicationOf(name)+" is not enabled, so it makes no jobs")
		}
	}
	return warnings
}
