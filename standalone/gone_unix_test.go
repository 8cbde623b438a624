//go:build unix

package standalone

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"smtpreceiver/contrib/mtatest"
)

// An unpacker that runs for a message ends with the client that sent it.
func TestUnpackingEndsWithItsClient(t *testing.T) {
	t.Parallel()
	endsWithSession(t, func(t *testing.T) (g *gateway, d *mtatest.Dialog, begun, ended <-chan error) {
		fifo := filepath.Join(t.TempDir(), "alive") // open as long as the unpacker runs
		if err := unix.Mkfifo(fifo, 0o600); err != nil {
			t.Fatal(err)
		}
		begins, ends := make(chan error, 1), make(chan error, 1)
		go func() {
			f, err := os.Open(fifo)
			if begins <- err; err != nil {
				return
			}
			defer f.Close()
			_, err = io.Copy(io.Discard, f)
			ends <- err
		}()
		g = startRaw(t, patient+localClients+`
applications:
  fax:
    output_folder: '{dir}/fax'
    ctl_type: fax
    addresses: '(?P<number>\d+)@fax$'
    process_attachments: 1
    dearchive_timeout: 1h
    dearchive: {zip: [sh, -c, 'exec 3>`+fifo+`; sleep 7200', sh, '{archive}', "\x7bdir}"]}
`)
		d = g.greeted(t)
		d.Say("MAIL FROM:<a@x.test>", "250 ")
		d.Say("RCPT TO:<1@fax>", "250 ")
		d.Say("DATA", "354 ")
		d.Send("Content-Disposition: attachment; filename=a.zip\r\n\r\nx\r\n.\r\n")
		return g, d, begins, ends
	})
}
