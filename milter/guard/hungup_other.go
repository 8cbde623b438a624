//go:build !unix

package guard

import "net"

// hasHungUp cannot tell; a second progress notice would.
func hasHungUp(net.Conn) bool { return false }
