// Package page shows by HTTP, as one page for people, how the program is doing.
//
// The page is made on the server, needs no script and nothing from elsewhere, and
// changes nothing. What mail holds (addresses, subjects, reasons) is shown only where
// the listener is for this machine alone.
package page
