package auth

import (
	"strings"
	"testing"
)

// Hashes made elsewhere, by openssl passwd, crypt(3) and the reference
// implementation of argon2.
const (
	bcryptOfSecret  = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"
	sha256OfSecret  = "$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA"
	sha512OfSecret  = "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1"
	fewRoundsSecret = "$6$rounds=1000$abc$MqEcPZUYRGGcOeq7PhMpfjfu/F0HrVEI0OlZBijWvO8mSG77iNUDP5MqFceKpJTBc8iITVtNyLiNTRNCxv6oh0"
	argon2OfIts     = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc" // of "password"
)

func TestHashesAccepted(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ hash, password string }{
		{bcryptOfSecret, "secret"},
		{strings.Replace(bcryptOfSecret, "2b", "2a", 1), "secret"},
		{strings.Replace(bcryptOfSecret, "2b", "2y", 1), "secret"},
		{sha256OfSecret, "secret"},
		{sha512OfSecret, "secret"},
		{fewRoundsSecret, "secret"},
		{"$5$rounds=1000$abc$Mz4DiYKTnNKbZLo/mIp3d8Y4aQBhv3uhSwxLDy55/Y8", "secret"},
		{argon2OfIts, "password"},
	} {
		stored, err := parseHash(test.hash)
		if err != nil {
			t.Errorf("%s %v", test.hash, err)
			continue
		}
		for password, want := range map[string]bool{test.password: true, test.password + " ": false, "": false, "Secret": false} {
			if got := stored.MatchesPassword(password); got != want {
				t.Errorf("%s matches %q: %v, want %v", test.hash, password, got, want)
			}
		}
	}
}

// TestMostExpensiveHashes are read.
func TestMostExpensiveHashes(t *testing.T) {
	t.Parallel()
	for _, hash := range []string{strings.Replace(bcryptOfSecret, "$04$", "$15$", 1), strings.Replace(fewRoundsSecret, "=1000$", "=1000000$", 1)} {
		if _, err := parseHash(hash); err != nil {
			t.Errorf("%s %v", hash, err)
		}
	}
}

// TestBoundsOfArgon2: salts and keys as short and as long as may be.
func TestBoundsOfArgon2(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		salt, key int
		ok        bool
	}{{8, 16, true}, {64, 64, true}, {7, 16, false}, {65, 32, false}, {8, 15, false}, {8, 65, false}} {
		a := &argon2Hash{memory: 8, passes: 1, lanes: 1, salt: make([]byte, tt.salt), key: make([]byte, tt.key)}
		if _, err := parseHash(a.String()); (err == nil) != tt.ok {
			t.Errorf("salt of %d bytes, key of %d: %v", tt.salt, tt.key, err)
		}
	}
}

// TestWholeHashCounts: of a hash that is right but for its last byte, or its
// first, no password is known.
func TestWholeHashCounts(t *testing.T) {
	t.Parallel()
	for _, at := range []int{0, newKeyLen - 1} {
		stored, err := parseHash(argon2OfIts)
		if err != nil {
			t.Fatal(err)
		}
		stored.EncodedPasswd.(*argon2Hash).key[at] ^= 1
		if stored.MatchesPassword("password") {
			t.Errorf("byte %d of the hash does not count", at)
		}
	}
}

