package core

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func recipients(n int, domain string) (to []string) {
	for i := range n {
		to = append(to, fmt.Sprintf("%d@%s", 100+i, domain))
	}
	return to
}

// TestEqualTextIsMadeOnce: what all jobs of a message share costs
// once, not for each of a thousand recipients. A template that fails says how
// often it ran. Each job has a file of its own all the same.
func TestEqualTextIsMadeOnce(t *testing.T) {
	t.Parallel()
	b := open(t, `
clients: 127.0.0.1
tags: {set: {call: x|call}}
applications:
  plain: {output_folder: '{dir}/fax', ctl_type: fax, addresses: '(?P<number>\d+)@plain$', cmd_tags: set}
  shared: {output_folder: '{dir}/fax', ctl_type: fax, addresses: '(?P<number>\d+)@shared$', ctl_settings: ['x|id|parse|subject = .* (\d+)'], transform: {txt: '<%int(subject)|msg.upper()%>', x/y: '<%int(subject)|subject%>'}}
  own: {output_folder: '{dir}/fax', ctl_type: fax, addresses: '(?P<number>\d+)@own$', transform: {txt: '<%int(subject)|number + msg%>', x/y: '<%int(subject)|number%>'}}
  html: {output_folder: '{dir}/fax', ctl_type: fax, addresses: '(?P<number>\d+)@html$', format_preference: htm}
`)
	const n = 20
	for domain, want := range map[string]struct {
		text   func(i int) string
		errors int
	}{
		"plain":  {func(int) string { return "žluť\r\nx\r\n" }, 0},
		"shared": {func(int) string { return "ŽLUŤ\r\nX\r\n" }, 2},
		"own":    {func(i int) string { return fmt.Sprintf("%džluť\r\nx\r\n", 100+i) }, 2 * n},
		"html":   {nil, 0},
	} {
		before := strings.Count(b.log.String(), "msg=template")
		text := "žluť\nx\n"
		if domain == "plain" {
			text = "@call=1\n\n" + text
		}
		jobs := b.send(t, localhost, "a@b.example", recipients(n, domain), "Subject: no 17\nContent-Type: text/plain; charset=utf-8\n\n"+text)
		if len(jobs) < n {
			t.Fatalf("%s: %d jobs", domain, len(jobs))
		}
		jobs = jobs[len(jobs)-n:]
		var first os.FileInfo
		for i, j := range jobs {
			if want.text != nil && j.text != want.text(i) {
				t.Errorf("%s, job %d: text %q", domain, i, j.text)
			}
			if j.text != jobs[0].text && want.text == nil {
				t.Errorf("%s, job %d: another text", domain, i)
			}
			switch domain {
			case "plain":
				j.values(t, map[string]string{"x/call": "1"})
			case "shared":
				j.values(t, map[string]string{"x/y": "no 17", "x/id": "17"})
			case "own":
				j.values(t, map[string]string{"x/y": fmt.Sprint(100 + i)})
			}
			info, err := os.Stat(filepath.Join(b.dir, "fax", j.ctl.Get("system", "txt")))
			if err != nil {
				t.Fatal(err)
			}
			if first != nil && os.SameFile(first, info) {
				t.Errorf("%s: two jobs have one text file", domain)
			}
			first = info
		}
		if got := strings.Count(b.log.String(), "msg=template") - before; got != want.errors {
			t.Errorf("%s: %d runs of templates, want %d", domain, got, want.errors)
		}
	}
}

// TestTemplatesOfAMessageShareABudget: recipients times the limit of
// one template.
func TestTemplatesOfAMessageShareABudget(t *testing.T) {
	t.Parallel()
	b := open(t, `
clients: 127.0.0.1
applications:
  fax: {output_folder: '{dir}/fax', ctl_type: fax, addresses: '(?P<number>\d+)@fax$', transform: {x/y: "<%'%s' % (len([i for i in range(8000)]) and number)%>"}}
`)
	const n = 150
	jobs := b.send(t, localhost, "a@b.example", recipients(n, "fax"), "Subject: x\n\nx\n")
	made := 0
	for i, j := range jobs {
		if v := j.ctl.Get("x", "y"); v == fmt.Sprint(100+i) {
			made++
		} else if v != "" {
			t.Errorf("job %d: %q", i, v)
		}
	}
	if refused := strings.Count(b.log.String(), "msg=template"); len(jobs) != n || made < 10 || made > n/2 || refused != n-made {
		t.Errorf("%d jobs, %d values, %d refused:\n%.2000s", len(jobs), made, refused, b.log)
	}
	if jobs := b.send(t, localhost, "a@b.example", recipients(1, "fax"), "Subject: x\n\nx\n"); jobs[len(jobs)-1].ctl.Get("x", "y") != "100" {
		t.Error("the next message has no budget of its own")
	}
}
