package quota

import "context"

// Counter counts jobs within an hour: those of this process in a book, those of
// all gateways in the queue.
type Counter interface {
	// Take counts one more job for key, unless limit of them count already. An error
	// means that they cannot be asked now.
	Take(ctx context.Context, key string, limit int) (p Place, ok bool, err error)
	// Full says whether limit jobs count already.
	Full(ctx context.Context, key string, limit int) (bool, error)
}

// Place is one job that counts. Return makes it count no longer.
type Place interface{ Return() }

// Counter is b as a counter, which never fails.
func (b *Book) Counter() Counter { return counter{b} }

type counter struct{ book *Book }

func (c counter) Take(_ context.Context, key string, limit int) (Place, bool, error) {
	t, ok := c.book.Take(key, limit)
	if !ok {
		return nil, false, nil // and no Place around a nil one
	}
	return t, true, nil
}

func (c counter) Full(_ context.Context, key string, limit int) (bool, error) {
	return c.book.Full(key, limit), nil
}
