package bench

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"smtpreceiver/contrib/mtatest"
)

var oldFiles = flag.Int("files", 500000, "files in the full output folder")

// BenchmarkCost compares smtpreceiver with a small configuration and an empty
// folder to itself with large ones: client ranges that do not hold the client,
// applications that are asked before the one that takes the mail, and an output
// folder that nobody reads. Each mail has a connection of its own.
func BenchmarkCost(b *testing.B) {
	dir := mtatest.Dir(b)
	path := program(b, dir)
	var targets []*target
	add := func(name, settings string) server {
		s := startStandalone(b, dir, path, settings)
		targets = append(targets, &target{
			name: name, send: by(s.addr, "61388454@fax"), pids: just(s.pid),
			settle: func(b *testing.B) { emptyFolder(b, s.folder) },
		})
		return s
	}
	add("1 range, 1 application, empty folder", faxApplication)
	for _, n := range []int{100, 10000} {
		add(fmt.Sprintf("%d ranges", n), ranges(n)+faxApplication)
	}
	for _, n := range []int{100, 1000} {
		add(fmt.Sprintf("%d applications", n), applications(n))
	}
	full := add(fmt.Sprintf("%d files in the folder", *oldFiles), "id_allocated: 10000000\n"+faxApplication)
	targets[len(targets)-1].settle = nil
	for n := range *oldFiles {
		must(b, os.WriteFile(filepath.Join(full.folder, fmt.Sprintf("%08d.txt", n)), nil, 0o644))
	}
	loads := []load{{sessions: 20, size: 2048, reconnect: true}}
	for range b.N {
		compare(b, targets, loads)
	}
	report("What a large configuration costs", targets, loads)
	b.ReportMetric(0, "ns/op")
}

// ranges are n-1 networks of strangers, and the client's address.
func ranges(n int) string {
	var list strings.Builder
	list.WriteString("clients:\n")
	for i := range n - 1 {
		fmt.Fprintf(&list, "  - 10.%d.%d.0/24\n", i/256, i%256)
	}
	return list.String() + "  - 127.0.0.1\n"
}

// applications are n of them; the last takes fax.
func applications(n int) string {
	var list strings.Builder
	list.WriteString(strings.Replace(faxApplication, "fax:", "last:", 1))
	for i := range n - 1 {
		fmt.Fprintf(&list, "  a%d: {ctl_type: sms, output_folder: '{folder}', addresses: '(?P<number>\\+?\\d+)@sms%d$'}\n", i, i)
	}
	return list.String()
}
