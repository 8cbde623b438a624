// Package pages turns the text and the files of a job into documents that a fax
// server takes: PDF, PostScript and TIFF.
//
// What a fax server takes is given as it is, by its content and not by its name.
// Plain text is set, a picture gets a page of its own, and for other files a
// program may be named. All of it is a stranger's: a picture is measured before it
// is decoded, and a program works within the limits of package dearchive.
package pages
