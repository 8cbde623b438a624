package transfer

import (
	"errors"
	"io"
	"sort"
	"sync"
)

// markEvery is the distance in encoded bytes of the places from which a
// At can start, and the size of its buffers.
const markEvery = 64 << 10

// At gives random access to a transfer-encoded part: one pass notes the
// decoder's state at regular places, a read starts at the nearest before it.
type At struct {
	src   *io.SectionReader
	marks []mark
	Size  int64 // decoded

	mu      sync.Mutex
	in, out []byte
	at      int // the mark whose stretch is in out
	n       int // its length
}

type mark struct {
	dst   int64 // decoded bytes before this mark
	state Decoder
}

func NewAt(src *io.SectionReader, e Encoding) (*At, error) {
	d := &At{src: src, in: make([]byte, markEvery), out: make([]byte, markEvery+8)}
	state := *e.NewDecoder()
	for last := false; !last; {
		d.marks = append(d.marks, mark{d.Size, state})
		var err error
		if last, err = d.decode(&state, len(d.marks)-1); err != nil {
			return nil, err
		}
		d.Size += int64(d.n)
	}
	return d, nil
}

// decode decodes the stretch after a mark into out.
func (d *At) decode(state *Decoder, at int) (last bool, err error) {
	off := int64(at) * markEvery
	k, err := d.src.ReadAt(d.in, off)
	if err != nil && !errors.Is(err, io.EOF) {
		d.at, d.n = -1, 0
		return false, err
	}
	last = off+int64(k) >= d.src.Size()
	d.at = at
	d.n, _, err = state.Transform(d.out, d.in[:k], last) // out is long enough: nothing decodes to more than it was and what is held
	return last, err
}

// ReadAt implements io.ReaderAt.
func (d *At) ReadAt(p []byte, off int64) (total int, err error) {
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
