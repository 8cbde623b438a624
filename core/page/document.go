package page

import (
	"fmt"
	"strconv"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
)

// document is the page as HTML. Every text in it is escaped.
func document(v *view) g.Node {
	title := "smtpreceiver on " + v.Host
	if v.Count > 0 {
		title = fmt.Sprintf("(%d) %s", v.Count, title)
	}
	seen := "where metrics.listen is on loopback or a socket"
	return h.Doctype(h.HTML(h.Lang("en"),
		h.Head(
			h.Meta(h.Charset("utf-8")),
			h.Meta(h.Name("viewport"), h.Content("width=device-width, initial-scale=1")),
			h.Meta(h.Name("color-scheme"), h.Content("light dark")),
			h.TitleEl(g.Text(title)),
			h.Link(h.Rel("stylesheet"), h.Href("/style.css")),
		),
		h.Body(
			h.Header(
				h.H1(g.Text("smtpreceiver "), h.Span(g.Text(v.Host))),
				h.P(h.Class("state "+mark(v.Count == 0)), h.Role("status"), g.Text(verdict(v.Count))),
			),
			h.Main(
				g.If(len(v.Problems) > 0, h.Section(h.Class("problems"), h.Aria("label", "What needs a look"),
					h.Ul(g.Map(v.Problems, func(problem string) g.Node { return h.Li(g.Text(problem)) })),
				)),
				section("service", "Service", h.Dl(h.Class("facts"),
					marked(v.Service, v.Alive, "running", "not answering"),
					marked("takes mail", v.Ready, "ready", "not ready"),
					fact("for", v.Up),
					fact("version", v.Version),
				)),
				section("applications", "Applications",
					g.If(len(v.Applications) == 0, none("None is enabled.")),
					h.Div(h.Class("cards"), g.Map(v.Applications, application.card)),
				),
				g.Iff(v.Queue != nil, func() g.Node { return v.Queue.section() }),
				g.If(v.Private, section("jobs", "Last jobs", lastJobsOf(v.Jobs))),
				g.If(v.Private, section("log", "Last errors and warnings", lastErrorsOf(v.Errors))),
				g.If(v.Form, section("explain", "What would become of a mail?", v.form(), v.answer())),
			),
			h.Footer(
				g.Text(v.At.Format("2006-01-02 15:04:05 MST")+" · nothing on this page changes anything · "),
				h.A(h.Href("/"), g.Text("look again")),
				g.If(!v.Private, g.Text(" · jobs and reasons are shown "+seen)),
			),
		),
	))
}

// mark is the class of what is well, or is not.
func mark(well bool) string {
	if well {
		return "good"
	}
	return "bad"
}

func verdict(problems int) string {
	switch problems {
	case 0:
		return "All is well"
	case 1:
		return "One thing needs a look"
	}
	return fmt.Sprintf("%d things need a look", problems)
}

func section(id, heading string, content ...g.Node) g.Node {
	return h.Section(h.Aria("labelledby", id), h.H2(h.ID(id), g.Text(heading)), g.Group(content))
}

func none(text string) g.Node { return h.P(h.Class("none"), g.Text(text)) }

func fact(name, value string) g.Node {
	return h.Div(h.Dt(g.Text(name)), h.Dd(g.Text(value)))
}

// marked is a fact that is well or not.
func marked(name string, well bool, good, bad string) g.Node {
	said := bad
	if well {
		said = good
	}
	return h.Div(h.Dt(g.Text(name)), h.Dd(h.Class(mark(well)), g.Text(said)))
}

// figure is a number of an application.
func figure(name string, n int, bad bool, more ...g.Node) g.Node {
	return h.Div(g.If(bad, h.Class("bad")), h.Dt(g.Text(name)), h.Dd(g.Text(strconv.Itoa(n)), g.Group(more)))
}

func (a application) card() g.Node {
	by := "read by another program"
	if a.Consumer != "" {
		by = "handed on by consume." + a.Consumer
	}
	return h.Article(h.Class("card"),
		h.H3(g.Text(a.Name+" "), h.Span(g.Text(by))),
		h.Dl(h.Class("figures"),
			figure("waiting", a.Waiting, a.Late, g.If(a.Age != "", g.Group{g.Text(" "), h.Small(g.Text("oldest " + a.Age))})),
			g.If(a.Consumer != "", figure("failed", a.Failed, a.Failed > 0)),
			g.If(a.Held > 0, figure("held", a.Held, true)),
			g.If(a.Told > 0, figure("reports to send", a.Told, false)),
			fact("free", a.Free),
		),
		h.Figure(a.picture(), h.FigCaption(
			h.Span(g.Text("24 h ago")),
			h.Span(g.Text(jobsInWords(a.Jobs, "no jobs")),
				g.If(a.JobsFailed > 0, g.Group{g.Text(", "), h.B(g.Textf("%d failed", a.JobsFailed))}),
				g.If(a.Peak > 0, g.Textf(", peak %d in 15 min", a.Peak)),
			),
			h.Span(g.Text("now")),
		)),
	)
}

