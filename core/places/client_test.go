package places

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// A client whose connections have ended takes no memory any more.
func TestClientsThatHaveLeft(t *testing.T) {
	t.Parallel()
	each := NewPerClient(2)
	client := netip.MustParsePrefix("192.0.2.1/32")
	for range 2 {
		each.Take(client)
		each.Take(client)
		each.Leave(client)
		each.Leave(client)
	}
	if len(each.held) != 0 {
		t.Errorf("still kept: %v", each.held)
	}
	each.Leave(netip.Prefix{}) // what has no address has taken none
	if len(each.held) != 0 {
		t.Errorf("kept of what has no address: %v", each.held)
	}
}

// TestNoLimit: without a limit each client has as many as it likes.
func TestNoLimit(t *testing.T) {
	t.Parallel()
	each := NewPerClient(0)
	for range 3 {
		if !each.Take(netip.MustParsePrefix("192.0.2.1/32")) {
			t.Error("refused")
		}
	}
	each.Leave(netip.MustParsePrefix("192.0.2.1/32"))
}

// TestNoRoomToWait: past those that may wait a client is refused at once, and nobody is
// let in beside those that have a place.
func TestNoRoomToWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := func(n byte) netip.Prefix { return netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, n}), 32) }
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		p := New(1, 1)
		if !p.Take(ctx, client(1), nil) {
			t.Fatal("no place is free")
		}
		waited := false
		go func() { waited = p.Take(ctx, client(2), nil) }()
		synctest.Wait()
		if p.Take(ctx, client(3), nil) || p.Held() != 1 || p.Waiting() != 1 {
			t.Errorf("one more than may wait: %d have places, %d wait", p.Held(), p.Waiting())
		}
		p.Leave()
		synctest.Wait()
		if !waited || p.Held() != 1 || p.Waiting() != 0 {
			t.Errorf("who waited has no place: %d have places, %d wait", p.Held(), p.Waiting())
		}
		go p.Take(ctx, client(2), nil) // once more
		synctest.Wait()
		if p.Waiting() != 1 {
			t.Errorf("%d wait where one has left the room", p.Waiting())
		}
		p.Leave()
		synctest.Wait()
		if p.Take(ctx, client(4), func() bool { return true }) || p.Waiting() != 0 {
			t.Error("who is in a hurry waits")
		}
		if p = New(1, 0); !p.Take(ctx, client(1), nil) || p.Take(ctx, client(2), nil) || ctx.Err() != nil {
			t.Error("nobody may wait")
		}
	})
}
