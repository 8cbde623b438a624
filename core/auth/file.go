package auth

import (
	"context"
	"errors"
	"log/slog"

	"smtpreceiver/core/datafile"
)

// usersFile is the backend file. Each login looks whether the file has changed.
type usersFile struct {
	users  *datafile.File[*userTable]
	hasher *hasher
}

func newUsersFile(o Options, log *slog.Logger) (backend, error) {
	users, err := datafile.Open(o.UsersFile, "users", parseUsers, log)
	if err == nil {
		return &usersFile{users: users, hasher: newHasher()}, nil
	}
	var option *OptionError // of each bad line
	if !errors.As(err, &option) {
		err = bad("users_file", "%w", err)
	}
	return nil, err
}

func (f *usersFile) verify(ctx context.Context, user, password string) (name string, err error) {
	stored, known := f.users.Get().lookup(user)
	matches, err := f.hasher.matches(ctx, stored, password)
	switch {
	case err != nil:
		return "", err
	case !known:
		return "", unknownUser(user)
	case !matches:
		return "", wrongPassword(user)
	}
	return user, nil // names count letter for letter
}

func (f *usersFile) Close() error { return nil }
