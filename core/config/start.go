package config

import "reflect"

// FromNextStart are the keys that a running service does not take over, and that differ
// from those it was started with.
func (s *Settings) FromNextStart(started *Settings) (keys []string) {
	for _, f := range schemaOf[Settings]().fields {
		if f.fromNextStart() && !reflect.DeepEqual(f.in(s).Interface(), f.in(started).Interface()) {
			keys = append(keys, f.name)
		}
	}
	return keys
}

func (f field) fromNextStart() bool { return f.tag.Get("start") != "" }

// doc is what the documentation says of the key.
func (f field) doc() string {
	if f.fromNextStart() {
		return f.tag.Get("doc") + " Counts from the next start."
	}
	return f.tag.Get("doc")
}
