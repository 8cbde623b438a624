package targets

import (
	"errors"
	"slices"
	"strings"

	"smtpreceiver/core/config"
	"smtpreceiver/core/consume"
	"smtpreceiver/core/consume/targets/hylafax"
	"smtpreceiver/core/consume/targets/webservice"
	"smtpreceiver/core/ctl"
)

// kind is a target as the configuration knows it. A new one is its keys in
// config.Consumer, a file of this package, or a room below it, and a row of kinds.
type kind struct {
	name string // value of the key target
	keys []key  // that have a meaning for this target and not for each
	// formats of the text that it can hand on; nil: all.
	formats []string
	workers int // jobs at once, where the configuration does not say
	// tells says whether the target tells the sender itself what becomes of a job it has;
	// nil: never.
	tells   func(*config.Consumer, *ctl.Job) bool
	later   bool // the target reads the job's files after it has taken it
	make    func(*config.Consumer, *config.Application) (consume.Target, error)
	refused string // the key of the value that make may refuse, unless its error names keys
}

// key is one of consume.<name>. With an example, the target cannot do without it.
type key struct{ name, example string }

var text = []string{"txt"}

var kinds = []kind{
	{
		name: "hylafax", keys: []key{{name: "server"}, {name: "arguments"}, {name: "skip_unknown"}, {name: "cover"}, {name: "convert"}, {name: "convert_timeout"}, {name: "convert_max_size"}, {name: "convert_max_memory"}}, formats: text, workers: 1,
		tells: func(c *config.Consumer, j *ctl.Job) bool { return hylafax.Tells(c.Arguments, j) },
		make: func(c *config.Consumer, _ *config.Application) (consume.Target, error) {
			h, _, err := hylafax.New(c)
			return h, err
		},
		refused: "convert",
	},
	{
		name: "smstools", keys: []key{{"target_folder", "/var/spool/sms/outgoing"}}, formats: text, workers: 4,
		make: func(c *config.Consumer, app *config.Application) (consume.Target, error) {
			return Smstools{Drop: NewDrop(c.TargetFolder), MaxParts: app.MaxParts}, nil
		},
	},
	{
		name: "gammu", keys: []key{{"target_folder", "/var/spool/gammu/outbox"}}, formats: text, workers: 4,
		make: func(c *config.Consumer, app *config.Application) (consume.Target, error) {
			return Gammu{Drop: NewDrop(c.TargetFolder), MaxParts: app.MaxParts}, nil
		},
	},
	{
		name: "asterisk", keys: []key{{"target_folder", "/var/spool/asterisk/outgoing"}, {"channel", "PJSIP/{number}@trunk"}, {name: "context"}},
		workers: 1, later: true,
		make: func(c *config.Consumer, _ *config.Application) (consume.Target, error) {
			return NewAsterisk(Asterisk{Drop: NewDrop(c.TargetFolder), Channel: c.Channel, Context: c.Context})
		},
		refused: "channel",
	},
	{
		name: "command", keys: []key{{"command", "[/usr/local/bin/send, '{number}', '{txt}']"}},
		workers: 4,
		make: func(c *config.Consumer, app *config.Application) (consume.Target, error) {
			command, err := NewCommand(c.Command)
			command.SMS, command.MaxParts = app.CTLType == "sms", app.MaxParts
			return command, err
		},
		refused: "command",
	},
	{
		name: "http", keys: []key{
			{"url", "https://sms.example.com/send"}, {name: "method"}, {name: "headers"}, {name: "query"}, {name: "form"}, {name: "json"}, {name: "multipart"},
			{name: "success"}, {name: "idempotency_header"}, {name: "proxy"}, {name: "ca_file"},
		},
		workers: 4,
		make: func(c *config.Consumer, app *config.Application) (consume.Target, error) {
			return webservice.New(c, app)
		},
	},
	{
		name: "folder", keys: []key{{"target_folder", "/srv/fax/out"}}, workers: 4,
		make: func(c *config.Consumer, app *config.Application) (consume.Target, error) {
			if c.TargetFolder != "" && within(c.TargetFolder, app.OutputFolder) && within(app.OutputFolder, c.TargetFolder) {
				return nil, errors.New("it is the output folder of the application itself: name another")
			}
			return Folder{Path: c.TargetFolder}, nil
		},
		refused: "target_folder",
	},
}

// kindOf finds the row of a target, nil if there is none.
func kindOf(target string) *kind {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == target })
	if i < 0 {
		return nil
	}
	return &kinds[i]
}

func (k *kind) key(name string) (key, bool) {
	i := slices.IndexFunc(k.keys, func(of key) bool { return of.name == name })
	if i < 0 {
		return key{}, false
	}
	return k.keys[i], true
}

// ownKeys are the keys that some targets have and others have not, in order.
func ownKeys() []string {
	var names []string
	for _, k := range kinds {
		for _, of := range k.keys {
			names = append(names, of.name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// having names the targets that have a key.
func having(name string) string {
	var names []string
	for _, k := range kinds {
		if _, has := k.key(name); has {
			names = append(names, k.name)
		}
	}
	return strings.Join(names, ", ")
}
