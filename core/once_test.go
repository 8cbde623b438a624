package core

import (
	"errors"
	"testing"
)

// TestATransactionIsStagedAndCommittedOnce: a second time would make the jobs of
// a message again, or answer 250 for jobs that are not there.
func TestATransactionIsStagedAndCommittedOnce(t *testing.T) {
	t.Parallel()
	b := open(t, spooling)
	for name, steps := range map[string]string{
		"staged twice": "SS", "staged after the commit": "SCS", "committed twice": "SCC", "committed before": "C",
		"committed after the end": "SAC", "staged after the end": "AS", "staged twice, and then committed": "SSC",
	} {
		before := len(b.jobs(t))
		trx := b.Begin(localhost)
		if _, err := trx.Sender("a@b.example", Envelope{}); err != nil {
			t.Fatal(err)
		}
		if _, err := trx.Recipient(t.Context(), "1@fax", RecipientOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := trx.Write([]byte("Subject: x\r\n\r\nx\r\n")); err != nil {
			t.Fatal(err)
		}
		var refused error
		for _, step := range steps {
			var err error
			switch step {
			case 'S':
				err = trx.Stage(t.Context())
			case 'C':
				err = trx.Commit(t.Context())
			case 'A':
				trx.Abort()
			}
			refused = errors.Join(refused, err)
		}
		trx.Abort()
		if !errors.Is(refused, errTwice) {
			t.Errorf("%s: %v", name, refused)
		}
		want := map[bool]int{true: 1}[name != "committed before" && name != "committed after the end" && name != "staged after the end" && name != "staged twice"]
		if got := len(b.jobs(t)) - before; got != want {
			t.Errorf("%s: %d jobs, want %d", name, got, want)
		}
	}
}