func TestHashesRefused(t *testing.T) {
	t.Parallel()
	argon2 := func(from, to string) string { return strings.Replace(argon2OfIts, from, to, 1) }
	const outOfBounds = "is argon2id with parameters out of bounds"
	for _, test := range []struct{ hash, says string }{
		{"", "plain text"},
		{"secret", "plain text"},
		{"$9$x", "unknown kind"},
		{strings.Repeat("x", maxHash), "unknown kind"},
		{strings.Repeat("x", maxHash+1), "more than 512 bytes"},
		{"$y$j9T$abcdefgh$IUWJt2doU4Kf6E/JP1UkAT3S5O3Q7SSA8SJirXIlEu9", "yescrypt"},
		{"$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1", "MD5"},
		{"$apr1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1", "MD5"},
		{"{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "SHA-1"},
		{"{SSHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "SHA-1"},
		{strings.Replace(bcryptOfSecret, "2b", "2x", 1), "known fault"},
		{bcryptOfSecret[:59], "damaged bcrypt"},
		{bcryptOfSecret + "x", "damaged bcrypt"},
		{strings.Replace(bcryptOfSecret, "$04$", "$03$", 1), "cost 03"},
		{strings.Replace(bcryptOfSecret, "$04$", "$16$", 1), "cost 16"},
		{strings.Replace(bcryptOfSecret, "$04$", "$xx$", 1), "damaged bcrypt"},
		{"$5$", "damaged SHA-crypt"},
		{"$6$saltsalt", "damaged SHA-crypt"},
		{sha512OfSecret + ":1:2", "damaged SHA-crypt"},
		{sha256OfSecret[:len(sha256OfSecret)-1], "damaged SHA-crypt"},
		{strings.Replace(sha512OfSecret, "saltsalt", "", 1), "damaged SHA-crypt"},
		{strings.Replace(sha512OfSecret, "saltsalt", "12345678901234567", 1), "damaged SHA-crypt"},
		{strings.Replace(sha512OfSecret, "saltsalt", "round=1000$saltsalt", 1), "damaged SHA-crypt"},
		{strings.Replace(sha512OfSecret, "saltsalt", "rounds=1000", 1), "damaged SHA-crypt"}, // go-htpasswd panics
		{strings.Replace(sha256OfSecret, "saltsalt", "rounds=x", 1), "damaged SHA-crypt"},
		{strings.Replace(fewRoundsSecret, "=1000$", "=x$", 1), "damaged SHA-crypt"},
		{strings.Replace(fewRoundsSecret, "=1000$", "=01000$", 1), "damaged SHA-crypt"}, // and cuts at the wrong place
		{strings.Replace(fewRoundsSecret, "=1000$", "=999$", 1), "999 SHA-crypt rounds"},
		{strings.Replace(fewRoundsSecret, "=1000$", "=1000001$", 1), "1000001 SHA-crypt rounds"},
		{strings.Replace(argon2OfIts, "argon2id", "argon2i", 1), "is argon2i,"},
		{strings.Replace(argon2OfIts, "argon2id", "argon2d", 1), "is argon2d,"},
		{argon2("v=19", "v=16"), "damaged argon2id"},
		{argon2("t=2,p=1", "p=1,t=2"), "damaged argon2id"},
		{argon2("c29tZXNhbHQ", "c29tZXNhbHR"), "damaged argon2id"}, // bits left over
		{argon2("c29tZXNhbHQ", "c29tZXNhbHQ=="), "damaged argon2id"},
		{argon2("c29tZXNhbHQ", "c29tZXNhbA"), "a salt that has not"},
		{argon2("CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", "CTFhFdXPJO1aFaMa"), "a key that has not"},
		{argon2("t=2", "t=0"), "damaged argon2id"},
		{argon2("p=1", "p=0"), "damaged argon2id"},
		{argon2("m=65536", "m=262145"), outOfBounds},
		{argon2("m=65536", "m=7"), outOfBounds},
		{argon2("t=2", "t=17"), outOfBounds},
		{argon2("t=2", "t=99999999"), outOfBounds},
		{argon2("p=1", "p=17"), outOfBounds},
	} {
		_, err := parseHash(test.hash)
		if err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%q: %v, want one that says %q", test.hash, err, test.says)
		} else if len(test.hash) > 10 && strings.Contains(err.Error(), test.hash[len(test.hash)-10:]) {
			t.Errorf("%q: the error shows it: %v", test.hash, err)
		}
	}
}

func TestHash(t *testing.T) {
	t.Parallel()
	first, err := Hash("grün€")
	if err != nil {
		t.Fatal(err)
	}
	second, err := Hash("grün€")
	if err != nil || first == second {
		t.Errorf("a second hash of the same password: %s, %v; want another one than %s", second, err, first)
	}
	stored, err := parseHash(first)
	if !strings.HasPrefix(first, "$argon2id$v=19$m=47104,t=1,p=1$") {
		t.Error(first)
	}
	if err != nil || len(first) != 97 || stored.memory != newMemory {
		t.Fatalf("%s: %d characters, %d KiB, %v", first, len(first), stored.memory, err)
	}
	if !stored.MatchesPassword("grün€") || stored.MatchesPassword("grun€") {
		t.Error("the hash does not tell the password from another")
	}
	for _, password := range []string{"", "a\x00b", strings.Repeat("x", maxPassword+1)} {
		if hash, err := Hash(password); err == nil {
			t.Errorf("%.10q of %d bytes has the hash %s, but nobody could log in with it", password, len(password), hash)
		}
	}
	if _, err := Hash(strings.Repeat("x", maxPassword)); err != nil {
		t.Error(err)
	}
}

// FuzzParseHash looks for hashes that are accepted and then panic, or match
// what they should not.
func FuzzParseHash(f *testing.F) {
	for _, hash := range []string{bcryptOfSecret, sha256OfSecret, sha512OfSecret, fewRoundsSecret,
		"$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", "$y$j9T$x$y", "plain"} {
		f.Add(hash, "secret")
	}
	f.Fuzz(func(t *testing.T, hash, password string) {
		stored, err := parseHash(hash)
		if err != nil {
			return
		}
		if a, ok := stored.EncodedPasswd.(*argon2Hash); ok {
			if a.String() != hash {
				t.Errorf("%q is read as %q", hash, a)
			}
			if int64(a.memory)*int64(a.passes) > 1024 {
				return // too slow for a fuzz test
			}
		} else if strings.HasPrefix(hash, "$2") && !strings.HasPrefix(hash[3:], "$04$") ||
			strings.Contains(hash, "rounds=") && !strings.Contains(hash, "rounds=1000$") {
			return
		}
		if len(password) <= maxPassword && stored.MatchesPassword(password) && password != "secret" {
			t.Errorf("%q matches %q", hash, password)
		}
	})
}
