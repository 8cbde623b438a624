package targets

import (
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"smtpreceiver/core/config"
	"smtpreceiver/core/consume/targets/hylafax"
	"smtpreceiver/core/consume/targets/webservice"
	"smtpreceiver/core/ctl"
)

// Check adds to problems what is wrong with the consumers of a configuration
// beyond what each key tells by itself.
func Check(s *config.Settings, problems *config.Problems) (warnings []string) {
	warnings = checkReports(s, problems)
	serves, shown := map[string]string{}, map[string][2]string{}
	for _, name := range slices.Sorted(maps.Keys(s.Consume)) {
		c := s.Consume[name]
		k := kindOf(c.Target)
		if k == nil {
			continue // said already
		}
		if _, missing, err := hylafax.New(c); err == nil {
			for _, extension := range slices.Sorted(maps.Keys(missing)) {
				warnings = append(warnings, config.KeyPath("consume", name, "convert", extension)+": "+missing[extension].Error()+"; until then jobs with such attachments wait")
			}
		}
		appName := c.ApplicationOf(name)
		app, found := s.Applications[appName]
		if !found {
			app = new(config.Application)
		}
		problems.Merge(k.check(name, c, app))
		if !found {
			continue // said already
		}
		application := config.KeyPath("consume", name, "application")
		if other, twice := serves[appName]; twice {
			warnings = append(warnings, application+": consume."+other+" serves "+appName+" too; each job goes to one of the two")
		}
		serves[appName] = name
		if done, failed := c.Folders(app.OutputFolder); !s.Queue.On() {
			if first, twice := shown[appName]; twice && first != [2]string{done, failed} {
				warnings = append(warnings, config.KeyPath("consume", name)+": jobs, status and metrics look for the jobs of "+appName+" that are done or have failed in "+first[0]+" and "+first[1]+" only: set done_folder and failed_folder to these")
			} else if !twice {
				shown[appName] = [2]string{done, failed}
			}
		}
		if layout, err := layoutOf(s, app); err == nil {
			if key := dropped(layout, app); key != "" {
				problems.Add(application, "ctl_layout drops "+key+", without which nothing can be handed on", "rename the key instead")
			}
		}
		if k.name == "http" {
			plainText, inClear := webservice.Asks(c, app)
			if plainText && !slices.Equal(app.FormatPreference, text) {
				warnings = append(warnings, config.KeyPath("applications", appName, "format_preference")+": consume."+name+" needs the text in format txt, other jobs will fail")
			}
			if inClear {
				warnings = append(warnings, config.KeyPath("consume", name, "url")+": what is sent can be read on the way, passwords too: use https")
			}
		}
		if k.formats != nil && !slices.Equal(app.FormatPreference, k.formats) {
			warnings = append(warnings, config.KeyPath("applications", appName, "format_preference")+": consume."+name+" can hand on format txt only, other jobs will fail")
		}
		if done, _ := c.Folders(app.OutputFolder); !s.Queue.On() && k.later && within(done, app.OutputFolder) {
			warnings = append(warnings, config.KeyPath("consume", name, "done_folder")+": "+k.name+" reads a job's files there after it has taken the job, and who may write to "+app.OutputFolder+" could exchange them: name a folder beside it that belongs to the consumer's user")
		}
		if !app.Enabled {
			warnings = append(warnings, application+": "+appName+" is not enabled, so it makes no jobs")
		}
	}
	return warnings
}

// within tells a folder that lies in another.
func within(folder, other string) bool {
	rel, err := filepath.Rel(other, folder)
	return err == nil && filepath.IsLocal(rel)
}

// check holds a consumer's keys against those that its target has.
func (k *kind) check(name string, c *config.Consumer, app *config.Application) (problems config.Problems) {
	path := func(key string) string { return config.KeyPath("consume", name, key) }
	for _, name := range ownKeys() {
		of, has := k.key(name)
		switch set := c.IsSet(name); {
		case set && !has:
			problems.Add(path(name), "has no meaning for target "+k.name, "remove it; it is a key of "+having(name))
		case !set && of.example != "":
			problems.Add(path(name), "missing, target "+k.name+" needs it", "set it, for example to "+of.example)
		}
	}
	if len(c.OnFailed) > 0 {
		if err := checkCommand(c.OnFailed, reason); err != nil {
			problems.Merge(config.Problems{{Key: path("on_failed"), What: err.Error()}})
		}
	}
	if _, err := k.make(c, app); err != nil {
		var of config.Problems
		if !errors.As(err, &of) {
			of.Add(k.refused, err.Error(), "")
		}
		for _, problem := range of { // of each key the first
			problems.Merge(config.Problems{{Key: config.KeyPath("consume", name) + "." + problem.Key, What: problem.What}})
		}
	}
	return problems
}

// dropped is a key that each target needs and that a layout does not keep; "": none.
func dropped(layout ctl.Layout, app *config.Application) string {
	needed := []string{"system/txt", "to/number"}
	if app.ProcessAttachments {
		needed = append(needed, "attachments/count", "attachments/1")
	}
	for _, key := range needed {
		section, name, _ := strings.Cut(key, "/")
		if section, _ = layout.Place(section, name); section == "" {
			return key
		}
	}
	return ""
}
