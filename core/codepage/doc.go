// Package codepage writes text in the code page of the spool's readers.
//
// Every character comes out in some form: one the page lacks is spelled with
// characters it has, as a secretary would type it, and '?' stands for what
// cannot be spelled at all. FileName spells a name in ASCII the same way.
//
// All pages are compatible with ASCII: the bytes of CR, LF and '=' are never part
// of another character, so a reader of a control file finds them without knowing
// the page. Encoding neither adds nor removes a line end. It may do so with '=',
// which ⇒ is spelled with and which composes with U+0338 after it.
package codepage
