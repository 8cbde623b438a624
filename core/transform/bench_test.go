package transform

import (
	"context"
	"io"
	"strings"
	"testing"
)

func benchmarkExecute(b *testing.B, template string) {
	tmpl, err := ParseTemplate(template)
	if err != nil {
		b.Fatal(err)
	}
	it := sample()
	b.ReportAllocs()
	for b.Loop() {
		if _, errs := tmpl.Execute(context.Background(), it); len(errs) > 0 {
			b.Fatal(errs)
		}
	}
}

// BenchmarkExecuteManual is the long example of the manual.
func BenchmarkExecuteManual(b *testing.B) {
	benchmarkExecute(b, `Now is <%time.strftime("%x %X")%>\n Message from:<%messageFromName%> <%messageFromAddress%>\n<%subject%>\n Send reply to: <%messageReplyToAddress|'lamp_room@petrol.org'%> \n<%msg%>`)
}

func BenchmarkExecuteItem(b *testing.B) { benchmarkExecute(b, `<%msg%>`) }

func BenchmarkExecuteRegexp(b *testing.B) {
	benchmarkExecute(b, `<%re.sub('\s+', ' ', msg)[:160]%>`)
}

func BenchmarkParseManual(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseTemplate(`<%time.strftime("%x %X")%> <%messageReplyToAddress|'lamp_room@petrol.org'%>`); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCut(b *testing.B) {
	ts, _ := Builtin("mobilchange")
	for name, text := range map[string]string{
		"block": "@dr=1\n@action=2\n@maxlen=3\n\n" + strings.Repeat("text\n", 30),
		"none":  strings.Repeat("text\n", 30),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, rest, err := ts.Cut(strings.NewReader(text))
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, rest); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSettingParse(b *testing.B) {
	s, err := ParseSetting(`system|user_app_id|parse|subject = .*ID:(\d+).*`)
	if err != nil {
		b.Fatal(err)
	}
	it := sample()
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := s.Value(it); !ok {
			b.Fatal("no value")
		}
	}
}
