package transform

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"smtpreceiver/core/transform/python"
)

// FuzzTemplate executes any template on any values: it must not panic, keep
// its limits, and refuse with a place inside the template.
func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{
		`plain\n`, `<%messageReplyToAddress| messageFromAddress |'lamp_room@petrol.org'%>`,
		`Now is <%time.strftime("%x %X")%>\n <%subject%>\n<%msg%>`,
		`<%re.sub(r'(\w)', r'\1\g<1>', msg)|re.findall(subject, msg)%>`,
		`<%'%05.2f %-*s %(a)s' % (1, 2, msg)%><%'{0}{a}'.format(msg, a=1)%>`,
		`<%[c for c in msg if c.isdigit()][::-1]%><%msg[1:-1:2]%>`,
		`<%(lambda a, b=1: a + a)(msg)%><%{msg: 1}.get(subject, 'x')%>`,
		`<%u'ž\xe9\d' '''%>'''%><%headers['X'] <> groups[subject]%>`,
		`<%sorted(recipients, key=lambda x: x)%><%time.localtime(len(msg)).tm_year%>`,
		`<%(a)%><%msg.split(subject, 1)%><%msg.zfill(int(subject))%>`,
	} {
		f.Add(seed, "subject 1", "text\nžluť")
	}
	f.Add(`<%subject % msg%><%re.search(subject, msg)%>`, "%s%(", "((")
	f.Fuzz(func(t *testing.T, template, subject, msg string) {
		tmpl, err := ParseTemplate(template)
		if err != nil {
			var fault *python.SyntaxError
			if !errors.As(err, &fault) || fault.Offset < 0 || fault.Offset > len(template) || fault.Line < 1 || fault.Column < 1 {
				t.Fatalf("%v", err)
			}
			return
		}
		it := sample()
		it.Subject, it.Msg, it.Recipients = subject, msg, []string{subject, msg}
		it.Groups = map[string]string{"a": subject}
		got, errs := tmpl.Execute(context.Background(), it)
		for _, err := range errs {
			if strings.Contains(err.Error(), "internal error") {
				t.Errorf("%v", err)
			}
		}
		if limit := 1<<20 + 8*itemsRead(tmpl, it) + len(template); len(got) > limit {
			t.Errorf("%d bytes", len(got))
		}
		if utf8.ValidString(template) && !strings.Contains(template, "<%") && len(errs) > 0 {
			t.Errorf("plain text failed: %v", errs)
		}
	})
}

// itemsRead is the size of the items that the template reads.
func itemsRead(tmpl *Template, it *Items) (size int) {
	for name, kind := range tmpl.uses {
		switch kind {
		case python.Text:
			size += len(values{it}.Text(name))
		case python.List:
			for _, s := range (values{it}).List(name) {
				size += 32 + len(s)
			}
		}
	}
	return size
}

// FuzzCut cuts any text: tags and rest make up the text, and cutting twice
// with an empty set changes nothing.
func FuzzCut(f *testing.F) {
	for _, seed := range []string{
		"@dr=1\n\nHello", "@report\r\n@priority = HIGH\r\n", "\ufeff@dr", "@@dr=1", "@cover=a=b\n@x\n", "@dr=1\r\r\n\n",
	} {
		f.Add(seed)
	}
	builtin, _ := Builtin("mobilchange")
	own, err := ParseTagSet(map[string]string{"cover": "fax|cover", "x": "a|b|c"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, ts := range []*TagSet{builtin, own, {}} {
			tags, rest, err := ts.Cut(strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(rest)
			if err != nil {
				t.Fatal(err)
			}
			switch cut, ok := strings.CutSuffix(text, string(b)); {
			case !ok:
				t.Errorf("%q: rest %q is not its end", text, b)
			case len(tags) == 0 && cut != "":
				t.Errorf("%q: cut %q without tags", text, cut)
			case len(tags) > 0 && strings.Count(cut, "@") < len(tags):
				t.Errorf("%q: %d tags from %q", text, len(tags), cut)
			case len(cut) > maxBlockBytes || len(tags) > maxBlockLines:
				t.Errorf("%d tags, %d bytes", len(tags), len(cut))
			}
			for _, tag := range tags {
				if tag.Section == "" || tag.Key == "" || strings.Contains(tag.Value, "\n") {
					t.Errorf("%q: %+v", text, tag)
				}
			}
		}
	})
}

// FuzzSetting reads any entry and applies it to any text.
func FuzzSetting(f *testing.F) {
	for _, seed := range []string{
		`system|maxlen = 1`, `system|user_app_id|parse|subject = .*ID:(\d+).*`, `a|b|parse|headers['X'] = (x)?`, `|=`,
	} {
		f.Add(seed, "subject ID:1")
	}
	f.Fuzz(func(t *testing.T, entry, subject string) {
		s, err := ParseSetting(entry)
		if err != nil {
			return
		}
		if s.Section() == "" || s.Key() == "" || strings.ContainsAny(s.Section()+s.Key(), "\r\n=[]") {
			t.Errorf("%q: %q %q", entry, s.Section(), s.Key())
		}
		value, ok := s.Value(&Items{Subject: subject, Header: func(string) string { return subject }})
		if s.Item() != "" && ok != (value != "") {
			t.Errorf("%q: %q %v", entry, value, ok)
		}
		if s.Item() != "" && !strings.Contains(subject, value) {
			t.Errorf("%q: %q is not from %q", entry, value, subject)
		}
	})
}
