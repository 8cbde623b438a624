// Package ctl holds the control file of a job: an INI document that says who
// sends what to whom, and which files belong to the job.
//
// A document never holds a name or a value that could be read as another line,
// so whatever a stranger writes into a subject stays in the subject. Text is
// UTF-8 throughout; the code page of the file is its writer's business.
package ctl
