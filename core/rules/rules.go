// Package rules makes a configuration ready for use: who may hand in what, to whom,
// and what is written of it. It lists what cannot work, and warns of what works
// otherwise than it looks.
package rules

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"smtpreceiver/core/access"
	"smtpreceiver/core/codepage"
	"smtpreceiver/core/config"
	"smtpreceiver/core/ctl"
	"smtpreceiver/core/dearchive"
	"smtpreceiver/core/job"
	"smtpreceiver/core/match"
	"smtpreceiver/core/message"
	"smtpreceiver/core/message/charset/labels"
	"smtpreceiver/core/sms"
	"smtpreceiver/core/transform"
)

// Rules is one configuration made ready for use. It does not change.
type Rules struct {
	Settings *config.Settings
	Clients  *access.List   // global list
	Proxies  *access.List   // proxy_protocol_from
	Apps     []*Application // the enabled ones, by name
	Table    *match.Table   // over Apps, same order
	Page     *codepage.Page
	Limits   message.Limits
	Warnings []string
}

// Compile readies settings and lists everything in them that cannot work.
func Compile(s *config.Settings, resolver *access.Resolver) (*Rules, config.Problems) {
	c := &compiler{r: &Rules{Settings: s}, resolver: resolver}
	c.r.Page = c.codePage("output_code_page", s.OutputCodePage)
	c.codePage("default_charset", s.DefaultCharset)
	c.r.Limits = message.Limits{
		MaxDepth: s.MaxMIMEDepth, MaxParts: s.MaxMIMEParts,
		MaxHeaderSize: s.MaxHeaderSize, MaxHeaderFields: s.MaxHeaderFields, DefaultCharset: labels.Default(s.DefaultCharset, s.OutputCodePage),
	}
	c.r.Clients = c.list("clients", s.Clients)
	c.r.Proxies = c.list("proxy_protocol_from", s.ProxyProtocolFrom)
	layout := c.layout("ctl_layout", s.CTLLayout)
	sets := c.tagSets()
	// Alphabetical, as registry keys enumerate: the first that agrees takes
	// the recipient, so the order is part of the contract.
	for _, name := range slices.Sorted(maps.Keys(s.Applications)) {
		app := c.application(name, s.Applications[name], sets)
		app.Recipe.Layout = layout.Over(app.Recipe.Layout)
		if app.Conf.Enabled {
			c.r.Apps = append(c.r.Apps, app)
		}
	}
	expressions := make([][]*match.Expression, len(c.r.Apps))
	for i, app := range c.r.Apps {
		expressions[i] = app.Addresses
	}
	if len(c.problems) == 0 {
		c.r.Table = match.NewTable(expressions)
	}
	for _, app := range c.r.Apps {
		c.addresses(app, app.Key("addresses"))
	}
	c.consumers()
	c.authenticated()
	c.proxyClients()
	return c.r, c.problems
}

type compiler struct {
	r        *Rules
	resolver *access.Resolver
	problems config.Problems
}

// problem files every error that errors.Join put together under key, or under
// the entry of the list that it speaks of.
func (c *compiler) problem(key string, err error) {
	for _, e := range config.Errors(err) {
		var entry *access.EntryError
		if errors.As(e, &entry) {
			c.problems.Add(config.KeyIndex(key, entry.Index), e.Error(), "")
			continue
		}
		c.problems.Add(key, e.Error(), "")
	}
}

func (c *compiler) application(name string, conf *config.Application, sets map[string]*transform.TagSet) *Application {
	key := func(k ...string) string {
		return config.KeyPath(append([]string{"applications", name}, k...)...)
	}
	app := &Application{Name: name, Conf: conf, Clients: c.r.Clients}
	app.Addresses = c.expressions(key("addresses"), conf.Addresses)
	app.FromEnabled = c.expressions(key("from_enabled"), conf.FromEnabled)
	app.FromDenied = c.expressions(key("from_disabled"), conf.FromDisabled)
	app.Numbers = c.expressions(key("numbers_allowed"), conf.NumbersAllowed)
	app.NoNumbers = c.expressions(key("numbers_denied"), conf.NumbersDenied)
	if own := c.list(key("clients"), conf.Clients); !own.Empty() {
		app.Clients, app.Own = own, true
	}
	app.Region = c.region(conf.NumberRegion, key("number_region"))
	c.numberRules(app, key("numbers_allowed"), app.Numbers)
	c.numberRules(app, key("numbers_denied"), app.NoNumbers)
	app.Terminator = c.terminator(app, key)
	app.Recipe = c.recipe(name, conf, sets, key)
	return app
}

// terminator readies the nonstandard end of one application, nil if it has none;
// key names its keys.
func (c *compiler) terminator(app *Application, key func(...string) string) *Terminator {
	clients := c.list(key("nonstandard_data_terminator_clients"), app.Conf.NonstandardDataTerminatorClients)
	if app.Conf.NonstandardDataTerminator == "" {
		return nil
	}
	return &Terminator{[]byte(app.Conf.NonstandardDataTerminator), clients}
}

