// Package folder finds the jobs of an output folder, gives each to one taker at a
// time, and settles it in a folder for done jobs or one for failed ones.
//
// # Protocol
//
// A job exists by its control file (CTL) alone. A consumer takes one by renaming
// the CTL from the output folder into <folder>/.consume, under a lock on
// .consume/<stem>.lock, so any number of consumers may share a folder. The lock is
// held only while the job is worked on; programs that work for it inherit it, so
// that nobody takes the job up again while one of them outlives a killed consumer.
// While it is handed over there is a lock on its number too, .consume/.to-<hash>.lock:
// two jobs to one number are never handed over side by side.
//
// What has become of a job stands in its journal, .consume/<stem>.json:
//
//   - no journal, or waiting: the target does not have the job.
//   - begun: it is being handed over. This is on disk before the target can have
//     it. The worker that finds it, after a crash or an uncertain error, asks the
//     target whether it has the job, by the job's key.
//   - done, failed: the verdict. The data files are moved, then the CTL, then the
//     journal is removed; each of these steps may be repeated. The folders are
//     synced for all jobs together that are settled at the same time.
//
// # Trust
//
// Others may write to the output folder: readers, members of its group. What is
// believed there are folders that belong to the consumer's user or to root, and
// what is in them; each is opened once and used by its handle. Of an output folder
// nothing is opened through a link, and a file that must have a path is copied
// first (Held.CopyTo).
package folder
