// Package queue puts the jobs of one message into NATS JetStream, where any
// consumer on any machine finds them: all of a message, or none.
//
// # What is in the cluster
//
// All names begin with queue.name, smtpreceiver here.
//
//   - The stream SMTPRECEIVER holds jobs, smtpreceiver.job.<app>.<key>.<n>, and
//     pieces of files, smtpreceiver.file.<key>.<file>.<piece>. A message has one
//     random key; n counts its jobs from 0. A job goes when its consumer
//     acknowledges it.
//   - The stream SMTPRECEIVER_JOURNAL holds what has become of a job that was
//     begun, smtpreceiver.journal.<key>.<n>, written by revision only.
//   - The stream SMTPRECEIVER_STATE holds quotas and who uses which instance.
//
// A job is one message of the cluster: a line of JSON ([Job]), then the contents
// of its short files. Long files lie in pieces, and the job says how many, how
// long and with which SHA-256.
//
// # Protocol
//
//  1. Pieces are published while files are written, and acknowledged before Stage
//     returns. No consumer looks for them.
//  2. Commit publishes the jobs: one message, or an atomic batch. Every message
//     has an identifier made of key and n, so that a try may be repeated until it is
//     acknowledged, and the cluster keeps it once.
//  3. Where no answer comes within commit_timeout, the jobs are withdrawn: the
//     journal entry of job 0 is created as withdrawn. A consumer creates that entry
//     too before it begins any job of the message, and only one of them can.
//
// An acknowledgement means that a majority of the servers have the message on disk
// only where their sync_interval is always. That cannot be seen by an ordinary
// connection, so each server is asked at its monitoring address, and servers that
// do not say so are refused.
package queue
