package core

import (
	"context"

	"smtpreceiver/core/quota"
)

// quotas count jobs within an hour.
type quotas interface {
	// Take counts one more job for key, unless limit of them count already. An error
	// means that they cannot be asked now.
	Take(ctx context.Context, key string, limit int) (t ticket, ok bool, err error)
	// Full says whether limit jobs count already.
	Full(ctx context.Context, key string, limit int) (bool, error)
}

// ticket is one job that counts. Return makes it count no longer.
type ticket interface{ Return() }

// book is the quotas of one process.
type book struct{ *quota.Book }

func (b book) Take(_ context.Context, key string, limit int) (ticket, bool, error) {
	t, ok := b.Book.Take(key, limit)
	if !ok {
		return nil, false, nil // and no ticket around a nil one
	}
	return t, true, nil
}

func (b book) Full(_ context.Context, key string, limit int) (bool, error) {
	return b.Book.Full(key, limit), nil
}
