//go:build linux

package main

import (
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
)

// TestPage: the page of a service and of a consumer, and the form that asks explain.
func TestPage(t *testing.T) {
	t.Parallel()
	r := consuming(t, "", "target: command, command: [/bin/false]")
	r.environ = []string{"SMTPRECEIVER_METRICS_LISTEN=inet:127.0.0.1:0"}
	r.start(t)
	defer r.stop(t)
	wantDelivery(t, r.addr, to("123@sms"), "250 ")
	consumer := r.launch(t, "consume")
	defer consumer.kill()
	eventually(t, "the failed job", func() bool { return len(settled(t, r.sms, ".failed")) == 1 })
	for name, p := range map[string]*process{"standalone": r.process, "consume": consumer} {
		status, body := p.get(t, "/")
		for _, want := range []string{"<dt>" + name + "</dt>", "123@sms", "/bin/false: exit status 1", `aria-label="`, "receiver.test"} {
			if status != http.StatusOK || !strings.Contains(body, want) {
				t.Errorf("%s: %d, no %q in\n%s", name, status, want, body)
			}
		}
		if form := strings.Contains(body, "<form"); form != (name == "standalone") {
			t.Errorf("%s: form %t", name, form)
		}
		if status, css := p.get(t, "/style.css"); status != http.StatusOK || !strings.Contains(css, "prefers-color-scheme") {
			t.Errorf("%s: style %d", name, status)
		}
		foreign, err := http.NewRequest("GET", "http://"+p.metricsAt(t)+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		foreign.Host = "evil.example"
		answer, err := http.DefaultClient.Do(foreign)
		if err != nil {
			t.Fatal(err)
		}
		if answer.Body.Close(); answer.StatusCode != http.StatusMisdirectedRequest {
			t.Errorf("%s: another name: %d", name, answer.StatusCode)
		}
	}
	if _, body := r.get(t, "/"); !strings.Contains(body, `aria-label="1 job in 24 hours"`) {
		t.Errorf("no job in the picture of\n%s", body)
	}
	if _, body := consumer.get(t, "/"); !strings.Contains(body, `1 failed"`) {
		t.Errorf("no failed job in the picture of\n%s", body)
	}
	answer, err := http.PostForm("http://"+r.metricsAt(t)+"/", url.Values{"from": {"eva@example.com"}, "to": {"123@sms\nx@nowhere.example"}, "client": {"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"=&gt; taken by sms, job 1 of the message", "x@nowhere.example\n", "550 5.7.1 Relay access denied"} {
		if !strings.Contains(string(said), want) {
			t.Errorf("no %q in\n%s", want, said)
		}
	}
}

// TestPageAsksSenders: the form of the page asks the table of senders, as it is now.
func TestPageAsksSenders(t *testing.T) {
	t.Parallel()
	table := filepath.Join(t.TempDir(), "senders.csv")
	writeFile(t, table, "name,allowed\neva@example.com,1\n")
	r := running(t, "senders: {backend: file, file: '"+table+"'}", "metrics: {listen: 'inet:127.0.0.1:0'}")
	defer r.stop(t)
	ask := func(from string) string {
		t.Helper()
		answer, err := http.PostForm("http://"+r.metricsAt(t)+"/", url.Values{"from": {from}, "to": {"123@sms"}, "client": {"127.0.0.1"}})
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		said, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(said)
	}
	if said := ask("eva@example.com"); !strings.Contains(said, "=&gt; taken by sms") {
		t.Errorf("%s", said)
	}
	if said := ask("petr@example.com"); !strings.Contains(said, "sender is not known") || !strings.Contains(said, "there is no row for") {
		t.Errorf("%s", said)
	}
	writeFile(t, table, "name,allowed\neva@example.com,0\n")
	if said := ask("eva@example.com"); !strings.Contains(said, "sender may not use it") {
		t.Errorf("%s", said)
	}
}
