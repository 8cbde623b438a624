// Package targets knows how fax and SMS servers take jobs.
//
// All text of a job is a stranger's. No shell sees it, no argument that begins
// with it begins with '-', a number is digits before it is used, and no file of
// ours gets a line that its writer did not mean.
package targets
