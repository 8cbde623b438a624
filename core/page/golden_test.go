package page

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the files of testdata anew")

// TestShown holds whole pages to the files of testdata, a line for each element.
func TestShown(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	quiet := view{Host: "gw.example.com", Service: "milter", Version: "1.2.3", At: at, Up: "2 days", Private: true, Alive: true, Ready: true, Form: true, Client: "127.0.0.1"}
	busy := quiet
	busy.Alive, busy.Ready, busy.Count, busy.Problems = false, false, 2, []string{"one", "two"}
	busy.Applications = []application{
		{Name: "fax", Consumer: "fax", Free: "1 GiB", Age: "1h0m", Waiting: 3, Held: 1, Failed: 1, Told: 1, Late: true, Jobs: 2, JobsFailed: 1, Peak: 5, Day: []bar{{X: 4, Y: 40, Height: 8}, {X: 8, Y: 38, FailedY: 37, Height: 10, Failed: 1}, {X: 12, Y: 48, FailedY: 44, Failed: 4}}},
		{Name: "sms", Free: "2 GiB", Failed: 7, Jobs: 1, Peak: 1},
		{Name: "idle", Consumer: "idle", Free: "3 GiB"},
	}
	busy.Queue = &queueView{
		Name: "faxes", Used: "1 MiB", Most: "1 GiB", Servers: []server{{"mq1", "leader", false}, {"mq2", "down", true}},
		Consumers: []consumer{{"hylafax", "fax", "gw1", 2, 1, false}, {"smsd", "sms", "gw2", 0, 0, true}},
	}
	busy.Jobs = []job{
		{ID: "00000002", App: "fax", State: "failed", When: "1m ago", Recipient: "2@fax", Subject: "S", Reason: "busy"},
		{ID: "00000001", App: "sms", State: "waiting", When: "2m ago", Recipient: "1@sms", Subject: "T"},
	}
	busy.Errors = []logged{{"just now", "E", "msg=worse"}, {"1m ago", "W", "msg=bad"}}
	busy.Asked, busy.From, busy.To, busy.Answer = true, "a@b.example", "1@fax\n2@sms", "it is\ntaken"
	public := busy
	public.Private, public.Form, public.Queue, public.Jobs, public.Errors, public.Problems, public.Count = false, false, nil, nil, nil, nil, 1
	complaint := quiet
	complaint.Asked, complaint.Complaint, complaint.Answer = true, "name a recipient", "none"
	complaint.Count, complaint.Problems, complaint.Jobs, complaint.Errors = 1, busy.Problems[:1], busy.Jobs[:1], busy.Errors[:1]
	complaint.Queue = &queueView{Name: "q", Used: "0 B", Most: "1 GiB", Consumers: busy.Queue.Consumers[:1]}
	for name, v := range map[string]*view{"quiet": &quiet, "busy": &busy, "public": &public, "complaint": &complaint} {
		var b bytes.Buffer
		if err := document(v).Render(&b); err != nil {
			t.Fatal(err)
		}
		got := strings.ReplaceAll(b.String(), "><", ">\n<") + "\n"
		file := filepath.Join("testdata", name+".html")
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
