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
// can start, about, and the size of the buffers.
const markEvery = 64 << 10

// Reader gives random access to a transfer-encoded part: one pass notes the
// decoder's state at regular places, a read starts at the nearest before it.
type Reader struct {
	Size  int64   // decoded
	Above Buffers // of the readers of what is encoded in here once more

	src   *io.SectionReader
	marks []mark
	buf   *Buffers
}

// Buffers are shared by the readers of one source: a mail may have a thousand, and
// they are read one after the other.
type Buffers struct {
	mu      sync.Mutex
	in, out []byte
	of      *Reader // whose stretch is in out
	at      int     // the mark it begins at
	n       int     // its length
}

type mark struct {
	src, dst int64 // bytes before this mark, encoded and decoded
	state    transfer.Decoder
}

// New reads src once to note where what is decoded from.
func New(src *io.SectionReader, e transfer.Encoding, b *Buffers) (*Reader, error) {
	d := &Reader{src: src, buf: b}
	b.mu.Lock()
	defer b.mu.Unlock()
	m := mark{state: *e.NewDecoder()}
	for last := false; !last; {
		d.marks = append(d.marks, m)
		taken, err := d.decode(&m.state, len(d.marks)-1)
		if err != nil {
			return nil, err
		}
		d.Size += int64(b.n)
		m.src, m.dst = m.src+int64(taken), d.Size
		last = m.src >= src.Size()
	}
	return d, nil
}

// decode decodes the stretch after a mark into out and returns how many bytes
// of the source it has taken.
func (d *Reader) decode(state *transfer.Decoder, at int) (taken int, err error) {
	b := d.buf
	b.of = nil
	size := int(min(d.src.Size(), markEvery))
	if len(b.in) < size {
		b.in, b.out = make([]byte, size), make([]byte, size+8)
	}
	off := d.marks[at].src
	k, err := d.src.ReadAt(b.in[:size], off)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	// out is long enough: nothing decodes to more than it was and what is held.
	b.n, taken, err = state.Transform(b.out, b.in[:k], off+int64(k) >= d.src.Size())
	if errors.Is(err, transform.ErrShortSrc) && taken > 0 {
		err = nil // a line goes on after the buffer
	}
	if err == nil {
		b.of, b.at = d, at
	}
	return taken, err
}

// ReadAt implements io.ReaderAt.
func (d *Reader) ReadAt(p []byte, off int64) (total int, err error) {
	if off < 0 {
		return 0, errors.New("message: negative offset")
	}
	b := d.buf
	b.mu.Lock()
	defer b.mu.Unlock()
	i := sort.Search(len(d.marks), func(i int) bool { return d.marks[i].dst > off }) - 1
	for ; total < len(p) && i < len(d.marks); i++ {
		if b.of != d || i != b.at {
			state := d.marks[i].state
			if _, err := d.decode(&state, i); err != nil {
				return total, err
			}
		}
		if skip := off + int64(total) - d.marks[i].dst; skip < int64(b.n) {
			total += copy(p[total:], b.out[skip:b.n])
		}
	}
	if total < len(p) {
		return total, io.EOF
	}
	return total, nil
}
