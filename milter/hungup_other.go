//go:build !unix

package milter

import "net"

// hasHungUp cannot tell; a second progress notice would.
func hasHungUp(net.Conn) bool { return false }
