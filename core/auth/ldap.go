package auth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"smtpreceiver/core/directory"
)

// ldapBackend is the backend ldap: it searches the entry of the user and binds as
// it. Searches and binds have connections of their own: one that a user has
// bound is for the next bind only, which replaces what came of the one before,
// so that nothing is ever done in the name of a user (RFC 4513 section 4).
type ldapBackend struct {
	server    directory.Server
	baseDN    string
	filter    string
	attribute string          // of the user's name
	searches  *directory.Pool // bound as bindDN, or anonymous
	binds     *directory.Pool
}

func newDirectory(o Options, log *slog.Logger) (backend, error) {
	var problems []error
	s, err := directory.ParseServer(o.URL, o.StartTLS)
	if err != nil {
		problems = append(problems, bad("url", "%w", err))
	}
	if _, err := ldap.ParseDN(o.BaseDN); err != nil || o.BaseDN == "" {
		problems = append(problems, bad("base_dn", "%q is no distinguished name, such as dc=example,dc=com", o.BaseDN))
	}
	if _, err := ldap.CompileFilter(directory.Filter(o.Filter, "name")); err != nil {
		problems = append(problems, bad("filter", "%w", err))
	} else if !strings.Contains(o.Filter, "%s") {
		problems = append(problems, bad("filter", "it must have %%s where the user name goes, for example: (mail=%%s)"))
	}
	attribute := cmp.Or(o.Attribute, comparedAttribute(o.Filter))
	if !directory.IsAttribute(attribute) && len(problems) == 0 {
		problems = append(problems, bad("attribute", "%q is no attribute of a directory: name the one that holds the user's name, such as mail", attribute))
	}
	if (o.BindDN == "") != (o.BindPassword == "") {
		problems = append(problems, bad("bind_dn", "the account for the search needs both its name and its password"))
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	if s.Clear() {
		log.Warn("passwords travel unencrypted to the LDAP server; set start_tls or an ldaps: url", "server", s.Addr)
	}
	d := &ldapBackend{server: s, baseDN: o.BaseDN, filter: o.Filter, attribute: attribute}
	d.searches = directory.NewPool(d.server.Account(o.BindDN, o.BindPassword), o.Timeout, directory.MaxIdle)
	d.binds = directory.NewPool(s.Dial, o.Timeout, directory.MaxIdle)
	return d, nil
}

// compared finds "(mail=%s)" in a filter.
var compared = regexp.MustCompile(`\(\s*([A-Za-z0-9.-]+)(?:;[A-Za-z0-9;-]+)?\s*(?::[^=()]*)?[~<>]?=[^()]*%s`)

// comparedAttribute is the first attribute that a filter compares with the
// user's name, "" if it has none.
func comparedAttribute(filter string) string {
	if !strings.HasPrefix(filter, "(") {
		filter = "(" + filter
	}
	if found := compared.FindStringSubmatch(filter); found != nil {
		return found[1]
	}
	return ""
}

func (d *ldapBackend) verify(ctx context.Context, user, password string) (name string, err error) {
	entry, refusal, err := d.find(ctx, user)
	if err != nil {
		return "", err
	}
	var dn string
	if refusal == nil {
		dn = entry.DN
		if name, err = d.name(entry, user); err != nil {
			return "", err
		}
	} else {
		dn = "cn=nobody," + d.baseDN // to take as long as a user with a wrong password
	}
	err = d.binds.Do(ctx, func(conn *ldap.Conn) error { return conn.Bind(dn, password) })
	switch {
	case err != nil && !refused(err):
		return "", fmt.Errorf("bind as the user to %s: %w", d.server.Addr, err)
	case refusal != nil:
		return "", refusal
	case err != nil:
		return "", fmt.Errorf("%w: %w", wrongPassword(user), err)
	}
	return name, nil
}

// name is the user's name in its entry. Of several, such as the addresses of one
// mailbox, it is the one that the user typed, but for case; else the first.
func (d *ldapBackend) name(entry *ldap.Entry, user string) (string, error) {
	values := entry.GetEqualFoldAttributeValues(d.attribute)
	if len(values) == 0 {
		return "", fmt.Errorf("the account for the search sees no attribute %s in the entry %s: let it read the attribute, or name another one in authentication.attribute",
			d.attribute, entry.DN)
	}
	for _, v := range values {
		if strings.EqualFold(v, user) {
			return v, nil
		}
	}
	return values[0], checkUser(values[0])
}

// find searches the entry of a user. It is a refusal, not an error, if there is
// none or more than one.
func (d *ldapBackend) find(ctx context.Context, user string) (entry *ldap.Entry, refusal, err error) {
	const enough = 2 // entries, to know that there is more than one
	var result *ldap.SearchResult
	err = d.searches.Do(ctx, func(conn *ldap.Conn) (err error) {
		result, err = conn.Search(ldap.NewSearchRequest(d.baseDN, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases,
			enough, directory.Seconds(ctx), false, directory.Filter(d.filter, user), []string{d.attribute}, nil))
		return err
	})
	switch {
	case ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded), err == nil && len(result.Entries) > 1:
		return nil, fmt.Errorf("%w: more than one entry fits %q", ErrBadCredentials, user), nil
	case err != nil:
		return nil, nil, fmt.Errorf("search in %s at %s: %w", d.baseDN, d.server.Addr, err)
	case len(result.Entries) == 0:
		return nil, unknownUser(user), nil
	case result.Entries[0].DN == "": // to bind without a name is to be anonymous, which succeeds
		return nil, fmt.Errorf("%w: the entry of %q has no name", ErrBadCredentials, user), nil
	}
	return result.Entries[0], nil, nil
}

// refused tells the answers to a bind that are about the user from those about
// the server (RFC 4511 appendix A).
func refused(err error) bool {
	return ldap.IsErrorAnyOf(err,
		ldap.LDAPResultInvalidCredentials,
		ldap.LDAPResultInappropriateAuthentication, // the entry has no password
		ldap.LDAPResultNoSuchObject,
		ldap.LDAPResultInsufficientAccessRights, // the entry may not bind
		ldap.LDAPResultConstraintViolation,      // locked by a password policy
		ldap.LDAPResultUnwillingToPerform,       // the account is disabled
	)
}

func (d *ldapBackend) Close() error {
	d.searches.Close()
	d.binds.Close()
	return nil
}
