package spool

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// A recovery sees a new owner's lock before the owner holds it, takes it for a
// dead one's and removes it: the owner must end up with the lock on the file
// that has the name.
func TestLockSurvivesRecovery(t *testing.T) {
	t.Parallel()
	e := openTestDir(t, t.TempDir()).at("owner.lock")
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				l, err := tryLockOwner(e)
				if err != nil {
					t.Error(err)
					return
				}
				if l != nil {
					if err := l.release(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	for range 50 {
		l, err := lockOwner(e)
		if err != nil {
			t.Error(err)
			break
		}
		if named, err := l.named(); err != nil || !named {
			t.Errorf("locked a file without a name (%v)", err)
		}
		if second, err := tryLockOwner(e); err != nil || second != nil {
			t.Errorf("locked twice (%v)", err)
		}
		if err := l.unlock(); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	wg.Wait()
}

// A lock that cannot be asked for is not one that another has.
func TestLockFails(t *testing.T) {
	t.Parallel()
	f, err := os.Create(filepath.Join(t.TempDir(), "owner.lock"))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if locked, err := lockFile(f, false); locked || err == nil {
		t.Errorf("locked a closed file: %t, %v", locked, err)
	}
}

func TestLockOnRemovedFileIsNone(t *testing.T) {
	t.Parallel()
	e := openTestDir(t, t.TempDir()).at("owner.lock")
	l, err := lockOwner(e)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(e.path()); err != nil {
		t.Fatal(err)
	}
	if named, err := l.named(); err != nil || named {
		t.Errorf("named: %t, %v", named, err)
	}
	if err := os.WriteFile(e.path(), nil, 0o640); err != nil {
		t.Fatal(err)
	}
	if named, err := l.named(); err != nil || named {
		t.Errorf("another file has the name: %t, %v", named, err)
	}
	if err := l.unlock(); err != nil {
		t.Error(err)
	}
}

func TestReleaseRemovesTheFile(t *testing.T) {
	t.Parallel()
	e := openTestDir(t, t.TempDir()).at("owner.lock")
	for range 2 {
		l, err := lockOwner(e)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.release(); err != nil {
			t.Fatal(err)
		}
		if there, err := exists(e); there || err != nil {
			t.Errorf("lock file there: %t, %v", there, err)
		}
	}
	gone := openTestDir(t, t.TempDir())
	if err := os.Remove(gone.path); err != nil {
		t.Fatal(err)
	}
	if _, err := lockOwner(gone.at("owner.lock")); err == nil {
		t.Error("locked in a directory that is not there")
	}
}
