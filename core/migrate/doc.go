// Package migrate turns an export of the registry of the original, Datasys
// SMTPreceiver, into a configuration, and says what differs.
//
// Everything of the export is translated as it stands; then the program's own
// checks are asked, and what they refuse becomes a comment with their reason. So
// the result loads, and nothing is left out in silence.
package migrate
