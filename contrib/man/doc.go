// Package man writes the manual pages from the declarations that the program
// itself runs by: its commands and its configuration keys. What no declaration
// says stands in the templates, in mdoc(7). Only tests import it.
package man
