//go:build unix

package auth

import (
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"smtpreceiver/contrib/mtatest"
)

const slapdConf = `
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCertificateFile cert.pem
TLSCertificateKeyFile key.pem
database mdb
suffix dc=example,dc=com
directory data
maxsize 10485760
rootdn cn=admin,dc=example,dc=com
rootpw admin
access to attrs=userPassword by anonymous auth by * none
access to dn.base=dc=example,dc=com by * read
access to * by dn.base=cn=search,dc=example,dc=com read by %s
`

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

dn: cn=no password,dc=example,dc=com
objectClass: inetOrgPerson
cn: no password
sn: none
mail: nopassword@example.com
`

// slapd is a private LDAP server with people in it.
type slapd struct {
	*daemon
	start   func()
	tlsPort int
	roots   *x509.CertPool // for localhost
}

// newSlapd starts a server that lets others than the search account read or
// not, as access says: "anonymous read".
func newSlapd(t *testing.T, access string) *slapd {
	t.Helper()
	d, program := newDaemon(t, "/usr/sbin/slapd", "slapd", "openldap")
	s := &slapd{daemon: d, tlsPort: mtatest.FreePort(t)}
	_, roots, certFile, keyFile := mtatest.Certificate(t, "localhost")
	s.roots = roots
	data := slapdData
	for user, password := range people {
		data += fmt.Sprintf("\ndn: cn=%s,dc=example,dc=com\nobjectClass: inetOrgPerson\ncn: %[1]s\nsn: x\nmail: %[1]s\nuserPassword: %[2]s\n", user, password)
	}
	files := map[string]string{"slapd.conf": fmt.Sprintf(slapdConf, access), "data.ldif": strings.TrimPrefix(data, "\n")}
	for name, from := range map[string]string{"cert.pem": certFile, "key.pem": keyFile} {
		content, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(content)
	}
	for name, content := range files {
		path := filepath.Join(d.dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, int(d.owner.Uid), int(d.owner.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	d.run(t, "mkdir", "data")
	d.run(t, "/usr/sbin/slapadd", "-q", "-f", "slapd.conf", "-l", "data.ldif")
	s.start = func() {
		d.start(t, "TERM", program, "-d", "0", "-f", "slapd.conf", "-h",
			fmt.Sprintf("ldap://%s/ ldaps://127.0.0.1:%d/", d.addr(), s.tlsPort))
	}
	s.start()
	return s
}

// options are for a search without an account and a connection without TLS.
func (s *slapd) options() Options {
	o := options("ldap")
	o.URL, o.BaseDN, o.Filter = fmt.Sprintf("ldap://localhost:%d", s.port), "dc=example,dc=com", "(&(objectClass=inetOrgPerson)(mail=%s))"
	return o
}
