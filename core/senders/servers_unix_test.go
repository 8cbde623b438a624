//go:build unix

package senders

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/senders/row/rowtest"
)

const columns = "name, allowed, numbers_allowed, max_parts, max_jobs, caller_id, cost_code"

// fill makes the table senders with people in it. Names are not unique.
func fill(t *testing.T, db *sql.DB, placeholders string) {
	t.Helper()
	exec := func(query string, args ...any) {
		t.Helper()
		if _, err := db.Exec(query, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec("CREATE TABLE senders (name VARCHAR(255), allowed CHAR(20), numbers_allowed VARCHAR(255), max_parts INTEGER, max_jobs INTEGER, caller_id VARCHAR(40), cost_code VARCHAR(40))")
	add := "INSERT INTO senders (" + columns + ") VALUES (" + placeholders + ")"
	for _, p := range append(people, []any{"twice@example.com", "1", nil, nil, nil, nil, nil}, []any{"twice@example.com", "1", nil, nil, nil, nil, nil}) {
		exec(add, p...)
	}
}

// conformSQL is conform and what only databases have.
func conformSQL(t *testing.T, o Options, placeholder string) *Table {
	t.Helper()
	o.Backend, o.Query = "sql", "SELECT "+columns+" FROM senders WHERE name = "+placeholder
	table := open(t, o)
	conform(t, table)
	if _, err := table.Find(t.Context(), "twice@example.com"); err == nil || !strings.Contains(err.Error(), "more than one row") {
		t.Errorf("two rows: %v", err)
	}
	for query, says := range map[string]string{
		"SELECT allowed FROM senders WHERE name = " + placeholder:                             "no column name",
		"SELECT name, name FROM senders WHERE name = " + placeholder:                          "twice",
		"SELECT name FROM nosuch WHERE name = " + placeholder:                                 "nosuch",
		"SELECT name, 1+1 FROM senders WHERE name = " + placeholder:                           "cannot be the name of a column",
		"UPDATE senders SET allowed = '1' WHERE 1 = 0 AND nosuch = " + placeholder:            "",
		"SELECT NULL AS name FROM senders WHERE name = " + placeholder:                        "name: it is empty",
		"SELECT name, 'x' AS max_jobs, 1 AS allowed FROM senders WHERE name = " + placeholder: "max_jobs",
	} {
		o.Query = query
		if _, err := open(t, o).Find(t.Context(), "jan@example.com"); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want one that says %q", query, err, says)
		}
	}
	// A column of the database's own kind of truth.
	o.Query = "SELECT name, name = 'jan@example.com' AS allowed FROM senders WHERE name = " + placeholder
	truth := open(t, o)
	for sender, want := range map[string]string{"jan@example.com": "jan@example.com fax sms", "null@example.com": "null@example.com"} {
		if got := rowtest.Shown(truth.Find(t.Context(), sender)); got != want {
			t.Errorf("%s: %q, want %q", sender, got, want)
		}
	}
	return table
}

// comesAndGoes: while the table is down there are no rights but those still kept,
// and when it is back there are.
func comesAndGoes(t *testing.T, table *Table, stop, start func()) {
	t.Helper()
	table.Find(t.Context(), "jan@example.com")
	stop()
	if got := rowtest.Shown(table.Find(t.Context(), "null@example.com")); !strings.HasPrefix(got, "null@example.com fax") {
		t.Errorf("kept: %q", got)
	}
	table.cache = newCache(time.Minute, time.Now)
	for range 2 {
		if got := rowtest.Shown(table.Find(t.Context(), "jan@example.com")); got != "error" {
			t.Errorf("while the server is down: %q", got)
		}
	}
	start()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if got := rowtest.Shown(table.Find(t.Context(), "jan@example.com")); strings.HasPrefix(got, "jan@example.com fax") {
			return
		} else if time.Now().After(deadline) {
			t.Fatalf("afterwards: %q", got)
		}
	}
}

func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	s := mtatest.PostgreSQL(t)
	fill(t, s.DB, "$1, $2, $3, $4, $5, $6, $7")
	o := Options{Driver: "postgres", DSN: s.DSN, Cache: time.Minute}
	table := conformSQL(t, o, "$1")
	s.DB.Close()
	comesAndGoes(t, table, func() { s.Stop() }, s.Start)
}

func TestMariaDB(t *testing.T) {
	t.Parallel()
	s := mtatest.MariaDB(t)
	fill(t, s.DB, "?, ?, ?, ?, ?, ?, ?")
	o := Options{Driver: "mysql", DSN: s.DSN, Cache: time.Minute}
	table := conformSQL(t, o, "?")
	quoting := o
	quoting.DSN += "?interpolateParams=true" // the driver quotes the name itself
	conformSQL(t, quoting, "?")
	s.DB.Close()
	comesAndGoes(t, table, func() { s.Stop() }, s.Start)
}

func TestSQLite(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "senders.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, db, "?, ?, ?, ?, ?, ?, ?")
	db.Close()
	o := Options{Driver: "sqlite", DSN: path, Cache: time.Minute}
	table := conformSQL(t, o, "?")
	away := func(from, to string) func() {
		return func() {
			if err := os.Rename(from, to); err != nil {
				t.Fatal(err)
			}
		}
	}
	comesAndGoes(t, table, func() {
		table.backend.(*sqlTable).db.SetMaxIdleConns(0) // an open file is there when its name is not
		away(path, path+".away")()
	}, away(path+".away", path))
}

