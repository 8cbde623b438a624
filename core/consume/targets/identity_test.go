package targets

import (
	"testing"

	"smtpreceiver/core/config"
)

// TestIdentity: only a HylaFAX that both reach by one name is the same for two
// machines. Each has a localhost of its own, which does not know the other's faxes.
func TestIdentity(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		target, server string
		shared         bool
	}{
		{"hylafax", "fax1:4559", true},
		{"hylafax", "192.0.2.7:4559", true},
		{"hylafax", "fax1", true},
		{"hylafax", "", false},
		{"hylafax", "localhost:4559", false},
		{"hylafax", "LOCALHOST", false},
		{"hylafax", "127.0.0.1:4559", false},
		{"hylafax", "127.0.1.1", false},
		{"hylafax", "[::1]:4559", false},
		{"hylafax", "[::ffff:127.0.0.1]:4559", false},
		{"command", "", false},
		{"smstools", "", false},
	} {
		conf := &config.Consumer{Target: c.target, Server: c.server}
		a, b := identityOf(conf, "a@one"), identityOf(conf, "b@two")
		if (a == b) != c.shared {
			t.Errorf("%s at %q: %q and %q, one target: %t", c.target, c.server, a, b, c.shared)
		}
	}
}
