package auth

import (
	"context"
	"fmt"
	"runtime"

	"golang.org/x/sync/semaphore"
)

// memoryBudget is what comparisons under way may take together, in KiB.
const memoryBudget = 256 * 1024

// hasher compares passwords with hashes, no more at once than there are
// processors and memory for.
type hasher struct {
	room  *semaphore.Weighted
	least int64 // so much room is taken by a comparison that needs next to no memory
	match func(storedHash, string) bool
}

func newHasher() *hasher {
	return &hasher{
		room:  semaphore.NewWeighted(memoryBudget),
		least: memoryBudget / int64(min(runtime.GOMAXPROCS(0), 64)),
		match: storedHash.MatchesPassword,
	}
}

// matches waits for room and compares. The error says that ctx ended first.
func (h *hasher) matches(ctx context.Context, stored storedHash, password string) (bool, error) {
	room := max(stored.memory, h.least)
	if err := h.room.Acquire(ctx, room); err != nil {
		return false, fmt.Errorf("waiting for other logins to be checked: %w", err)
	}
	defer h.room.Release(room)
	return h.match(stored, password), nil
}