// TestSQLGivesConnectionsBack: whatever a query returns, its connection is free again.
func TestSQLGivesConnectionsBack(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "senders.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil { // an empty database
		t.Fatal(err)
	}
	const row = "SELECT 'a' AS name, 1 AS allowed, '' AS numbers_allowed"
	for query, want := range map[string]string{
		row + " WHERE 'a@x.test' = ?":                                             "",
		row + " WHERE '' = ?":                                                     "",
		row + " WHERE '' <> ? UNION ALL " + row + " UNION ALL " + row:             "more than one row",
		row + " WHERE '' <> ? UNION ALL SELECT abs(-9223372036854775807-1), 1, 1": "integer overflow",
		"SELECT 'a' AS name, 1 AS else WHERE '' <> ?":                             "",
		"SELECT 'a' AS name, 1 AS allowed, 1 AS ALLOWED WHERE '' <> ?":            "",
		"SELECT 'a' AS other UNION ALL SELECT 'b' UNION ALL SELECT ?":             "",
	} {
		table := open(t, Options{Backend: "sql", Driver: "sqlite", DSN: path, Query: query})
		for range 3 {
			_, err := table.Find(t.Context(), "a@x.test")
			if want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("%s: %v", query, err)
			}
		}
		if n := table.backend.(*sqlTable).db.Stats().InUse; n != 0 {
			t.Errorf("%s: %d connections are in use", query, n)
		}
	}
}

const ldif = `
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
`

// TestLDAP: attributes stand for the columns.
func TestLDAP(t *testing.T) {
	t.Parallel()
	data := ldif
	attributes := map[string]string{
		"name": "mail", "allowed": "employeeType", "numbers_allowed": "description", "max_parts": "employeeNumber", "max_jobs": "roomNumber",
		"caller_id": "telephoneNumber", "cost_code": "departmentNumber",
	}
	order := strings.Split(columns, ", ")
	entry := func(cn string, values []any) {
		data += fmt.Sprintf("\ndn: cn=%s,dc=example,dc=com\nobjectClass: inetOrgPerson\ncn: %[1]s\nsn: x\n", cn)
		for i, v := range values {
			if v != nil && v != "" {
				data += fmt.Sprintf("%s: %v\n", attributes[order[i]], v)
			}
		}
	}
	for _, p := range people {
		entry(p[0].(string), p)
	}
	entry("twice a", []any{"twice@example.com"})
	entry("twice b", []any{"twice@example.com"})
	for i := range 3 {
		entry(fmt.Sprint("often ", i), []any{"often@example.com"})
	}
	data += "\ndn: cn=many,dc=example,dc=com\nobjectClass: inetOrgPerson\ncn: many\nsn: x\nmail: one@example.com\nmail: two@example.com\n" +
		"employeeType: fax\nemployeeType: sms\ndescription: \\+420\ndescription: \\+49\n"
	data += "\ndn: cn=nameless,dc=example,dc=com\nobjectClass: inetOrgPerson\ncn: nameless\nsn: x\n"
	s := mtatest.NewSlapd(t, "* none", data)
	o := Options{
		Backend: "ldap", URL: fmt.Sprintf("ldap://localhost:%d", s.Port), BaseDN: "dc=example,dc=com", Filter: "(&(objectClass=inetOrgPerson)(mail=%s))",
		Attributes: attributes, BindDN: "cn=search,dc=example,dc=com", BindPassword: "find", Cache: time.Minute,
	}
	table := open(t, o)
	conform(t, table)
	for _, name := range []string{"twice@example.com", "often@example.com"} {
		if _, err := table.Find(t.Context(), name); err == nil || !strings.Contains(err.Error(), "more than one entry fits") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"one@example.com", "two@example.com"} {
		if got := rowtest.Shown(table.Find(t.Context(), name)); got != name+" fax sms not:" {
			t.Errorf("several values: %q", got)
		}
	}
	byName := o
	byName.Filter = "(cn=%s)"
	if got := rowtest.Shown(open(t, byName).Find(t.Context(), "many")); got != "one@example.com fax sms not:" {
		t.Errorf("several names, asked for by none: %q", got)
	}
	if _, err := open(t, byName).Find(t.Context(), "nameless"); err == nil || !strings.Contains(err.Error(), "sees no attribute mail") {
		t.Errorf("no name: %v", err)
	}
	wrong := o
	wrong.BindPassword = "wrong"
	if _, err := open(t, wrong).Find(t.Context(), "jan@example.com"); err == nil || strings.Contains(err.Error(), "wrong") {
		t.Errorf("the account's password: %v", err)
	}
	anonymous := o
	anonymous.BindDN, anonymous.BindPassword = "", ""
	if got := rowtest.Shown(open(t, anonymous).Find(t.Context(), "jan@example.com")); got != "none" {
		t.Errorf("without the account: %q", got)
	}
	comesAndGoes(t, table, func() { s.Stop() }, s.Start)
}
