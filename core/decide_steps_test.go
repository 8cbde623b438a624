//go:build !race

// The race detector makes pools forget, so allocations are not those of real mail.

package core

import (
	"context"
	"testing"
)

// TestDecidingRealMailPaysNothingForExplain: a decision allocates what it did
// before its steps could be recorded.
func TestDecidingRealMailPaysNothingForExplain(t *testing.T) {
	b := open(t, routing)
	for _, tt := range []struct {
		from, to string
		most     float64
	}{
		{"a@boss.example", "123@fax", 7},
		{"robot@boss.example", "123@fax", 22},
		{"x@y.example", "123@fax", 22},
		{"a@boss.example", "eva@example.com", 0},
		{"", "123@fax", 19}, // two applications refuse
	} {
		trx := b.Begin(localhost)
		if _, err := trx.Sender(tt.from, Envelope{}); err != nil {
			t.Fatal(err)
		}
		got := testing.AllocsPerRun(100, func() { trx.decide(context.Background(), tt.to) })
		if got > tt.most {
			t.Errorf("<%s> to %s: %v allocations, before %v", tt.from, tt.to, got, tt.most)
		}
		trx.Abort()
	}
}
