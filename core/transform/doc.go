// Package transform changes what goes into a job: it runs the templates of
// the transform settings, the rules of ctl_settings and the @commands that a
// user writes at the start of a text.
//
// # Templates
//
// A template is text with <% expression %> in it. Outside of expressions \n,
// \r\n, \t and \\ are what they look like; any other backslash is itself, so
// D:\Fax survives (D:\new does not: write D:\\new). An expression ends at the
// first %> that is not inside one of its string literals.
//
// Expressions are Starlark, the sandboxed dialect of Python, brought nearer to
// the Python that existing templates are written in:
//
//   - a|b|'text' is the first operand that is not empty; at the top level an
//     operand that fails counts as empty. Empty are None, False, a text or
//     list of nothing; the number 0 is not. Between whole numbers | is a bit or.
//   - strings are made of characters, not bytes, in len, indexes, slices,
//     find, padding and "for c in text"; % formats as Python does.
//   - u'…' and b'…' are plain strings, '\d' keeps its backslash, <> is !=,
//     unicode is str, and encode and decode return the string as it is,
//     because the code page is applied when the job is written.
//   - a list that is the result of an expression is joined with ", ".
//
// The names are the items (see Items), headers['X-Any'], sender['any'] and
// groups['any'], the functions abs all any bool chr enumerate float int len list
// max min ord range repr reversed sorted str tuple unicode zip, and the modules
//
//   - time: strftime(format[, t]), localtime([secs]), gmtime([secs]), time();
//     names of days and months are English (the C locale);
//   - re: search, match, findall, sub with the flags I, M and S, on Go's RE2
//     syntax: no look-around and no back-references.
//
// Whatever else Python has is refused when the template is parsed.
//
// # Limits
//
// An expression stops after 100,000 steps, and the expressions of one template
// together after one second. All strings and lists that one operand makes may
// be 8 MiB and 32 times the items that the template reads; the result may be
// 1 MiB and 8 times the items. A regular expression with parts of the message may be
// 1,000 bytes long, and its instructions times the bytes of its text 67 million: no
// search can be stopped. An operand past a limit is empty and reported.
package transform
