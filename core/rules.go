package core

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"smtpreceiver/core/access"
	"smtpreceiver/core/auth"
	"smtpreceiver/core/codepage"
	"smtpreceiver/core/config"
	"smtpreceiver/core/ctl"
	"smtpreceiver/core/dearchive"
	"smtpreceiver/core/job"
	"smtpreceiver/core/match"
	"smtpreceiver/core/message"
	"smtpreceiver/core/message/charset"
	"smtpreceiver/core/number"
	"smtpreceiver/core/senders"
	"smtpreceiver/core/sms"
	"smtpreceiver/core/transform"
)

// rules is one configuration made ready for use. It does not change.
type rules struct {
	settings *config.Settings
	clients  *access.List // global list
	proxies  *access.List // proxy_protocol_from
	apps     []*application
	table    *match.Table // over apps, same order
	page     *codepage.Page
	limits   message.Limits
	auth     *auth.Authenticator // put in by connect
	senders  *senders.Table      // the same; nil: senders have no rights of their own
	warnings []string
}

// application is one of the configuration made ready: the rules of who may use
// it, and the recipe of what is written.
type application struct {
	name        string
	conf        *config.Application
	addresses   []*match.Expression
	fromEnabled match.Set
	fromDenied  match.Set
	region      number.Region
	numbers     match.Set // numbers_allowed; empty: every number
	noNumbers   match.Set
	clients     *access.List // the list that applies: own, or the global one
	own         bool         // clients is the application's own list
	terminator  *terminator  // nil: the standard one only
	recipe      *job.Recipe  // what is written
}

// compile readies settings and lists everything in them that cannot work.
func compile(s *config.Settings, resolver *access.Resolver) (*rules, config.Problems) {
	c := &compiler{r: &rules{settings: s}, resolver: resolver}
	c.r.page = c.codePage("output_code_page", s.OutputCodePage)
	c.codePage("default_charset", s.DefaultCharset)
	c.r.limits = message.Limits{
		MaxDepth: s.MaxMIMEDepth, MaxParts: s.MaxMIMEParts,
		MaxHeaderSize: s.MaxHeaderSize, MaxHeaderFields: s.MaxHeaderFields, DefaultCharset: charset.Default(s.DefaultCharset, s.OutputCodePage),
	}
	c.r.clients = c.list("clients", s.Clients)
	c.r.proxies = c.list("proxy_protocol_from", s.ProxyProtocolFrom)
	layout := c.layout("ctl_layout", s.CTLLayout)
	sets := c.tagSets()
	// Alphabetical, as registry keys enumerate: the first that agrees takes
	// the recipient, so the order is part of the contract.
	for _, name := range slices.Sorted(maps.Keys(s.Applications)) {
		app := c.application(name, s.Applications[name], sets)
		app.recipe.Layout = layout.Over(app.recipe.Layout)
		if app.conf.Enabled {
			c.r.apps = append(c.r.apps, app)
		}
	}
	expressions := make([][]*match.Expression, len(c.r.apps))
	for i, app := range c.r.apps {
		expressions[i] = app.addresses
	}
	if len(c.problems) == 0 {
		c.r.table = match.NewTable(expressions)
	}
	for _, app := range c.r.apps {
		c.addresses(app, app.key("addresses"))
	}
	c.consumers()
	c.authenticated()
	c.proxyClients()
	return c.r, c.problems
}

type compiler struct {
	r        *rules
	resolver *access.Resolver
	problems config.Problems
}

// problem files every error that errors.Join put together under key, or under
// the entry of the list that it speaks of.
func (c *compiler) problem(key string, err error) {
	for _, e := range unjoin(err) {
		var entry *access.EntryError
		if errors.As(e, &entry) {
			c.problems.Add(config.KeyIndex(key, entry.Index), e.Error(), "")
			continue
		}
		c.problems.Add(key, e.Error(), "")
	}
}

func unjoin(err error) []error {
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		return j.Unwrap()
	}
	return []error{err}
}

func (c *compiler) application(name string, conf *config.Application, sets map[string]*transform.TagSet) *application {
	key := func(k ...string) string {
		return config.KeyPath(append([]string{"applications", name}, k...)...)
	}
	app := &application{name: name, conf: conf, clients: c.r.clients}
	app.addresses = c.expressions(key("addresses"), conf.Addresses)
	app.fromEnabled = c.expressions(key("from_enabled"), conf.FromEnabled)
	app.fromDenied = c.expressions(key("from_disabled"), conf.FromDisabled)
	app.numbers = c.expressions(key("numbers_allowed"), conf.NumbersAllowed)
	app.noNumbers = c.expressions(key("numbers_denied"), conf.NumbersDenied)
	if own := c.list(key("clients"), conf.Clients); !own.Empty() {
		app.clients, app.own = own, true
	}
	app.region = c.region(conf.NumberRegion, key("number_region"))
	c.numberRules(app, key("numbers_allowed"), app.numbers)
	c.numberRules(app, key("numbers_denied"), app.noNumbers)
	app.terminator = c.terminator(app, key)
	app.recipe = c.recipe(name, conf, sets, key)
	return app
}

// recipe is the half of an application that says what is written; key names its
// keys.
func (c *compiler) recipe(name string, conf *config.Application, sets map[string]*transform.TagSet, key func(...string) string) *job.Recipe {
	destination := conf.OutputFolder
	if c.r.settings.Queue.On() {
		destination = name
	}
	recipe := &job.Recipe{
		App: name, Destination: destination, CTLType: conf.CTLType, Page: c.r.page,
		AttachedMessage: conf.ProcessAttMsg, Attachments: conf.ProcessAttachments, InlinePictures: conf.InlinePictures, Reported: c.r.settings.Reported(name),
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
		Timeout: conf.DearchiveTimeout, MaxSize: conf.DearchiveMaxSize, MaxFiles: c.r.settings.MaxMIMEParts,
	}}
	for _, extension := range slices.Sorted(maps.Keys(conf.Dearchive)) {
		command := conf.Dearchive[extension]
		if len(command) == 0 || command[0] == "" {
			continue // reading the configuration has reported it
		}
		if err := recipe.Dearchive.Add(extension, command); err != nil {
			c.problem(key("dearchive", extension), err)
		}
	}
	if len(conf.Dearchive) > 0 && !conf.ProcessAttachments {
		c.r.warnings = append(c.r.warnings, key("dearchive")+": has no effect, because process_attachments is off")
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
		c.r.warnings = append(c.r.warnings, key+": "+w)
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
	for name, commands := range c.r.settings.Tags {
		set, err := transform.ParseTagSet(commands)
		if err != nil {
			c.problem(config.KeyPath("tags", name), err)
			continue
		}
		sets[name] = set
	}
	return sets
}

// refusesEveryone says why a rule set admits no client, for check's warnings.
func (r *rules) refusesEveryone() string {
	if !r.clients.Empty() || r.authenticating() {
		return ""
	}
	var without []string
	for _, app := range r.apps {
		if !app.own {
			without = append(without, app.name)
		}
	}
	if len(without) == 0 {
		return ""
	}
	return "clients: empty, and so are the lists of the applications " + strings.Join(without, ", ") +
		": no client may use them; name the mail servers and networks that may"
}
