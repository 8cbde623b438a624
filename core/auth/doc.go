// Package auth checks the user name and password of a client against a users
// file, an SQL database or an LDAP server.
//
// A guess costs the client more than it tells: unknown users take as much work
// as known ones, each failure is answered late, and an address with too many of
// them is locked out for a while. A backend that cannot be asked is an error of
// its own, never access.
//
// User names are compared exactly, letter for letter, in a users file, and as
// the database or directory compares them in the other backends.
package auth
