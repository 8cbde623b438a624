//go:build linux

package deb

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// provider is a service that takes SMS by HTTP, at the loopback port of a machine
// that README.md names.
type provider struct {
	mu  sync.Mutex
	got []string // Authorization and body
}

func newProvider(t *testing.T, m *machine) *provider {
	t.Helper()
	p := new(provider)
	server := httptest.NewUnstartedServer(p)
	server.Listener.Close()
	server.Listener = m.listen(t, "127.0.0.1:8090")
	server.Start()
	t.Cleanup(server.Close)
	return p
}

func (p *provider) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got = append(p.got, r.Header.Get("Authorization")+" "+string(body))
}

func (p *provider) requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.got)
}

// listen opens a TCP port inside of the container. A socket stays in the network
// where it was made.
func (m *machine) listen(t *testing.T, address string) (l net.Listener) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with this function
		ns, err := os.Open("/proc/" + m.init + "/ns/net")
		if err == nil {
			defer ns.Close()
			err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET)
		}
		if err == nil {
			l, err = new(net.ListenConfig).Listen(context.Background(), "tcp", address)
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return l
}
