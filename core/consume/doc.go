// Package consume hands the jobs of an output folder on to a fax or SMS server,
// each once, and settles them in a folder for done jobs or one for failed ones.
//
// # Protocol
//
// A job exists by its control file (CTL) alone. A consumer takes one by renaming
// the CTL from the output folder into <folder>/.consume, under a lock on
// .consume/<stem>.lock, so any number of consumers may share a folder. The lock is
// held only while the job is worked on; programs that work for it inherit it, so
// that nobody takes the job up again while one of them outlives a killed consumer.
//
// What has become of a job stands in its journal, .consume/<stem>.json, which is on
// disk before the step that it speaks of:
//
//   - no journal, or waiting: the target does not have the job.
//   - begun: it is being handed over. Whoever finds this, after a crash or an
//     uncertain error, asks the target whether it has the job, by the job's key.
//   - done, failed: the verdict. The data files are moved, then the CTL, then the
//     journal is removed; each of these steps may be repeated.
package consume
