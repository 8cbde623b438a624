package rules

import (
	"cmp"
	"maps"
	"slices"

	"smtpreceiver/core/config"
	"smtpreceiver/core/job"
	"smtpreceiver/core/match"
	"smtpreceiver/core/number"
)

// region reads number_region, the application's own or the global one.
func (c *compiler) region(own, key string) number.Region {
	if own == "" {
		key = "number_region"
	}
	r, err := number.ParseRegion(cmp.Or(own, c.r.Settings.NumberRegion))
	if err != nil {
		c.problem(key, err)
	}
	return r
}

// numberRules holds the number rules of an application against what a rule can
// see: a number without separators.
func (c *compiler) numberRules(app *Application, key string, rules []*match.Expression) {
	for i, e := range rules {
		if e == nil {
			continue // it is a problem already
		}
		at := config.KeyIndex(key, i)
		if e.Demands(number.Separator) {
			c.problems.Add(at, "could never match: it demands a separator, and rules see a number without", "write it for '+' and digits alone")
		}
		if app.Region != (number.Region{}) && !e.MayBeginWith('+') {
			c.warn(at, "speaks of numbers without '+', and with number_region "+app.Region.String()+" all but extensions have it")
		}
	}
}

// addresses warns of address expressions that take more than they seem to.
func (c *compiler) addresses(app *Application, key string) {
	for i, e := range app.Addresses {
		if e == nil {
			continue // it is a problem already
		}
		at := config.KeyIndex(key, i)
		if e.Open() {
			c.warn(at, "takes whatever follows too, such as 123@fax.example.com for 123@fax: end it with $")
		}
		if !app.setsNumber() && e.GroupTakes("number", func(r rune) bool { return !number.Dialled(r) && !number.Separator(r) }) {
			c.warn(at, "lets other characters into number than digits, '+' and separators: number rules see them, and few consumers dial them")
		}
	}
}

// consumers warns of applications whose jobs lack a number that their consumer
// needs. The sender would have got a 250.
func (c *compiler) consumers() {
	for _, name := range slices.Sorted(maps.Keys(c.r.Settings.Consume)) {
		consumer := c.r.Settings.Consume[name]
		i := slices.IndexFunc(c.r.Apps, func(a *Application) bool { return a.Name == cmp.Or(consumer.Application, name) })
		if i < 0 || !consumer.NeedsNumber() {
			continue
		}
		app := c.r.Apps[i]
		if app.setsNumber() {
			continue
		}
		for i, e := range app.Addresses {
			if e != nil && !e.HasGroup("number") {
				c.warn(config.KeyIndex(app.Key("addresses"), i), "has no group (?P<number>…), which "+config.KeyPath("consume", name)+" needs: such a job fails after the sender got its 250")
			}
		}
	}
}

// setsNumber says whether a rule of the application may give a number that the
// address does not hold.
func (a *Application) setsNumber() bool {
	for _, s := range a.Recipe.Settings {
		if s.Section() == "to" && s.Key() == "number" {
			return true
		}
	}
	return slices.ContainsFunc(a.Recipe.Targets, func(t job.Target) bool { return t.Section == "to" && t.Key == "number" })
}

// proxyClients warns of proxies that are clients too: what a proxy sends for
// itself would come in as theirs.
func (c *compiler) proxyClients() {
	if c.r.Proxies.Overlaps(c.r.Clients) {
		c.warn("proxy_protocol_from", "a proxy of it is on clients too: remove it there, since the lists see the client that the proxy names")
	}
	for _, app := range c.r.Apps {
		if app.Own && c.r.Proxies.Overlaps(app.Clients) {
			c.warn("proxy_protocol_from", "a proxy of it is on "+app.Key("clients")+" too: remove it there, since the lists see the client that the proxy names")
		}
	}
}

// authenticated warns of an application that only authenticated clients may use
// where some of its mail has no way to be that.
func (c *compiler) authenticated() {
	s := c.r.Settings
	for _, app := range c.r.Apps {
		if !app.Conf.RequireAuthenticated {
			continue
		}
		key := app.Key("require_authenticated")
		if s.LMTP.Listen != "" && s.LMTP.PolicyListen == "" {
			c.warn(key, "nobody authenticates by LMTP, so all mail of lmtp.listen is refused: set lmtp.policy_listen, and let Postfix ask there")
		}
	}
}
