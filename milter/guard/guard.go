// Package guard stands between an MTA and go-milter: only well-formed frames of the
// milter protocol pass, and a connection that has ended is noticed in time.
package guard

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of a frame, its command byte included and its four length bytes not.
const (
	// maxFrame is the largest body chunk that can be negotiated (1 MiB), and some slack.
	maxFrame = 1<<20 + 1<<10
	// maxFirstFrame bounds the negotiation, before which nothing is known about the peer.
	maxFirstFrame = 64 << 10
)

// errHungUp is why a message was not taken in the last moment.
var errHungUp = errors.New("milter: the MTA has hung up")

// errFrame is why a connection was closed: its peer is no MTA, or one that has
// gone mad.
var errFrame = errors.New("milter: malformed frame")

// New wraps a connection from an MTA. It hands on only frames that
// go-milter's parser survives: that indexes the first byte of an empty frame,
// slices behind a NUL that need not be there, and makes room for as much as the
// length field claims, so that four bytes from anybody could end the process. A
// bad frame is a read error before its last byte, on which the library closes
// the connection.
//
// Reads are buffered, because the library reads each frame in two pieces.
// Deadlines and Close go to the connection.
func New(c net.Conn) *Conn {
	return &Conn{Conn: c, in: bufio.NewReaderSize(quickAck(c), 16<<10)}
}

// Conn is a guarded connection.
type Conn struct {
	net.Conn
	in         *bufio.Reader
	frame      frame
	left       int   // bytes of the frame not yet handed on, its length field included
	negotiated bool  // the first frame has begun
	err        error // the connection is of no more use

	timeout func() time.Duration // for a whole frame and the wait before it; nil: for ever
	hungUp  atomic.Bool
	closing sync.Once
	onClose func() // called once; nil: nothing is
}

// Read reads what is well formed. Any other frame is an error before its last byte.
func (g *Conn) Read(p []byte) (int, error) {
	if g.err != nil {
		return 0, g.err
	}
	if g.left == 0 {
		if err := g.begin(); err != nil {
			return 0, err
		}
	}
	n, err := g.in.Read(p[:min(len(p), g.left)])
	err = cutOff(err, true)
	g.frame.add(p[:n])
	g.left -= n
	if g.left == 0 {
		if fault := g.frame.fault(); fault != "" {
			g.err = fmt.Errorf("%w: %s", errFrame, fault)
			return 0, g.err
		}
	}
	return n, err
}

// begin looks at the length and the command of the next frame.
func (g *Conn) begin() error {
	if g.timeout != nil && g.negotiated { // the library itself limits the negotiation, to a second
		if err := g.SetReadDeadline(time.Now().Add(g.timeout())); err != nil {
			return err
		}
	}
	if g.hungUp.Load() { // looked at behind the deadline, which might undo that of HangUp
		return io.EOF
	}
	head, err := g.in.Peek(4)
	if err != nil && g.hungUp.Load() {
		return io.EOF
	}
	if err != nil {
		return cutOff(err, len(head) > 0)
	}
	length := binary.BigEndian.Uint32(head)
	limit := uint32(maxFrame)
	if !g.negotiated {
		limit = maxFirstFrame
	}
	if length == 0 || length > limit {
		g.err = fmt.Errorf("%w: length %d", errFrame, length)
		return g.err
	}
	if head, err = g.in.Peek(5); err != nil {
		return cutOff(err, true)
	}
	command := head[4]
	if !g.negotiated && command != 'O' {
		g.err = fmt.Errorf("%w: %q instead of the negotiation", errFrame, command)
		return g.err
	}
	g.negotiated = true
	g.left = 4 + int(length)
	g.frame = frame{command: command, length: int(length), skip: 5}
	return nil
}

// cutOff is the error of a read; an end in the middle of a frame is no proper one.
func cutOff(err error, inFrame bool) error {
	if inFrame && err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// progress is the notice that an MTA is sent while it waits for the end of a message.
var progress = []byte{0, 0, 0, 1, 'p'}

// Write sends an answer. A progress notice fails if the MTA has hung up: the
// kernel would take it and say so only when the next one is written, after a
// commit perhaps.
func (g *Conn) Write(p []byte) (int, error) {
	if bytes.Equal(p, progress) && hasHungUp(g.Conn) {
		return 0, errHungUp
	}
	return g.Conn.Write(p)
}

// HangUp makes the library read the end of the connection instead of the next
// frame. What it is working on is finished and answered.
func (g *Conn) HangUp() {
	g.hungUp.Store(true)
	g.SetReadDeadline(time.Unix(1, 0))
}

// Close closes the connection.
func (g *Conn) Close() error {
	if g.onClose != nil {
		g.closing.Do(g.onClose)
	}
	return g.Conn.Close()
}

// frame is what must be known of one to tell whether it is well formed. Its
// bytes come in pieces of any size.
type frame struct {
	command  byte
	length   int  // command byte included
	skip     int  // bytes before the data still to come: length field and command
	nuls     int  // in the data
	afterNUL int  // bytes of data behind the first NUL
	last     byte // of the data
}

func (f *frame) add(p []byte) {
	skip := min(f.skip, len(p))
	f.skip -= skip
	if p = p[skip:]; len(p) == 0 {
		return
	}
	f.last = p[len(p)-1]
	switch f.command {
	case 'C':
		if f.nuls > 0 {
			f.afterNUL += len(p)
		} else if i := bytes.IndexByte(p, 0); i >= 0 {
			f.afterNUL = len(p) - i - 1
		}
		fallthrough
	case 'H', 'M', 'R', 'U', 'L':
		f.nuls += bytes.Count(p, []byte{0})
	}
}

// fault says what is wrong with a frame that has come wholly; "" if nothing is.
// Commands that are not named here have no shape, or are none, which the
// library notices.
func (f *frame) fault() string {
	switch f.command {
	case 'O': // version, actions, protocol options
		if f.length < 1+12 {
			return "negotiation too short"
		}
	case 'C': // host NUL family, and for all families but "unknown" port address NUL
		if f.afterNUL == 0 {
			return "connect without address family"
		}
	case 'H', 'M', 'R', 'U': // string NUL, for M and R with more of them
		if f.nuls == 0 || f.last != 0 {
			return fmt.Sprintf("%q without NUL", f.command)
		}
	case 'L': // name NUL value NUL
		if f.nuls < 2 || f.last != 0 {
			return "header without NUL"
		}
	case 'E': // nothing; the library would lose the piece of the body that the protocol allows here and no MTA sends
		if f.length > 1 {
			return "body at the end of the message"
		}
	case 'D': // command, then name NUL value NUL for each macro
		if f.length < 2 || f.length > 2 && f.last != 0 {
			return "macros without NUL"
		}
	}
	return ""
}
