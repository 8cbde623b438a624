package auth

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/tg123/go-htpasswd"
)

// Bounds of what one verification may cost, about two seconds each on a slow core.
const (
	maxBcryptCost = 15
	minSHARounds  = 1000 // by the definition of SHA-crypt; fewer make go-htpasswd compare the wrong bytes
	maxSHARounds  = 1_000_000
	maxHash       = 512 // bytes of a hash as it is stored
)

// storedHash is a password as a backend stores it.
type storedHash struct {
	htpasswd.EncodedPasswd
	memory int64 // KiB that a comparison takes
}

// The forms are checked strictly: go-htpasswd panics or matches nothing where a
// hash is damaged.
var (
	bcryptForm = regexp.MustCompile(`^\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}$`)
	sha256Form = regexp.MustCompile(`^\$5\$(?:rounds=([1-9][0-9]{0,8})\$)?([!-#%-9;-~]{1,16})\$[./0-9A-Za-z]{43}$`)
	sha512Form = regexp.MustCompile(`^\$6\$(?:rounds=([1-9][0-9]{0,8})\$)?([!-#%-9;-~]{1,16})\$[./0-9A-Za-z]{86}$`)
)

// kinds are the beginnings of hashes: how one of the kind is read, or why none is.
var kinds = []struct {
	prefix, refusal string
	parse           func(string) (storedHash, error)
}{
	{prefix: "$argon2id$", parse: parseArgon2},
	{prefix: "$2a$", parse: parseBcrypt},
	{prefix: "$2b$", parse: parseBcrypt},
	{prefix: "$2y$", parse: parseBcrypt},
	{prefix: "$5$", parse: parseSHACrypt},
	{prefix: "$6$", parse: parseSHACrypt},
	{prefix: "$y$", refusal: "is yescrypt (the default of Debian's passwd), which is not supported"},
	{prefix: "$gy$", refusal: "is gost-yescrypt, which is not supported"},
	{prefix: "$7$", refusal: "is scrypt, which is not supported"},
	{prefix: "$argon2i$", refusal: "is argon2i, which is not supported, only argon2id is"},
	{prefix: "$argon2d$", refusal: "is argon2d, which is not supported, only argon2id is"},
	{prefix: "$2x$", refusal: "is of a bcrypt with a known fault ($2x$)"},
	{prefix: "$1$", refusal: "is MD5, which is refused as too weak"},
	{prefix: "$apr1$", refusal: "is MD5, which is refused as too weak"},
	{prefix: "{SHA}", refusal: "is SHA-1, which is refused as too weak"},
	{prefix: "{SSHA}", refusal: "is SHA-1, which is refused as too weak"},
}

// parseHash reads a hash. Errors speak of it without showing it and continue
// "the hash of somebody".
func parseHash(text string) (storedHash, error) {
	if len(text) > maxHash {
		return storedHash{}, fmt.Errorf("has more than %d bytes", maxHash)
	}
	for _, kind := range kinds {
		switch {
		case !strings.HasPrefix(text, kind.prefix):
		case kind.refusal != "":
			return storedHash{}, errors.New(kind.refusal)
		default:
			return kind.parse(text)
		}
	}
	return storedHash{}, errors.New("is of an unknown kind or plain text, which is refused")
}

func parseBcrypt(text string) (storedHash, error) {
	fields := bcryptForm.FindStringSubmatch(text)
	if fields == nil {
		return storedHash{}, errors.New("is damaged bcrypt")
	}
	if cost, _ := strconv.Atoi(fields[1]); cost < 4 || cost > maxBcryptCost {
		return storedHash{}, fmt.Errorf("has the bcrypt cost %s, which is not from 04 to %d", fields[1], maxBcryptCost)
	}
	compare, err := htpasswd.AcceptBcrypt(text)
	return storedHash{EncodedPasswd: compare}, err
}

func parseSHACrypt(text string) (storedHash, error) {
	form := sha256Form
	if strings.HasPrefix(text, "$6$") {
		form = sha512Form
	}
	fields := form.FindStringSubmatch(text)
	if fields == nil || strings.HasPrefix(fields[2], "rounds=") { // then it is the salt that is missing
		return storedHash{}, errors.New("is damaged SHA-crypt")
	}
	if rounds, _ := strconv.Atoi(fields[1]); fields[1] != "" && (rounds < minSHARounds || rounds > maxSHARounds) {
		return storedHash{}, fmt.Errorf("has %s SHA-crypt rounds, which are not from %d to %d", fields[1], minSHARounds, maxSHARounds)
	}
	compare, err := htpasswd.AcceptCryptSha(text)
	return storedHash{EncodedPasswd: compare}, err
}
