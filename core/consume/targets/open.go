package targets

import (
	"cmp"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"

	"smtpreceiver/core/codepage"
	"smtpreceiver/core/config"
	"smtpreceiver/core/consume"
	"smtpreceiver/core/consume/feed"
	"smtpreceiver/core/consume/targets/webservice"
	"smtpreceiver/core/ctl"
	"smtpreceiver/core/queue"
)

// Open makes the consumer of the section consume.<name>, which exists and has
// passed Check.
func Open(s *config.Settings, name string, log *slog.Logger) (*consume.Consumer, error) {
	c := s.Consume[name]
	app := s.Applications[c.ApplicationOf(name)]
	target, err := kindOf(c.Target).make(c, app)
	if err != nil {
		return nil, err
	}
	if service, is := target.(*webservice.HTTP); is {
		for _, variable := range service.Unset() {
			log.Warn("environment variable not set: no job can be handed on without it", "consumer", name, "variable", variable)
		}
	}
	layout, err := layoutOf(s, app)
	if err != nil {
		return nil, err
	}
	page, err := codepage.Lookup(s.OutputCodePage)
	if err != nil {
		return nil, err
	}
	reports, err := reportsOf(s, c)
	if err != nil {
		return nil, err
	}
	output := s.FolderOf(name)
	done, failed := c.Folders(output)
	return consume.New(consume.Options{
		Name: name, App: c.ApplicationOf(name), Folder: output, Done: done, Failed: failed,
		Layout: layout, Decode: page.Decode, Encode: page.Encode, Target: target, Resend: c.InDoubt == "resend",
		KeepDoneDays: c.KeepDoneDays, PollInterval: c.PollInterval, RetryDelay: c.RetryDelay,
		RetryDelayMax: c.RetryDelayMax, GiveUpAfter: c.GiveUpAfter, Timeout: c.Timeout, Log: log,
		Workers: workersOf(c), KeepFailedDays: c.KeepFailedDays, OnFailed: hook(c.OnFailed), Reports: reports,
	}), nil
}

// Share has a consumer that Open has made take its jobs from a queue, as soon as it has a
// folder for them.
func Share(c *consume.Consumer, s *config.Settings, q *queue.Queue, log *slog.Logger) {
	conf := s.Consume[c.Name]
	c.Setup = func() error {
		err := os.MkdirAll(c.Folder, 0o700)
		me := ""
		if err == nil {
			me, err = queue.Owner(c.Folder, ".owner")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", config.KeyPath("consume", c.Name, "work_directory"), err)
		}
		c.Identity = cmp.Or(c.Identity, identityOf(conf, me))
		c.Source = feed.New(feed.Options{
			Queue: q, App: c.App, Name: c.Name, Me: me, Host: q.Host, Takeover: conf.TakeoverAfter, Ahead: max(4*c.Workers, 16), Log: log.With("consumer", c.Name),
		})
		return nil
	}
}

// identityOf names the target of a consumer among all there are: another consumer
// may ask one of the same name whether it has a job. What a machine calls localhost is
// its own.
func identityOf(c *config.Consumer, me string) string {
	host, _, err := net.SplitHostPort(c.Server)
	if err != nil {
		host = c.Server
	}
	address, err := netip.ParseAddr(host)
	own := host == "" || strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") || err == nil && address.Unmap().IsLoopback()
	if c.Target == "hylafax" && !own {
		return "hylafax at " + c.Server
	}
	return c.Target + " of " + me
}

// workersOf is how many jobs a consumer hands on at once.
func workersOf(c *config.Consumer) int { return cmp.Or(c.Workers, kindOf(c.Target).workers) }

func layoutOf(s *config.Settings, app *config.Application) (ctl.Layout, error) {
	top, err := ctl.ParseLayout(s.CTLLayout)
	if err != nil {
		return ctl.Layout{}, err
	}
	own, err := ctl.ParseLayout(app.CTLLayout)
	return top.Over(own), err
}
