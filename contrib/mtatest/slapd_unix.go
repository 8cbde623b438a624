//go:build unix

package mtatest

import (
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
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

// Slapd is a private LDAP server for dc=example,dc=com.
type Slapd struct {
	*Daemon
	Start   func()
	TLSPort int
	Roots   *x509.CertPool // for localhost
}

// NewSlapd starts a server with data, in LDIF. It lets others than
// cn=search,dc=example,dc=com read or not, as access says: "anonymous read".
func NewSlapd(t testing.TB, access, data string) *Slapd {
	t.Helper()
	d, program := NewDaemon(t, "/usr/sbin/slapd", "slapd", "openldap")
	s := &Slapd{Daemon: d, TLSPort: FreePort(t)}
	_, roots, certFile, keyFile := Certificate(t, "localhost")
	s.Roots = roots
	files := map[string]string{"slapd.conf": fmt.Sprintf(slapdConf, access), "data.ldif": strings.TrimPrefix(data, "\n")}
	for name, from := range map[string]string{"cert.pem": certFile, "key.pem": keyFile} {
		content, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(content)
	}
	for name, content := range files {
		path := filepath.Join(d.Dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, int(d.Owner.Uid), int(d.Owner.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	d.Run(t, "mkdir", "data")
	d.Run(t, "/usr/sbin/slapadd", "-q", "-f", "slapd.conf", "-l", "data.ldif")
	s.Start = func() {
		d.Start(t, "TERM", program, "-d", "0", "-f", "slapd.conf", "-h",
			fmt.Sprintf("ldap://%s/ ldaps://127.0.0.1:%d/", d.Addr(), s.TLSPort))
	}
	s.Start()
	return s
}
