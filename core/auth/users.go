package auth

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"strings"
)

// maxBadLines is how many bad lines of a users file are told at once.
const maxBadLines = 20

// userTable is the content of a users file.
type userTable struct {
	users map[string]int // name to index in all
	all   []storedHash
	seed  maphash.Seed
}

// Len counts the users.
func (t *userTable) Len() int { return len(t.all) }

// lookup finds the hash of a user. For an unknown user it is that of somebody
// else, the same one for the same name every time, so that comparing the
// password with it takes as long as it takes for the users there are, of
// whatever kinds their hashes may be.
func (t *userTable) lookup(user string) (stored storedHash, known bool) {
	i, known := t.users[user]
	switch {
	case known:
	case len(t.all) == 0:
		return decoy(), false
	default:
		i = int(maphash.String(t.seed, user) % uint64(len(t.all)))
	}
	return t.all[i], known
}

// decoy is a hash to compare with where there is none.
func decoy() storedHash {
	return storedHash{newArgon2(), newMemory}
}

// parseUsers reads lines of name:hash. Empty lines and lines that begin with #
// are skipped. The error lists the bad lines by path and line number, and never
// shows a hash.
func parseUsers(path string, data []byte) (*userTable, error) {
	t := &userTable{users: map[string]int{}, seed: maphash.MakeSeed()}
	lines := map[string]int{} // name to line
	var problems []error
	number := 0
	for line := range bytes.Lines(bytes.TrimPrefix(data, []byte("\uFEFF"))) {
		number++
		text := strings.TrimSpace(string(line))
		if text == "" || text[0] == '#' {
			continue
		}
		name, stored, err := parseUser(text)
		if first, twice := lines[name]; err == nil && twice {
			err = fmt.Errorf("%q has a line already, line %d: remove one", name, first)
		}
		if err != nil {
			if len(problems) == maxBadLines {
				return nil, errors.Join(append(problems, bad("users_file", "%s: further lines are bad too", path))...)
			}
			problems = append(problems, bad("users_file", "%s:%d: %w", path, number, err))
			continue
		}
		t.users[name], lines[name] = len(t.all), number
		t.all = append(t.all, stored)
	}
	return t, errors.Join(problems...)
}

func parseUser(line string) (name string, stored storedHash, err error) {
	name, hash, found := strings.Cut(line, ":")
	if !found {
		return "", storedHash{}, errors.New("no colon: write name:hash")
	}
	if err := checkUser(name); err != nil {
		return "", storedHash{}, err
	}
	if stored, err = parseHash(hash); err != nil {
		err = fmt.Errorf("the hash of %q %w: make one with smtpreceiver hash-password", name, err)
	}
	return name, stored, err
}
