package wire

import (
	"context"
	"crypto/tls"
	"log/slog"

	"smtpreceiver/core/reply"
)

// startTLS is RFC 3207. What the client sent behind the command in plain text is
// thrown away (section 4.2, CVE-2011-0411).
func startTLS(c *Conn, _ string) (string, *reply.Reply) {
	switch {
	case c.opts.TLS == nil || c.opts.LMTP:
		return "", syntax(502, [3]int{5, 5, 1}, "STARTTLS is not available")
	case c.TLS != nil:
		return "", misplaced("TLS is in use already")
	}
	c.stream.Rest()
	c.say(&reply.Reply{Code: 220, Enhanced: [3]int{2, 0, 0}, Text: "Ready to start TLS"})
	c.r, c.w = 0, 0
	if c.handshake() {
		c.enter(secured)
		c.Hello = Hello{}
	}
	return "", nil
}

// handshake begins TLS. A client that fails is refused without an answer, which
// it could not read.
func (c *Conn) handshake() bool {
	state, refusal := c.secure()
	if refusal != nil {
		refusal.Reason = reply.ReasonTLS
		c.log("STARTTLS", refusal)
		c.enter(over)
		return false
	}
	c.TLS = state
	c.opts.Log.Log(c.Ctx, slog.LevelDebug, "TLS begun", "session", c.ID, "client", address(c.Client),
		"version", tls.VersionName(state.Version), "cipher", tls.CipherSuiteName(state.CipherSuite))
	return true
}

func (c *Conn) secure() (*tls.ConnectionState, *reply.Reply) {
	if c.opts.TLS == nil { // a reload took the certificate away
		return nil, &reply.Reply{Code: 454, Enhanced: [3]int{4, 7, 0}, Text: "TLS is not available"}
	}
	ctx, cancel := context.WithDeadline(c.Ctx, c.by())
	defer cancel()
	secure := tls.Server(c.raw, c.opts.TLS)
	err := c.arm() // the server may have ended this connection already
	if err == nil {
		err = secure.HandshakeContext(ctx)
	}
	if err != nil {
		return nil, &reply.Reply{Code: 554, Enhanced: [3]int{5, 7, 0}, Text: "TLS handshake failed", Cause: err}
	}
	c.stream.Replace(secure)
	state := secure.ConnectionState()
	return &state, nil
}
