package config

import (
	"strings"

	"smtpreceiver/core/suggest"
)

// replaced are keys of the original that have none of ours in their place, and
// what to do instead.
var replaced = map[string]string{
	"authentication_lib": "remove it, and set up the section authentication (backend file, sql or ldap) if clients on no list are to log in",
}

// unknown explains a key that its level does not have; shown and prefix stand
// before the level's keys in messages and in the schema.
func unknown(name, shown, prefix string, s schema) (what, remedy string) {
	what = "unknown key"
	if remedy, ok := replaced[name]; ok {
		return "the original's key, not taken over", remedy
	}
	var elsewhere []string
	for _, key := range Keys() {
		if key.Name == name || strings.HasSuffix(key.Name, "."+name) {
			elsewhere = append(elsewhere, key.Name)
		}
	}
	if elsewhere != nil {
		return what + " here", "it belongs to " + strings.Join(elsewhere, " or ")
	}
	names := s.names(prefix)
	if question := suggest.Question(name, shown, names); question != "" {
		return what, question
	}
	if len(names) > 6 {
		return what, "remove it; the sample configuration shows every key"
	}
	return what, "remove it; the keys here are " + strings.Join(names, ", ")
}
