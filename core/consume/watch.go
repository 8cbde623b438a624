package consume

import (
	"log/slog"
	"path/filepath"

	"github.com/fsnotify/fsnotify"

	"smtpreceiver/core/consume/folder"
)

// watcher tells which jobs appear in a folder. Where the system cannot (NFS, no
// more watches) it is silent, and polling does the work.
type watcher struct {
	found  chan string
	missed chan struct{} // more came than the system's queue holds
	notify *fsnotify.Watcher
	closed chan struct{}
}

func watch(path string, log *slog.Logger) *watcher {
	w := &watcher{found: make(chan string), missed: make(chan struct{}, 1), closed: make(chan struct{})}
	var err error
	if w.notify, err = fsnotify.NewWatcher(); err == nil {
		if err = w.notify.Add(path); err == nil {
			go w.forward(w.notify)
			return w
		}
	}
	log.Warn("folder is polled, it cannot be watched", "folder", path, "error", err.Error())
	return w
}

// forward runs until the watcher is closed.
func (w *watcher) forward(notify *fsnotify.Watcher) {
	for {
		select {
		case event, ok := <-notify.Events:
			if !ok {
				return
			}
			stem := folder.Stem(filepath.Base(event.Name))
			if stem == "" || !event.Has(fsnotify.Create) {
				continue
			}
			select {
			case w.found <- stem:
			case <-w.closed:
				return
			}
		case _, ok := <-notify.Errors:
			if !ok {
				return
			}
			select {
			case w.missed <- struct{}{}:
			default:
			}
		}
	}
}

func (w *watcher) close() {
	close(w.closed)
	if w.notify != nil {
		w.notify.Close()
	}
}
