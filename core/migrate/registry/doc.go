// Package registry reads exports of the Windows registry, the .reg files that
// regedit writes: version 5 in UTF-16, REGEDIT4 in an ANSI code page, and both
// in UTF-8 as editors leave them.
package registry
