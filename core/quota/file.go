package quota

import (
	"bufio"
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// saveDelay is how much a process that is killed may forget.
const saveDelay = time.Minute

// maxFile is more than a full book makes, in bytes.
const maxFile = 64 << 20

// file is where a book outlives its process.
type file struct {
	path  string // empty: nowhere
	log   *slog.Logger
	timer *time.Timer // runs while something is to be saved
}

// Keep reads what the file at path holds of the last hour and saves the book
// there from now on, a minute after a change and on Close. It is not synced: a
// power cut may take a minute of counts, or all. A file that cannot be read is
// an error, and the book then is empty but saved all the same.
func (b *Book) Keep(path string, log *slog.Logger) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.file = file{path: path, log: log}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := b.read(f); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// read takes lines "key time time …", the key in hex, times in seconds since
// 1970. Accounts are put in the order of their last job.
func (b *Book) read(r io.Reader) error {
	var accounts []account
	lines := bufio.NewScanner(io.LimitReader(r, maxFile))
	lines.Buffer(nil, maxFile)
	now := b.now()
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		var a account
		if len(fields) < 2 || hex.DecodedLen(len(fields[0])) != len(a.key) {
			return fmt.Errorf("line %d is not one of a quota file: remove the file, and the jobs of the last hour are forgotten", len(accounts)+1)
		}
		_, err := hex.Decode(a.key[:], []byte(fields[0]))
		for _, text := range fields[1:] {
			seconds, bad := strconv.ParseInt(text, 10, 64)
			err = errors.Join(err, bad)
			age := now.Sub(time.Unix(seconds, 0))
			a.taken = append(a.taken, now.Sub(b.begun)-max(age, 0))
		}
		if err != nil {
			return err
		}
		slices.Sort(a.taken)
		accounts = append(accounts, a)
	}
	if err := lines.Err(); err != nil {
		return err
	}
	slices.SortFunc(accounts, func(x, y account) int { return cmp.Compare(x.taken[len(x.taken)-1], y.taken[len(y.taken)-1]) })
	for _, a := range accounts {
		for _, at := range current(a.taken, now.Sub(b.begun)) {
			b.add(a.key, at)
		}
	}
	return nil
}

// changed has the book saved a while later.
func (b *Book) changed() {
	if b.file.path != "" && b.file.timer == nil {
		b.file.timer = time.AfterFunc(saveDelay, func() {
			if err := b.save(); err != nil {
				b.file.log.Warn("quotas are not saved: after a restart the jobs of the last hour do not count", "error", err.Error())
			}
		})
	}
}

// Close saves the book. It may be used afterwards, but is not saved any more.
func (b *Book) Close() error {
	err := b.save()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.file = file{} // a timer that still runs finds nothing to save
	return err
}

func (b *Book) save() error {
	path, content := b.content()
	if path == "" {
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

func (b *Book) content() (path, content string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.file.timer = nil
	now := b.now()
	var out strings.Builder
	for e := b.order.Front(); e != nil; e = e.Next() {
		a := e.Value.(*account)
		out.WriteString(hex.EncodeToString(a.key[:]))
		for _, at := range a.taken {
			age := now.Sub(b.begun) - at
			fmt.Fprintf(&out, " %d", now.Add(-age).Unix())
		}
		out.WriteByte('\n')
	}
	return b.file.path, out.String()
}