func jobsInWords(n int, none string) string {
	switch n {
	case 0:
		return none
	case 1:
		return "1 job"
	}
	return fmt.Sprintf("%d jobs", n)
}

// picture draws the jobs of a day.
func (a application) picture() g.Node {
	label := jobsInWords(a.Jobs, "0 jobs") + " in 24 hours"
	if a.JobsFailed > 0 {
		label += fmt.Sprintf(", %d failed", a.JobsFailed)
	}
	rect := func(class string, x, y, height int) g.Node {
		return g.El("rect", h.Class(class), g.Attr("x", strconv.Itoa(x)), g.Attr("y", strconv.Itoa(y)), h.Width("3"), h.Height(strconv.Itoa(height)))
	}
	return h.SVG(g.Attr("viewBox", "0 0 384 48"), g.Attr("preserveAspectRatio", "none"), h.Role("img"), h.Aria("label", label),
		g.El("path", h.Class("grid"), g.Attr("d", "M96 0V48M192 0V48M288 0V48M0 47.5H384")),
		g.Map(a.Day, func(b bar) g.Node {
			return g.Group{rect("jobs", b.X, b.Y, b.Height), g.If(b.Failed > 0, rect("fails", b.X, b.FailedY, b.Failed))}
		}),
	)
}

func (q *queueView) section() g.Node {
	consumers := none("No consumer was heard of within a minute.")
	if len(q.Consumers) > 0 {
		consumers = table("consumers", []string{"consumer", "on", "has", "begun", "target"}, g.Map(q.Consumers, consumer.row))
	}
	return section("queue", "Queue "+q.Name, h.Dl(h.Class("facts"),
		fact("in use", q.Used+" of "+q.Most),
		g.Map(q.Servers, func(s server) g.Node { return marked(s.Name, !s.Bad, s.State, s.State) }),
	), consumers)
}

func (c consumer) row() g.Node {
	target, class := "up", "tag"
	if c.Down {
		target, class = "down", "tag failed"
	}
	return h.Tr(
		h.Td(g.Text(c.App+" by consume."+c.Name)), h.Td(g.Text(c.Host)),
		h.Td(h.Data("label", "jobs it has:"), g.Text(strconv.Itoa(c.Has))), h.Td(h.Data("label", "of them begun:"), g.Text(strconv.Itoa(c.Begun))),
		h.Td(h.Data("label", "target:"), h.Span(h.Class(class), g.Text(target))),
	)
}

func table(class string, columns []string, rows g.Node) g.Node {
	return h.Table(g.If(class != "", h.Class(class)),
		h.THead(h.Tr(g.Map(columns, func(name string) g.Node { return h.Th(h.Scope("col"), g.Text(name)) }))),
		h.TBody(rows),
	)
}

// foreign is a text in any script, which leaves the line around it as it is.
func foreign(text string, attributes ...g.Node) g.Node {
	return g.El("bdi", g.Group(attributes), g.Text(text))
}

func lastJobsOf(jobs []job) g.Node {
	if len(jobs) == 0 {
		return none("No jobs yet.")
	}
	return table("", []string{"job", "when", "to", "subject", "state"}, g.Map(jobs, func(j job) g.Node {
		return h.Tr(h.Class(j.State), h.Td(g.Text(j.App+" "+j.ID)), h.Td(g.Text(j.When)), h.Td(foreign(j.Recipient)), h.Td(foreign(j.Subject)),
			h.Td(h.Span(h.Class("tag "+j.State), g.Text(j.State)), g.If(j.Reason != "", g.Group{g.Text(" "), foreign(j.Reason, h.Class("why"))})),
		)
	}))
}

func lastErrorsOf(events []logged) g.Node {
	if len(events) == 0 {
		return none("None since the service was started.")
	}
	return h.Ol(h.Class("log"), g.Map(events, func(e logged) g.Node {
		kind := "warning"
		if e.Level == "E" {
			kind = "error"
		}
		return h.Li(h.Class(e.Level), h.Span(h.Class("tag "+e.Level), g.Text(kind)), g.Text(" "), h.Time(g.Text(e.When)), g.Text(" "), foreign(e.Line))
	}))
}

// form asks for a mail to explain.
func (v *view) form() g.Node {
	return h.Form(h.Method("post"), h.Action("/#explain"),
		h.Label(g.Text("From "), h.Input(h.Name("from"), h.Value(v.From), h.MaxLength("400"), h.AutoComplete("off"), h.Placeholder("eva@example.com"))),
		h.Label(g.Text("Client "), h.Input(h.Name("client"), h.Value(v.Client), h.MaxLength("60"), h.Required())),
		h.Label(h.Class("wide"), g.Text("To, one a line "),
			h.Textarea(h.Name("to"), h.Rows("2"), h.MaxLength("9000"), h.Required(), h.Placeholder("+420603123456@sms"), g.Text(v.To)),
		),
		h.Button(g.Text("Explain")),
	)
}

func (v *view) answer() g.Node {
	switch {
	case !v.Asked:
		return nil
	case v.Complaint != "":
		return h.P(h.Class("complaint"), h.Role("alert"), foreign(v.Complaint))
	}
	return h.Pre(g.Text(v.Answer))
}
