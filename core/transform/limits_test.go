package transform

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"smtpreceiver/core/transform/python"
)

// TestDone shows that items do not get lost when the transaction is over.
func TestDone(t *testing.T) {
	t.Parallel()
	tmpl := parse(t, `<%name%> <%name + 'x'|'y'%> <%msg%>`)
	over := errors.New("shutting down")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(over)
	got, errs := tmpl.Execute(ctx, sample())
	if got != "Jan y "+sample().Msg || len(errs) != 1 || !errors.Is(errs[0], over) {
		t.Errorf("%q %v", got, errs)
	}
}

// TestBudget: the jobs of a message share one, and what is only an item needs none.
func TestBudget(t *testing.T) {
	t.Parallel()
	it := sample()
	it.Budget = new(python.Budget) // used up
	got, errs := parse(t, `<%name%> <%name + 'x'|'y'%>`).Execute(t.Context(), it)
	if got != "Jan y" || len(errs) != 1 || !strings.Contains(errs[0].Error(), "used up") {
		t.Errorf("%q %v", got, errs)
	}
}

func TestLongText(t *testing.T) {
	t.Parallel()
	it := sample()
	it.Msg = strings.Repeat("žluť\n", 1<<20)
	check(t, `<%msg%>`, it, it.Msg)
	check(t, `Now\n<%msg%>`, it, "Now\n"+it.Msg)
	check(t, `<%msg.replace('\n', '\r\n')%>`, it, strings.ReplaceAll(it.Msg, "\n", "\r\n"))
	check(t, `<%msg[:4]%>`, it, "žluť")

	it.Msg = strings.Repeat("příliš žluťoučký kůň\n", 15_000)
	chain := "msg"
	for range 30 {
		chain += ".replace('ž', 'z')"
	}
	check(t, `<%`+chain+`%>`, it, strings.ReplaceAll(it.Msg, "ž", "z"))
}

// TestLongestTemplate: a template may be as long as the limit says.
func TestLongestTemplate(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("a", maxTemplate)
	check(t, longest, sample(), longest)
}

// TestResultLimit shows that text is refused past the limit and kept before.
func TestResultLimit(t *testing.T) {
	t.Parallel()
	it := sample()
	it.Msg = strings.Repeat("a", 1<<20)
	tmpl := parse(t, strings.Repeat(`<%msg%>`, 12)+`end`)
	got, errs := tmpl.Execute(context.Background(), it)
	if len(got) != 9<<20+len("end") || len(errs) != 3 || !strings.Contains(errs[0].Error(), "result over the limit") {
		t.Errorf("%d bytes, %v", len(got), errs)
	}
}

// TestPanic shows that a fault below costs the alternative only.
func TestPanic(t *testing.T) {
	t.Parallel()
	it := sample()
	it.Header = func(string) string { panic("broken") }
	tmpl := parse(t, `<%headers['A']|name%>`)
	got, errs := tmpl.Execute(context.Background(), it)
	if got != "Jan" || len(errs) != 1 || !strings.Contains(errs[0].Error(), "internal error: broken") {
		t.Errorf("%q %v", got, errs)
	}
}

func TestConcurrentExecute(t *testing.T) {
	t.Parallel()
	tmpl := parse(t, `<%re.sub('\d', lambda m: '#', subject) + '%03d' % len(name)%> <%time.strftime('%x')%> <%msg%>`)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			it := sample()
			it.Name = strings.Repeat("x", i)
			want := "Žluťoučký kůň ID:####00" + string(rune('0'+i)) + " 03/05/26 " + it.Msg
			for range 50 {
				if got, errs := tmpl.Execute(context.Background(), it); got != want || len(errs) > 0 {
					t.Errorf("%q %v, want %q", got, errs, want)
				}
			}
		})
	}
	group.Wait()
}
