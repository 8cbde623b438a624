// Package senders looks up what the site's own table of people, a file, an SQL
// database or an LDAP server, says of a sender: whether it may send, to which
// numbers and how much, and what else is known of it.
//
// A sender is asked for in small letters, and counts under the name that the
// table holds. What is found, and that nothing is found, is kept for a minute;
// those who ask at the same time share one question. A table that cannot be
// asked, or whose row cannot be understood, is an error: nobody gets rights by
// it.
package senders
