package auth

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"golang.org/x/crypto/argon2"
)

// What Hash makes: the first of OWASP's choices of equal strength, 46 MiB in one pass.
const (
	newMemory  = 46 * 1024 // KiB
	newPasses  = 1
	newLanes   = 1
	newSaltLen = 16
	newKeyLen  = 32
)

// Bounds of what is accepted.
const (
	maxArgon2Memory = memoryBudget
	maxArgon2Work   = 1 << 20 // KiB times passes
	maxArgon2Lanes  = 16
)

// argon2Hash is an argon2id hash (RFC 9106, version 0x13).
type argon2Hash struct {
	memory, passes uint32 // memory in KiB
	lanes          uint8
	salt, key      []byte
}

// MatchesPassword makes it an htpasswd.EncodedPasswd.
func (a *argon2Hash) MatchesPassword(password string) bool {
	return subtle.ConstantTimeCompare(a.key, a.derive(password)) == 1
}

func (a *argon2Hash) derive(password string) []byte {
	return argon2.IDKey([]byte(password), a.salt, a.passes, a.memory, a.lanes, uint32(len(a.key)))
}

// String is the PHC string.
func (a *argon2Hash) String() string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, a.memory, a.passes, a.lanes, b64.EncodeToString(a.salt), b64.EncodeToString(a.key))
}

// Hash makes an argon2id hash for a users file or database, a PHC string of 97
// characters. The error is about the password, which must have 1 to 1024 bytes.
func Hash(password string) (string, error) {
	if err := checkPassword(password); err != nil {
		return "", err
	}
	a := newArgon2()
	rand.Read(a.salt) // never fails
	a.key = a.derive(password)
	return a.String(), nil
}

// newArgon2 is a hash of the kind Hash makes, which no password has.
func newArgon2() *argon2Hash {
	return &argon2Hash{newMemory, newPasses, newLanes, make([]byte, newSaltLen), make([]byte, newKeyLen)}
}

var argon2Form = regexp.MustCompile(
	`^\$argon2id\$v=19\$m=([1-9][0-9]{0,7}),t=([1-9][0-9]{0,7}),p=([1-9][0-9]{0,7})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$`)

func parseArgon2(text string) (storedHash, error) {
	fields := argon2Form.FindStringSubmatch(text)
	if fields == nil {
		return storedHash{}, errors.New("is a damaged argon2id PHC string")
	}
	var parameters [3]int64 // of at most eight digits
	for i := range parameters {
		parameters[i], _ = strconv.ParseInt(fields[i+1], 10, 64)
	}
	memory, passes, lanes := parameters[0], parameters[1], parameters[2]
	salt, saltErr := base64.RawStdEncoding.Strict().DecodeString(fields[4])
	key, keyErr := base64.RawStdEncoding.Strict().DecodeString(fields[5])
	switch {
	case saltErr != nil || keyErr != nil:
		return storedHash{}, errors.New("is a damaged argon2id PHC string")
	case len(salt) < 8 || len(salt) > 64 || len(key) < 16 || len(key) > 64:
		return storedHash{}, errors.New("is argon2id with a salt that has not 8 to 64 bytes, or a key that has not 16 to 64")
	case memory < 8*lanes || memory > maxArgon2Memory || memory*passes > maxArgon2Work || lanes > maxArgon2Lanes:
		return storedHash{}, fmt.Errorf("is argon2id with parameters out of bounds (m from 8p to %d, m times t up to %d, p up to %d)",
			maxArgon2Memory, maxArgon2Work, maxArgon2Lanes)
	}
	a := &argon2Hash{uint32(memory), uint32(passes), uint8(lanes), salt, key}
	return storedHash{a, memory}, nil
}
