// Package report tells the sender of a mail what became of a job: it keeps what a
// report needs beside the job, writes the report (RFC 3464), and sends it.
package report
