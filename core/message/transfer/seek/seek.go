// Package seek reads a transfer-encoded part from any place of what it decodes to.
package seek

import (
	"errors"
	"io"
	"sort"
	"sync"

	"golang.org/x/text/transform"

	"smtpreceiver/core/message/transfer"
)

// markEvery is the distance in encoded bytes of the places from which a read
// can start, about, and the size of its buffers.
const markEvery = 64 << 10

// Reader gives random access to a transfer-encoded part: one pass notes the
// decoder's state at regular places, a read starts at the nearest before it.
type Reader struct {
	Size  int64 // decoded
	src   *io.SectionReader
	marks []mark

	mu      sync.Mutex
	in, out []byte
	at      int // the mark whose stretch is in out
	n       int // its length
}

type mark struct {
	src, dst int64 // bytes before this mark, encoded and decoded
	state    transfer.Decoder
}

// New reads src once to note where what is decoded from.
func New(src *io.SectionReader, e transfer.Encoding) (*Reader, error) {
	d := &Reader{src: src, in: make([]byte, markEvery), out: make([]byte, markEvery+8)}
	m := mark{state: *e.NewDecoder()}
	for last := false; !last; {
		d.marks = append(d.marks, m)
		taken, err := d.decode(&m.state, len(d.marks)-1)
		if err != nil {
			return nil, err
		}
		d.Size += int64(d.n)
		m.src, m.dst = m.src+int64(taken), d.Size
		last = m.src >= src.Size()
	}
	return d, nil
}

// decode decodes the stretch after a mark into out and returns how many bytes
// of the source it has taken.
func (d *Reader) decode(state *transfer.Decoder, at int) (taken int, err error) {
	off := d.marks[at].src
	k, err := d.src.ReadAt(d.in, off)
	if err != nil && !errors.Is(err, io.EOF) {
		d.at, d.n = -1, 0
		return 0, err
	}
	d.at = at
	// out is long enough: nothing decodes to more than it was and what is held.
	d.n, taken, err = state.Transform(d.out, d.in[:k], off+int64(k) >= d.src.Size())
	if errors.Is(err, transform.ErrShortSrc) && taken > 0 {
		err = nil // a line goes on after the buffer
	}
	return taken, err
}

// ReadAt implements io.ReaderAt.
func (d *Reader) ReadAt(p []byte, off int64) (total int, err error) {
	if off < 0 {
		return 0, errors.New("message: negative offset")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	i := sort.Search(len(d.marks), func(i int) bool { return d.marks[i].dst > off }) - 1
	for ; total < len(p) && i < len(d.marks); i++ {
		if i != d.at {
			state := d.marks[i].state
			if _, err := d.decode(&state, i); err != nil {
				return total, err
			}
		}
		if skip := off + int64(total) - d.marks[i].dst; skip < int64(d.n) {
			total += copy(p[total:], d.out[skip:d.n])
		}
	}
	if total < len(p) {
		return total, io.EOF
	}
	return total, nil
}
