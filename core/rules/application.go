package rules

import (
	"slices"
	"strings"

	"smtpreceiver/core/access"
	"smtpreceiver/core/config"
	"smtpreceiver/core/ctl"
	"smtpreceiver/core/job"
	"smtpreceiver/core/match"
	"smtpreceiver/core/number"
)

// Application is one of the configuration made ready: the rules of who may use
// it, and the recipe of what is written.
type Application struct {
	Name        string
	Conf        *config.Application
	Addresses   []*match.Expression
	FromEnabled match.Set
	FromDenied  match.Set
	Region      number.Region
	Numbers     match.Set // numbers_allowed; empty: every number
	NoNumbers   match.Set
	Clients     *access.List // the list that applies: own, or the global one
	Own         bool         // Clients is the application's own list
	Terminator  *Terminator  // nil: the standard one only
	Recipe      *job.Recipe  // what is written
}

// Terminator is a nonstandard end of DATA and the clients that send it.
type Terminator struct {
	End     []byte
	Clients *access.List
}

// Key is the full name of one of its keys.
func (a *Application) Key(name string) string { return config.KeyPath("applications", a.Name, name) }

// Number is what a consumer dials for a number as people write it: what it reads in the
// control file, where a character that the code page lacks is another one (٩ is 9), or
// none (an accent); then cleaned, and completed where there is a region.
func (a *Application) Number(written string) string {
	if !strings.ContainsFunc(written, func(r rune) bool { return r < ' ' || r > '~' }) {
		return a.Region.Number(written) // as nearly all are
	}
	d := ctl.New()
	d.Set("to", "number", written)
	read := d.Get("to", "number")
	if a.Recipe != nil && a.Recipe.Page != nil {
		read = a.Recipe.Page.Decode(a.Recipe.Page.Encode(read))
	}
	return a.Region.Number(read)
}

// Judge holds the number rules for a number as Number gives it. denied is the place of
// the expression of numbers_denied that matches, allowed that of numbers_allowed; -1:
// none.
func (a *Application) Judge(dialled string) (denied, allowed int) {
	denied, allowed = -1, -1
	if i, ok := a.NoNumbers.Match(dialled); ok && dialled != "" {
		denied = i
	}
	if i, ok := a.Numbers.Match(dialled); ok {
		allowed = i
	}
	return denied, allowed
}

// Dialled completes the number among the groups of a match where the
// application has a region; else it stays as it was written.
func (a *Application) Dialled(groups []match.Group) []match.Group {
	if a.Region == (number.Region{}) {
		return groups
	}
	out := slices.Clone(groups)
	for i, g := range out {
		if g.Name == "number" {
			out[i].Value = a.Number(g.Value)
		}
	}
	return out
}
