package places

import (
	"net/netip"
	"testing"
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
}
