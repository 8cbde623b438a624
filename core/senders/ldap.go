package senders

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"smtpreceiver/core/directory"
	"smtpreceiver/core/senders/row"
)

// ldapTable is the backend ldap.
type ldapTable struct {
	server     directory.Server
	baseDN     string
	filter     string
	attributes map[string]string // column to attribute
	wanted     []string          // attributes
	searches   *directory.Pool
}

func newLDAPTable(o Options, _ *Table, log *slog.Logger) (backend, error) {
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
		problems = append(problems, bad("filter", "it must have %%s where the sender goes, for example: (mail=%%s)"))
	}
	t := &ldapTable{server: s, baseDN: o.BaseDN, filter: o.Filter, attributes: o.Attributes}
	if err := row.CheckColumns(slices.Sorted(maps.Keys(o.Attributes))); err != nil {
		problems = append(problems, bad("attributes", "%w: write column: attribute, such as name: mail", err))
	}
	for _, column := range slices.Sorted(maps.Keys(o.Attributes)) {
		attribute := o.Attributes[column]
		if !directory.IsAttribute(attribute) {
			problems = append(problems, bad("attributes", "%s: %q is no attribute of a directory", column, attribute))
		}
		t.wanted = append(t.wanted, attribute)
	}
	if (o.BindDN == "") != (o.BindPassword == "") {
		problems = append(problems, bad("bind_dn", "the account for the search needs both its name and its password"))
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	if o.BindDN != "" && s.Clear() {
		log.Warn("the password of senders.bind_dn travels unencrypted to the LDAP server; set start_tls or an ldaps: url", "server", s.Addr)
	}
	t.searches = directory.NewPool(s.Account(o.BindDN, o.BindPassword), o.Timeout, directory.MaxIdle)
	return t, nil
}

func (t *ldapTable) find(ctx context.Context, name string) (row.Row, error) {
	const enough = 2 // entries, to know that there is more than one
	var result *ldap.SearchResult
	err := t.searches.Do(ctx, func(conn *ldap.Conn) (err error) {
		result, err = conn.Search(ldap.NewSearchRequest(t.baseDN, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases,
			enough, directory.Seconds(ctx), false, directory.Filter(t.filter, name), t.wanted, nil))
		return err
	})
	switch {
	case ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded), err == nil && len(result.Entries) > 1:
		return nil, errors.New("more than one entry fits")
	case err != nil:
		return nil, fmt.Errorf("search in %s at %s: %w", t.baseDN, t.server.Addr, err)
	case len(result.Entries) == 0:
		return nil, nil
	}
	return t.row(result.Entries[0], name)
}

// row reads an entry. Of several names, such as the addresses of one mailbox, it
// is the one that was asked for, but for case; else the first.
func (t *ldapTable) row(entry *ldap.Entry, asked string) (row.Row, error) {
	out := row.Row{}
	for column, attribute := range t.attributes {
		values := entry.GetEqualFoldAttributeValues(attribute)
		switch {
		case len(values) == 0 && column == row.ColumnName:
			return nil, fmt.Errorf("the account for the search sees no attribute %s in the entry %s: let it read the attribute", attribute, entry.DN)
		case len(values) == 0:
		case column == row.ColumnName:
			out[column] = values[0]
			for _, v := range values {
				if strings.EqualFold(v, asked) {
					out[column] = v
				}
			}
		case column == row.ColumnAllowed:
			out[column] = strings.Join(values, ",")
		case column == row.ColumnNumbers:
			out[column] = "(?:" + strings.Join(values, ")|(?:") + ")"
		default:
			out[column] = values[0]
		}
	}
	return out, nil
}

func (t *ldapTable) Close() error {
	t.searches.Close()
	return nil
}
