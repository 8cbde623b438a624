// Package spool makes jobs appear in output folders: whole, on disk, all jobs of a message or none, whatever happens meanwhile.
//
// A job is its control file (CTL) and the data files beside it. It exists for its readers from the moment its CTL name exists in the
// output folder, so everything here serves one sentence: a CTL name appears only when all that belongs to it is complete and on disk,
// and nobody is told of success before the CTL name itself is on disk.
//
// # Protocol
//
// Each Spool owns one staging directory per output folder, <folder>/.staging/<owner>, on the same file system, so that renames work,
// and holds a lock on <folder>/.staging/<owner>.lock as long as it lives, so that others can tell a dead owner from a working one.
//
//  1. A data file is written into staging under its final name and fsynced when it is closed. On the same descriptor: an error of the
//     write-back is reported once, to whoever holds the file open. Then an empty marker ",<stem>,<rest of the name>" is made that stays
//     until the job is settled: a marker without its data file tells recovery that the file has already left for the folder.
//  2. The CTL is staged and fsynced the same way, without a marker.
//  3. A batch of more than one job gets a record "@<stem>.batch", fsynced, in every staging directory it touches. It names all jobs.
//  4. The staging directories are fsynced: a rename of step 6 must not reach the disk before the name that explains it. This ends
//     Batch.Stage; nothing has been shown yet, and no step from here on needs new space for data.
//  5. A batch with a record renames the first directory's record to "@<stem>.commit" and fsyncs that directory. This decides: from here
//     on a crash makes all jobs visible, before it none.
//  6. All data files are renamed into their folders, then all CTLs. A rename never replaces a file.
//  7. The folders are fsynced. Now Batch.Commit returns, and the caller may answer its client.
//  8. Markers and record are removed. Nothing depends on when.
//
// An error in 5 to 7 is undone in the opposite order, each step on disk before the next: CTLs go back into staging while the record
// still stands, so that a crash in between completes the batch; then the record goes; then the data files. An fsync that failed is never repeated: the kernel may have
// dropped the pages it could not write, and the second call would report success.
//
// # Recovery
//
// Whoever can lock a staging directory knows that its owner is dead, and settles what is in it:
//
//   - CTL staged, decided by a record: the rest of the renames are made.
//   - CTL staged, no decision: data files that have left are removed from the folder, then the staged files. Nobody was told of success.
//   - CTL visible: data files still in staging follow it. Journaling file systems keep renames in order; on others a power cut may not.
//   - Neither: the job was being staged, or is done; what is left of it goes.
//
// Each of these may be interrupted at any point and starts again from what it finds. All of it rests on the lock: a network file system
// that takes the lock away from a living owner lets its batches be undone under its hands.
package spool
