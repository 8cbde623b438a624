package auth

import (
	"hash/maphash"
	"slices"
	"strings"
	"sync"
)

// maxKinds bounds how many kinds of hash are remembered: one database holds a few.
const maxKinds = 16

// decoys are what unknown users are compared with: one hash of each kind that
// was found so far, always the same kind for the same name, so that the time an
// answer takes tells no unknown user from a known one, also where kinds are
// mixed.
type decoys struct {
	seed maphash.Seed

	mu    sync.Mutex
	kinds []string // in the order they were found
	all   []storedHash
}

func newDecoys() *decoys { return &decoys{seed: maphash.MakeSeed()} }

// found remembers the hash if it is the first of its kind.
func (d *decoys) found(text string, stored storedHash) {
	kind := kindOf(text)
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.kinds) < maxKinds && !slices.Contains(d.kinds, kind) {
		d.kinds, d.all = append(d.kinds, kind), append(d.all, stored)
	}
}

// of is the hash to compare the password of an unknown user with.
func (d *decoys) of(user string) storedHash {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.all) == 0 {
		return decoy()
	}
	return d.all[maphash.String(d.seed, user)%uint64(len(d.all))]
}

// kindOf is what comes before the salt in a hash that parseHash took: the
// method and what it costs.
func kindOf(text string) string {
	fields := strings.SplitAfter(text, "$") // "$" "2b$" "10$" …, "$" "6$" "rounds=5000$" …, "$" "argon2id$" "v=19$" "m=…$" …
	n := 2
	for strings.Contains(fields[n], "=") || n == 2 && strings.HasPrefix(fields[1], "2") { // the last field has no =
		n++
	}
	return strings.Join(fields[:n], "")
}
