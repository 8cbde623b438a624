// Package typeset sets plain text on pages of PDF, also in scripts from the right.
//
// Fax servers set text in Latin-1 only. No line of a text is trusted: what has no
// place on paper is dropped, and the pages are bounded.
package typeset
