package output

import (
	"testing"

	"smtpreceiver/core/queue"
)

// TestNoJobOfTheQueue: a batch that takes no job gives an error, and no job around a nil
// one.
func TestNoJobOfTheQueue(t *testing.T) {
	t.Parallel()
	if j, err := (queueBatch{new(queue.Batch)}).NewJob("fax"); err == nil || j != nil {
		t.Errorf("%v, %v", j, err)
	}
}
