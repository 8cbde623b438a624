package standalone

import (
	"bytes"
	"io"

	"github.com/emersion/go-smtp"

	"smtpreceiver/core/reply"
)

// The nonstandard ends of DATA. What stands behind one is run as commands, so
// whoever writes the text of a mail that a listed client hands on could smuggle
// commands in. Therefore a connection that has used such an end once has
// nothing more forwarded.

var (
	errOddEnd = &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 5, 0}, Message: "Nonstandard end of data does not work over TLS; send the standard one, or connect without TLS"}
	errOddFwd = &reply.Reply{Code: 421, Enhanced: [3]int{4, 7, 0}, Text: "Nothing is forwarded behind a nonstandard end of data; connect again", Reason: reply.ReasonRelay}
)

// terminateAt sets the ends that the client's next message may have besides
// CRLF.CRLF.
func (c *conn) terminateAt(terminators [][]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.terminators = terminators
}

// endedOddly tells whether a message of this connection had a nonstandard end.
func (c *conn) endedOddly() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.odd
}

// oddEndGuard is the body of a message under TLS, where an end cannot be given
// to go-smtp. A line that was meant as one is refused at once, before the
// client waits for its reply in vain.
type oddEndGuard struct {
	conn    *conn
	r       io.Reader // go-smtp's: dots taken out
	filter  dataFilter
	scratch []byte
}

// guardOddEnds returns what is to be read instead of r. It is called with mu
// held.
func (c *conn) guardOddEnds(r io.Reader) io.Reader {
	if _, chunks := r.(*io.PipeReader); chunks || len(c.terminators) == 0 {
		return r // BDAT needs no end
	}
	g := &oddEndGuard{conn: c, r: r, filter: newDataFilter(nil)}
	g.filter.ends = nil
	for _, t := range c.terminators {
		if end := t[len("\r\n"):]; !bytes.Equal(end, standardEnd) {
			g.filter.ends = append(g.filter.ends, bytes.TrimPrefix(end, []byte(".")))
		}
	}
	return g
}

// Read reads a line at most: go-smtp's reader waits until what it was asked for
// is full.
func (g *oddEndGuard) Read(p []byte) (n int, err error) {
	for n < len(p) && err == nil && (n == 0 || p[n-1] != '\n') {
		var m int
		m, err = g.r.Read(p[n : n+1])
		n += m
	}
	var end bool
	if g.scratch, _, end = g.filter.filter(g.scratch[:0], p[:n]); end {
		g.conn.hangUp() // what follows may be the rest of the message or not
		return 0, errOddEnd
	}
	return n, err
}
