package report

// Action is what a report says of a job (RFC 3464 section 2.3.3).
type Action string

// The actions of reports.
const (
	Failed    Action = "failed"    // for good
	Relayed   Action = "relayed"   // the target, or the network behind it, has it
	Delivered Action = "delivered" // the device of the recipient has it
	Delayed   Action = "delayed"   // it is still tried
)

// Final says whether the job is over with it.
func (a Action) Final() bool { return a != Delayed }

// notify is the keyword of NOTIFY that asks for it (RFC 3461 section 4.1).
func (a Action) notify() string {
	switch a {
	case Failed:
		return "FAILURE"
	case Relayed, Delivered:
		return "SUCCESS"
	}
	return "DELAY"
}
