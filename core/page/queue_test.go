package page

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"smtpreceiver/core/queue"
	"smtpreceiver/core/status"
)

// TestQueue: the page shows servers and consumers of a queue, whatever they are
// called.
func TestQueue(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := New(s.source)
	shown := func(q *status.Queue) string {
		w := httptest.NewRecorder()
		p.render(w, &view{Private: true, Queue: queueOf(q)})
		return w.Body.String()
	}
	if text := shown(nil); strings.Contains(text, `id="queue"`) {
		t.Error("a queue is shown where there is none")
	}
	text := shown(&status.Queue{
		Name: "faxes", UsedBytes: 3 << 20, MaxBytes: 10 << 30,
		Servers: []queue.Node{{Name: "mq1", Leads: true, Up: true, Current: true}, {Name: "<b>mq2"}, {Name: "mq3", Up: true, Behind: 17}, {Name: "mq4", Up: true, Current: true}},
		Consumers: []queue.Worker{
			{App: "fax", Name: "hylafax", Host: "fax1", Held: 16, Begun: 4}, {App: "fax", Name: "hylafax", Host: "\u202efax2", Down: true},
		},
	})
	for _, want := range []string{
		"Queue faxes", "3.0 MiB of 10 GiB", `<dt>mq1</dt><dd class="good">leader`, `<dt>&lt;b&gt;mq2</dt><dd class="bad">down`, `<dt>mq3</dt><dd class="bad">behind by 17`, `<dt>mq4</dt><dd class="good">up`,
		`fax by consume.hylafax</td><td>fax1</td><td data-label="jobs it has:">16</td><td data-label="of them begun:">4</td><td data-label="target:"><span class="tag">up`, `<td>` + "\ufffd" + `fax2</td><td data-label="jobs it has:">0</td><td data-label="of them begun:">0</td><td data-label="target:"><span class="tag failed">down`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q on the page:\n%s", want, text)
		}
	}
	if text := shown(&status.Queue{Name: "faxes"}); !strings.Contains(text, "No consumer was heard of within a minute.") {
		t.Errorf("nothing is said of the consumers that are missing:\n%s", text)
	}
}

// TestQueueInChromium shows servers and consumers of a queue in a browser: nothing is
// wider than the window. It keeps pictures as TestChromium does.
func TestQueueInChromium(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	p := New(newSite(t).source)
	long := strings.Repeat("a-name-without-an-end", 10)
	q := &status.Queue{
		Name: "faxes", UsedBytes: 3 << 20, MaxBytes: 10 << 30,
		Servers: []queue.Node{{Name: "mq1", Leads: true, Up: true, Current: true}, {Name: "mq2"}, {Name: long, Up: true, Behind: 17}},
		Consumers: []queue.Worker{
			{App: "fax", Name: "hylafax", Host: "fax1.example.com", Held: 16, Begun: 4}, {App: "fax", Name: "hylafax", Host: "fax2.example.com", Down: true}, {App: long, Name: long, Host: long},
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			p.render(w, &view{Private: true, Queue: queueOf(q)})
			return
		}
		p.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	for _, width := range []int{1200, 390} {
		for _, dark := range []bool{false, true} {
			b.open(server.URL+"/", width, dark)
			what := fmt.Sprintf("queue-%d-%t", width, dark)
			if got := b.eval("document.documentElement.scrollWidth"); got != float64(width) {
				t.Errorf("%s: the page is %v wide", what, got)
			}
			if got := b.eval("document.querySelectorAll('#queue').length"); got != float64(1) {
				t.Errorf("%s: %v queues", what, got)
			}
			if folder := os.Getenv("PAGE_SCREENSHOTS"); folder != "" {
				if err := os.WriteFile(filepath.Join(folder, what+".png"), b.shot(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}
