package guard

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"testing"
	"time"

	"smtpreceiver/core/metrics"
	"smtpreceiver/core/socket"
	"smtpreceiver/milter/guard/guardtest"
)

func TestGuardListenerCountsOpenConnections(t *testing.T) {
	t.Parallel()
	m := metrics.New()
	l := &Listener{
		Acceptor: socket.NewAcceptor(guardtest.Listen(t), slog.New(slog.DiscardHandler)), Open: new(socket.Open[*Conn]), Count: m.Connections(metrics.Milter),
	}
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if n := count(l.Open); n != 1 {
		t.Errorf("%d connections open, want 1", n)
	}
	if open, served := counted(t, m); open != 1 || served != 1 {
		t.Errorf("counted: %v open of %v", open, served)
	}
	c.Close()
	c.Close()
	if n := count(l.Open); n != 0 {
		t.Errorf("%d connections open after Close, want 0", n)
	}
	if open, served := counted(t, m); open != 0 || served != 1 {
		t.Errorf("counted after Close: %v open of %v", open, served)
	}
	l.Close()
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("error %v, want %v", err, net.ErrClosed)
	}
}

// counted is what the metrics say of connections by milter.
func counted(t *testing.T, m *metrics.Metrics) (open, served float64) {
	t.Helper()
	families, err := m.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, c := range f.GetMetric() {
			if l := c.GetLabel(); len(l) != 1 || l[0].GetValue() != string(metrics.Milter) {
				continue
			}
			switch f.GetName() {
			case "smtpreceiver_connections":
				open = c.GetGauge().GetValue()
			case "smtpreceiver_connections_total":
				served = c.GetCounter().GetValue()
			}
		}
	}
	return open, served
}

func count(open *socket.Open[*Conn]) (n int) {
	open.End(func(*Conn) { n++ })
	return n
}

func TestGuardListenerTimeout(t *testing.T) {
	t.Parallel()
	l := &Listener{
		Acceptor: socket.NewAcceptor(guardtest.Listen(t), slog.New(slog.DiscardHandler)),
		Timeout:  func() time.Duration { return time.Millisecond }, Open: new(socket.Open[*Conn]),
	}
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	go io.WriteString(client, guardtest.Negotiation)
	if _, err := io.ReadFull(c, make([]byte, len(guardtest.Negotiation))); err != nil {
		t.Fatalf("guardtest.Negotiation, which the library limits: %v", err)
	}
	defer time.AfterFunc(10*time.Second, func() { client.Close() }).Stop() // where nothing ends the wait
	if _, err := c.Read(make([]byte, 4)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("waiting for the next command ended with %v, want %v", err, os.ErrDeadlineExceeded)
	}
}
