// Package python is the language of expressions in templates: Starlark, the
// sandboxed dialect of Python, brought nearer to the Python that existing
// templates are written in, under limits of steps, time and memory.
//
// What a template says goes through respell (the text, so that Starlark reads
// it as Python would), the parser of Starlark, parser.rewrite (the tree:
// operators that Starlark has otherwise or without a limit become calls of
// environment) and the resolver and interpreter of Starlark. A new function is
// a row in environment or stringMethods; package transform tells users what
// there is.
package python
