// Package config reads the configuration into typed, defaulted settings and
// says everything that is wrong with it at once.
//
// The struct tags of Settings, Application and Consumer are the only list of keys: the
// loader, the environment, validation, the key table of the documentation and
// the sample configuration are all read from them.
//
//	key      the name in the file
//	default  what holds when the key is absent, written as in the file
//	doc      one or two sentences for the administrator
//	section  heading in the documentation, for this key and those after it
//	type     how the text is read where the Go type does not tell: size, mode, escaped
//	min, max bounds of a number, duration or size
//	oneof    the values allowed, separated by '|'; for a list, of each entry
//	letters  the letters the value may consist of
//	split    a list given as one string is split at this character
//	start    next: a reload does not take the value over
//	secret   value: a password may stand here; file: it names a file that holds a secret
//	required the value may not be empty; folders: but where queue.servers is set
//	example  what the sample configuration shows for a required key
//
// viper joins the environment to the file and decodes TOML. It does little
// more here, because every problem is told with its key and line, keys keep
// their case, and defaults come from the tags. It stays all the same: it is the
// library that was asked for, and an administrator who knows it finds the usual
// formats, places and order of the environment and the file.
package config
