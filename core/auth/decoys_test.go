package auth

import (
	"fmt"
	"testing"
)

// TestDecoysAreAsMixedAsTheUsers: the hash that an unknown name is compared
// with is of a kind that was found, always the same one for one name, and every
// kind serves some names.
func TestDecoysAreAsMixedAsTheUsers(t *testing.T) {
	t.Parallel()
	d := newDecoys()
	if d.of("nobody").memory != newMemory {
		t.Error("while nothing is found, the kind that hash-password makes is compared with")
	}
	for _, hash := range []string{bcryptOfSecret, fewRoundsSecret, argon2OfIts, bcryptOfSecret} {
		stored, err := parseHash(hash)
		if err != nil {
			t.Fatal(err)
		}
		d.found(hash, stored)
	}
	uses := map[storedHash]int{}
	for i := range 300 {
		user := fmt.Sprintf("user%d", i)
		first := d.of(user)
		if d.of(user) != first {
			t.Fatalf("%s is compared with two kinds", user)
		}
		uses[first]++
	}
	if len(uses) != 3 {
		t.Errorf("%d kinds are in use, want 3", len(uses))
	}
}

func TestDecoysAreBounded(t *testing.T) {
	t.Parallel()
	d := newDecoys()
	for rounds := range 10 * maxKinds {
		d.found(fmt.Sprintf("$6$rounds=%d$salt$x", 1000+rounds), storedHash{})
	}
	if len(d.all) != 16 {
		t.Errorf("%d kinds are remembered", len(d.all))
	}
}

func TestKindOf(t *testing.T) {
	t.Parallel()
	for hash, want := range map[string]string{
		bcryptOfSecret:  "$2b$04$",
		sha256OfSecret:  "$5$",
		sha512OfSecret:  "$6$",
		fewRoundsSecret: "$6$rounds=1000$",
		argon2OfIts:     "$argon2id$v=19$m=65536,t=2,p=1$",
	} {
		if got := kindOf(hash); got != want {
			t.Errorf("%s: %s, want %s", hash, got, want)
		}
	}
}
