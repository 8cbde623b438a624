//go:build unix

package auth

import (
	"fmt"
	"testing"

	"smtpreceiver/contrib/mtatest"
)

const slapdData = `
dn: dc=example,dc=com
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: cn=search,dc=example,dc=com
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: search
userPassword: find

dn: cn=twice a,dc=example,dc=com
objectClass: inetOrgPerson
cn: twice a
sn: a
mail: twice@example.com
userPassword: secret

dn: cn=twice b,dc=example,dc=com
objectClass: inetOrgPerson
cn: twice b
sn: b
mail: twice@example.com
userPassword: secret

dn: cn=often a,dc=example,dc=com
objectClass: inetOrgPerson
cn: often a
sn: a
mail: often@example.com

dn: cn=often b,dc=example,dc=com
objectClass: inetOrgPerson
cn: often b
sn: b
mail: often@example.com

dn: cn=often c,dc=example,dc=com
objectClass: inetOrgPerson
cn: often c
sn: c
mail: often@example.com

dn: cn=no password,dc=example,dc=com
objectClass: inetOrgPerson
cn: no password
sn: none
mail: nopassword@example.com
`

// slapd is a private LDAP server with people in it.
type slapd struct{ *mtatest.Slapd }

// newSlapd starts a server that lets others than the search account read or
// not, as access says: "anonymous read".
func newSlapd(t *testing.T, access string) *slapd {
	t.Helper()
	data := slapdData
	for user, password := range people {
		data += fmt.Sprintf("\ndn: cn=%s,dc=example,dc=com\nobjectClass: inetOrgPerson\ncn: %[1]s\nsn: x\nmail: %[1]s\nuserPassword: %[2]s\n", user, password)
	}
	return &slapd{mtatest.NewSlapd(t, access, data)}
}

// options are for a search without an account and a connection without TLS.
func (s *slapd) options() Options {
	o := options("ldap")
	o.URL, o.BaseDN, o.Filter = fmt.Sprintf("ldap://localhost:%d", s.Port), "dc=example,dc=com", "(&(objectClass=inetOrgPerson)(mail=%s))"
	return o
}
