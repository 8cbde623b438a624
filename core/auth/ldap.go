package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// directory is the backend ldap: it searches the entry of the user and binds as
// it. Searches and binds have connections of their own: one that a user has
// bound is for the next bind only, which replaces what came of the one before,
// so that nothing is ever done in the name of a user (RFC 4513 section 4).
type directory struct {
	server       server
	baseDN       string
	filter       string
	bindDN       string
	bindPassword string
	searches     *connections // bound as bindDN, or anonymous
	binds        *connections
}

func newDirectory(o Options, log *slog.Logger) (*directory, error) {
	var problems []error
	s, err := parseServer(o.URL, o.StartTLS)
	if err != nil {
		problems = append(problems, bad("url", "%w", err))
	}
	if _, err := ldap.ParseDN(o.BaseDN); err != nil || o.BaseDN == "" {
		problems = append(problems, bad("base_dn", "%q is no distinguished name, such as dc=example,dc=com", o.BaseDN))
	}
	if _, err := ldap.CompileFilter(userFilter(o.Filter, "name")); err != nil {
		problems = append(problems, bad("filter", "%w", err))
	} else if !strings.Contains(o.Filter, "%s") {
		problems = append(problems, bad("filter", "it must have %%s where the user name goes, for example: (mail=%%s)"))
	}
	if (o.BindDN == "") != (o.BindPassword == "") {
		problems = append(problems, bad("bind_dn", "the account for the search needs both its name and its password"))
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	if s.clear() {
		log.Warn("passwords travel unencrypted to the LDAP server; set start_tls or an ldaps: url", "server", s.addr)
	}
	d := &directory{server: s, baseDN: o.BaseDN, filter: o.Filter, bindDN: o.BindDN, bindPassword: o.BindPassword}
	d.searches = newConnections(d.searcher, o.Timeout, maxIdleTime)
	d.binds = newConnections(s.dial, o.Timeout, maxIdleTime)
	return d, nil
}

// searcher connects as the account for the search.
func (d *directory) searcher(ctx context.Context) (*connection, error) {
	c, err := d.server.dial(ctx)
	if err != nil || d.bindDN == "" {
		return c, err
	}
	release := context.AfterFunc(ctx, func() { c.wire.Close() })
	defer release()
	if err := c.Bind(d.bindDN, d.bindPassword); err != nil {
		c.wire.Close()
		return nil, fmt.Errorf("bind as %s to %s: %w", d.bindDN, d.server.addr, err)
	}
	return c, nil
}

// userFilter puts a name into the filter so that it cannot become more than a
// name (RFC 4515 section 3).
func userFilter(filter, name string) string {
	return strings.ReplaceAll(filter, "%s", ldap.EscapeFilter(name))
}

func (d *directory) verify(ctx context.Context, user, password string) error {
	dn, refusal, err := d.find(ctx, user)
	if err != nil {
		return err
	}
	if refusal != nil {
		dn = "cn=nobody," + d.baseDN // to take as long as a user with a wrong password
	}
	err = d.binds.do(ctx, func(conn *ldap.Conn) error { return conn.Bind(dn, password) })
	switch {
	case err != nil && !refused(err):
		return fmt.Errorf("bind as the user to %s: %w", d.server.addr, err)
	case refusal != nil:
		return refusal
	case err != nil:
		return fmt.Errorf("%w: %w", wrongPassword(user), err)
	}
	return nil
}

// find searches the entry of a user. It is a refusal, not an error, if there is
// none or more than one.
func (d *directory) find(ctx context.Context, user string) (dn string, refusal, err error) {
	const enough = 2 // entries, to know that there is more than one
	var result *ldap.SearchResult
	err = d.searches.do(ctx, func(conn *ldap.Conn) (err error) {
		result, err = conn.Search(ldap.NewSearchRequest(d.baseDN, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases,
			enough, searchSeconds(ctx), false, userFilter(d.filter, user), []string{"1.1"}, nil))
		return err
	})
	switch {
	case ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded), err == nil && len(result.Entries) > 1:
		return "", fmt.Errorf("%w: more than one entry fits %q", ErrBadCredentials, user), nil
	case err != nil:
		return "", nil, fmt.Errorf("search in %s at %s: %w", d.baseDN, d.server.addr, err)
	case len(result.Entries) == 0:
		return "", unknownUser(user), nil
	case result.Entries[0].DN == "": // to bind without a name is to be anonymous, which succeeds
		return "", fmt.Errorf("%w: the entry of %q has no name", ErrBadCredentials, user), nil
	}
	return result.Entries[0].DN, nil, nil
}

// searchSeconds is what the server may take until ctx ends.
func searchSeconds(ctx context.Context) int {
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	return max(1, int(math.Ceil(time.Until(deadline).Seconds())))
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

func (d *directory) Close() error {
	d.searches.Close()
	d.binds.Close()
	return nil
}
