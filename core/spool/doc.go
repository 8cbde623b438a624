// Package spool makes jobs appear in output folders: whole, on disk, all jobs
// of a message or none, whatever happens meanwhile.
//
// A job is its control file (CTL) and the data files beside it. It exists for
// its readers from the moment its CTL name exists in the output folder, so
// everything here serves one sentence: a CTL name appears only when all that
// belongs to it is complete and on disk, and nobody is told of success before
// the CTL name itself is on disk.
//
// # Protocol
//
// Each Spool owns one staging directory per output folder,
// <folder>/.staging/<owner>, on the same file system, so that renames work, and
// holds a lock on <folder>/.staging/<owner>.lock as long as it lives, so that
// others can tell a dead owner from a working one.
//
//  1. A data file is written into staging as ",<stem>,<rest of its name>" and
//     kept open: an error of the write-back is reported once, to the holder
//     of the open file.
//  2. The CTL is staged the same way as "<stem>.ctl", or "<stem>.ctl,<rest>"
//     where it has one data file, which this names.
//  3. A batch of more than one job, or of one with several data files, gets a
//     record "@<stem>.batch" in every staging directory it touches. It names
//     all jobs and their data files. By CTL or record recovery knows what may
//     have left for the folder.
//  4. All these files, and the staging directories, are brought to disk: a
//     rename of step 6 must not reach the disk before the names that explain
//     it. This ends Batch.Stage; nothing has been shown yet, and no step from
//     here on needs new space for data.
//  5. A batch of several jobs renames the first directory's record to
//     "@<stem>.commit" and fsyncs that directory. This decides: from here on a
//     crash makes all jobs visible, before it none.
//  6. All data files are renamed into their folders, then all CTLs, and on other file
//     systems than ext4 and XFS, which keep renames in order, the folders are fsynced
//     in between: a reader may take a CTL at once. A rename never replaces a file.
//  7. The folders are fsynced. Now Batch.Commit returns, and the caller may
//     answer its client.
//  8. The record is removed. Nothing depends on when.
//
// An error in 5 to 7 is undone in the opposite order, each step on disk before
// the next: CTLs go back into staging while the decision still stands, so that
// a crash in between completes the batch; then the decision is taken back; then
// the data files go from the folder, and last what explains them, the CTLs
// before the staged data files. An fsync of a file that failed is never repeated:
// the kernel may have dropped the pages it could not write, and the second call
// would report success.
//
// Where the disk does not allow that either, the undoing goes on with each mail for the
// folder and each minute; until it is done the folder takes no job. If the process ends
// before, recovery completes the batch where the decision still stands: at worst twice.
//
// # Bringing to disk
//
// Who waits for the same directory waits together (barrier): one round serves
// all who came before it began. A round of step 4 fsyncs each file, then the
// directory; where the system's syncfs(2) can be trusted and has lately been
// quick, that one call stands for all of them (wholeSync). Its error is that of
// every batch that had written anything by then: whose pages were lost nobody
// can say, and the next call would not tell.
//
// # Recovery
//
// A staging directory that can be locked has a dead owner. The process that got
// the lock brings to disk what may be in the cache alone, and settles it:
//
//   - CTL staged, decided by a record: the rest of the renames are made, as in step 6.
//   - CTL staged, no decision: data files that have left, which is to say are
//     named and no longer staged, are removed from the folder, then the staged
//     files. Nobody was told of success.
//   - CTL visible: data files still in staging follow it. Journaling file
//     systems keep renames in order; on others a power cut may not.
//   - Neither: the job was being staged, or is done; what is left of it goes.
//
// Each of these may be interrupted at any point and starts again from what it
// finds. All of it rests on two locks, on the file and, as that may be cleaned away, on
// the directory. A network file system has the first only: an owner that loses it there
// may have its batches undone under its hands.
//
// Recovery stops nothing: what it cannot settle is logged and tried again, and
// a place whose decision cannot be read, or of which somebody has cleaned a part,
// becomes <owner>.aside, with all places that its batches reach into, for an
// administrator to look at. A record holds the inode of each folder, so that one that
// is not mounted is not taken for one where all is settled.
//
// # Trust
//
// An output folder may be writable for its readers, and what is in .staging
// decides over files of ours. So .staging and what is in it must be no links and
// belong to the user of the service, or to root, when they are opened; from then
// on they are used by handle, whatever becomes of their names. Where a file system
// gives our files another owner (CIFS, NFS that squashes root), that one counts. A folder where
// this does not hold takes no jobs; other folders do.
package spool
