package auth

import (
	"fmt"
	"strings"
	"testing"
)

func TestParseUsers(t *testing.T) {
	t.Parallel()
	table, err := parseUsers("users", []byte("\uFEFF# people\r\n\r\njan@example.com:"+bcryptOfSecret+"\r\n"+
		"  Žofie@example.com:"+sha512OfSecret+"  \n#x:"+bcryptOfSecret+"\n\"a b\"@example.com:"+sha256OfSecret))
	if err != nil {
		t.Fatal(err)
	}
	for user, want := range map[string]bool{
		"jan@example.com": true, "Žofie@example.com": true, `"a b"@example.com`: true,
		"Jan@example.com": false, "jan@example.com ": false, "#x": false, "": false,
	} {
		if stored, known := table.lookup(user); known != want || stored.EncodedPasswd == nil {
			t.Errorf("%q: known %v, want %v; hash %v", user, known, want, stored)
		}
	}
	if len(table.all) != 3 {
		t.Errorf("%d users", len(table.all))
	}
}

func TestBadLines(t *testing.T) {
	t.Parallel()
	_, err := parseUsers("/etc/users", []byte(strings.Join([]string{
		"jan:" + bcryptOfSecret,
		"no colon",
		":" + bcryptOfSecret,
		"plain:secret",
		"debian:$y$j9T$abcdefgh$IUWJt2doU4Kf6E/JP1UkAT3S5O3Q7SSA8SJirXIlEu9",
		"old:$apr1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1",
		"shadow:" + sha512OfSecret + ":19000:0:99999:7:::",
		"jan:" + sha512OfSecret,
		"a\tb:" + bcryptOfSecret,
		"\xff:" + bcryptOfSecret,
		"eva:" + bcryptOfSecret,
	}, "\n")))
	const remedy = ": make one with smtpreceiver hash-password"
	want := []string{
		"/etc/users:2: no colon: write name:hash",
		"/etc/users:3: the user name is empty",
		`/etc/users:4: the hash of "plain" is of an unknown kind or plain text, which is refused` + remedy,
		`/etc/users:5: the hash of "debian" is yescrypt (the default of Debian's passwd), which is not supported` + remedy,
		`/etc/users:6: the hash of "old" is MD5, which is refused as too weak` + remedy,
		`/etc/users:7: the hash of "shadow" is damaged SHA-crypt` + remedy,
		`/etc/users:8: "jan" has a line already, line 1: remove one`,
		"/etc/users:9: the user name has control characters",
		"/etc/users:10: the user name is not UTF-8",
	}
	if got := fmt.Sprint(err); got != strings.Join(want, "\n") {
		t.Errorf("got:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
	}
	for _, users := range []int{20, 21, 10_000} {
		_, err := parseUsers("users", []byte(strings.Repeat("x\n", users)))
		lines := strings.Split(err.Error(), "\n")
		if len(lines) != min(users, 21) || (users > 20) != strings.HasSuffix(lines[len(lines)-1], "bad too") {
			t.Errorf("%d bad lines are told in %d: %s", users, len(lines), lines[len(lines)-1])
		}
	}
}

// TestUnknownUsersLookLikeKnownOnes: the hash they are compared with is one of
// those there are, always the same.
func TestUnknownUsersLookLikeKnownOnes(t *testing.T) {
	t.Parallel()
	table, err := parseUsers("users", []byte("a:"+bcryptOfSecret+"\nb:"+sha512OfSecret+"\nc:"+sha256OfSecret+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	used := map[storedHash]bool{}
	for i := range 200 {
		user := fmt.Sprintf("user%d", i)
		stored, known := table.lookup(user)
		again, _ := table.lookup(user)
		if known || stored != again {
			t.Fatalf("%s: known %v, %v and then %v", user, known, stored, again)
		}
		used[stored] = true
	}
	if len(used) != len(table.all) {
		t.Errorf("200 unknown users meet %d of %d hashes", len(used), len(table.all))
	}
	empty, err := parseUsers("users", nil)
	if err != nil {
		t.Fatal(err)
	}
	if stored, known := empty.lookup("x"); known || stored.memory != newMemory {
		t.Errorf("without any user: known %v, hash %v", known, stored)
	}
}

// FuzzParseUsers looks for files that panic, and for users that appear from nowhere.
func FuzzParseUsers(f *testing.F) {
	f.Add([]byte("# x\njan:" + bcryptOfSecret + "\n\nx\n"))
	f.Add([]byte("\uFEFFa:" + sha256OfSecret + "\r\nb:" + argon2OfIts))
	f.Fuzz(func(t *testing.T, data []byte) {
		table, err := parseUsers("users", data)
		if err != nil {
			if strings.Count(err.Error(), "\n") > maxBadLines {
				t.Errorf("%d lines of problems", strings.Count(err.Error(), "\n"))
			}
			return
		}
		if len(table.users) != len(table.all) {
			t.Errorf("%d names, %d hashes", len(table.users), len(table.all))
		}
		for user := range table.users {
			if !strings.Contains(string(data), user+":") || checkUser(user) != nil {
				t.Errorf("user %q", user)
			}
		}
	})
}
