package consume

import (
	"log/slog"
	"strings"

	"github.com/fsnotify/fsnotify"
)

// watcher tells when a CTL appears in a folder. Where the system cannot (NFS,
// no more watches) it is silent, and polling does the work.
type watcher struct {
	changed chan struct{}
	notify  *fsnotify.Watcher
}

func watch(folder string, log *slog.Logger) *watcher {
	w := &watcher{changed: make(chan struct{}, 1)}
	var err error
	if w.notify, err = fsnotify.NewWatcher(); err == nil {
		if err = w.notify.Add(folder); err == nil {
			go w.forward(w.notify)
			return w
		}
	}
	log.Warn("folder is polled, it cannot be watched", "folder", folder, "error", err.Error())
	return w
}

// forward runs until the watcher is closed. An error is an overflow of the queue,
// which polling makes up for.
func (w *watcher) forward(notify *fsnotify.Watcher) {
	for {
		select {
		case event, ok := <-notify.Events:
			if !ok {
				return
			}
			if !event.Has(fsnotify.Create) || !strings.HasSuffix(event.Name, controlExt) {
				continue
			}
		case _, ok := <-notify.Errors:
			if !ok {
				return
			}
		}
		select {
		case w.changed <- struct{}{}:
		default:
		}
	}
}

func (w *watcher) close() {
	if w.notify != nil {
		w.notify.Close()
	}
}