// recipe is the half of an application that says what is written; key names its
// keys.
func (c *compiler) recipe(name string, conf *config.Application, sets map[string]*transform.TagSet, key func(...string) string) *job.Recipe {
	destination := conf.OutputFolder
	if c.r.Settings.Queue.On() {
		destination = name
	}
	recipe := &job.Recipe{
		App: name, Destination: destination, CTLType: conf.CTLType, Page: c.r.Page,
		AttachedMessage: conf.ProcessAttMsg, Attachments: conf.ProcessAttachments, InlinePictures: conf.InlinePictures, Reported: c.r.Settings.Reported(name),
	}
	for _, f := range conf.FormatPreference {
		recipe.Formats = append(recipe.Formats, message.Format(f))
	}
	for i, s := range conf.CTLSettings {
		setting, err := transform.ParseSetting(s)
		if err != nil {
			c.problem(config.KeyIndex(key("ctl_settings"), i), err)
			continue
		}
		c.warn(config.KeyIndex(key("ctl_settings"), i), setting.Warnings()...)
		recipe.Settings = append(recipe.Settings, setting)
	}
	if conf.CmdTags != "" {
		recipe.Tags = sets[conf.CmdTags]
		if recipe.Tags == nil {
			recipe.Tags, _ = transform.Builtin(conf.CmdTags)
		}
	}
	if len(conf.SMSText) > 0 {
		c.smsText(recipe, key("sms_text"), conf)
	}
	for _, to := range slices.Sorted(maps.Keys(conf.Transform)) {
		c.transform(recipe, key("transform", to), to, conf.Transform[to])
	}
	recipe.Layout = c.layout(key("ctl_layout"), conf.CTLLayout)
	recipe.Dearchive = &dearchive.Rules{Limits: dearchive.Limits{
		Timeout: conf.DearchiveTimeout, MaxSize: conf.DearchiveMaxSize, MaxFiles: c.r.Settings.MaxMIMEParts,
	}}
	for _, extension := range slices.Sorted(maps.Keys(conf.Dearchive)) {
		if err := recipe.Dearchive.Add(extension, conf.Dearchive[extension]); err != nil {
			c.problem(key("dearchive", extension), err)
		}
	}
	if len(conf.Dearchive) > 0 && !conf.ProcessAttachments {
		c.r.Warnings = append(c.r.Warnings, key("dearchive")+": has no effect, because process_attachments is off")
	}
	return recipe
}

func (c *compiler) smsText(recipe *job.Recipe, key string, conf *config.Application) {
	tidy, err := sms.ParseTidy(conf.SMSText)
	if err != nil {
		c.problem(key, err)
	}
	if conf.CTLType != "sms" {
		c.warn(key, "has no effect, because ctl_type is "+conf.CTLType)
		return
	}
	recipe.Tidy = tidy
}

func (c *compiler) transform(recipe *job.Recipe, key, to, text string) {
	t, err := transform.ParseTemplate(text)
	if err != nil {
		c.problem(key, err)
		return
	}
	c.warn(key, t.Warnings()...)
	switch to {
	case "txt":
		recipe.Text = t
	case "subject":
		recipe.Targets = append(recipe.Targets, job.Target{Section: "system", Key: "subject", Template: t})
	default:
		section, name, err := ctl.ParseTarget(to)
		if err != nil {
			c.problem(key, err)
			return
		}
		recipe.Targets = append(recipe.Targets, job.Target{Section: section, Key: name, Template: t})
	}
}

// expressions compiles a list. A bad one is nil: the others keep their places, by which
// they are named.
func (c *compiler) expressions(key string, list []string) []*match.Expression {
	var out []*match.Expression
	for i, s := range list {
		at := config.KeyIndex(key, i)
		e, err := match.Compile(s)
		if err != nil {
			c.problem(at, err)
		} else {
			c.warn(at, e.Warnings()...)
		}
		out = append(out, e)
	}
	return out
}

func (c *compiler) warn(key string, warnings ...string) {
	for _, w := range warnings {
		c.r.Warnings = append(c.r.Warnings, key+": "+w)
	}
}

// codePage looks up a page. An empty name has been complained about already.
func (c *compiler) codePage(key, name string) *codepage.Page {
	if name == "" {
		return nil
	}
	page, err := codepage.Lookup(name)
	if err != nil {
		c.problem(key, err)
	}
	return page
}

func (c *compiler) list(key string, entries []string) *access.List {
	l, err := access.ParseList(entries, c.resolver)
	if err != nil {
		c.problem(key, err)
	}
	return l
}

func (c *compiler) layout(key string, m map[string]string) ctl.Layout {
	l, err := ctl.ParseLayout(m)
	if err != nil {
		c.problem(key, err)
	}
	return l
}

func (c *compiler) tagSets() map[string]*transform.TagSet {
	sets := make(map[string]*transform.TagSet)
	for name, commands := range c.r.Settings.Tags {
		set, err := transform.ParseTagSet(commands)
		if err != nil {
			c.problem(config.KeyPath("tags", name), err)
		}
		sets[name] = set
	}
	return sets
}

// Authenticating says whether clients can authenticate.
func (r *Rules) Authenticating() bool { return r.Settings.Authentication.Backend != "none" }

// refusesEveryone says why a rule set admits no client, for check's warnings.
func (r *Rules) refusesEveryone() string {
	if !r.Clients.Empty() || r.Authenticating() {
		return ""
	}
	var without []string
	for _, app := range r.Apps {
		if !app.Own {
			without = append(without, app.Name)
		}
	}
	if len(without) == 0 {
		return ""
	}
	return "clients: empty, and so are the lists of the applications " + strings.Join(without, ", ") +
		": no client may use them; name the mail servers and networks that may"
}
