// Package consume hands the jobs of an output folder on to a fax or SMS server,
// each once, and has them settled in a folder for done jobs or one for failed ones.
//
// find.go knows which jobs there are, order.go which comes next, health.go whether
// the target is up; consumer.go has the workers; handover.go holds the rules: when
// a job is tried, tried again, in doubt, given up; settler.go carries verdicts out;
// reports.go writes what senders are told of them, letters.go sends it. What lies on
// disk, and the sole right to a job, is package folder.
//
// A job of high priority goes first, then the oldest. Jobs to one number go one
// after the other, also while the first waits for another try; two processes on one
// folder are not at one number at once either. When three different
// jobs in a row could not be handed over for now, the target counts as down: one
// job at a time is tried then, each time another, until one gets through.
package consume
