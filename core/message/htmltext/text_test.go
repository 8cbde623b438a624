package htmltext

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"golang.org/x/net/html"
)

func htmlToText(t testing.TB, s string) string {
	t.Helper()
	b, err := io.ReadAll(New(strings.NewReader(s)))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestHTMLText(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("x", 2*MaxToken)
	for _, tc := range []struct{ name, in, want string }{
		{"empty", "", ""},
		{"white space", " \n ", ""},
		{"collapsed", "a \n\t b", "a b"},
		{"inline", "a<b>b</b> <i>c</i>", "ab c"},
		{"br", "a<br>b<br/>c<br><br>d<br><br><br><br>e", "a\nb\nc\n\nd\n\ne"},
		{"div", "<div>a</div><div>b<div>c</div></div>d", "a\nb\nc\nd"},
		{"p", "<p>a</p><p>b</p>c", "a\n\nb\n\nc"},
		{"Outlook paragraphs", "<p class=MsoNormal>a<o:p></o:p></p><p class=MsoNormal><o:p>&nbsp;</o:p></p><p class=MsoNormal>b</p>", "a\n\nb"},
		{"Outlook lines", "<p class=MsoNormal>a</p>\n<p class=MsoNormal>b</p>", "a\nb"},
		{"Gmail lines", "<div>a</div><div><br></div><div>b</div>", "a\n\nb"},
		{"headings", "a<h1>b</h1>c", "a\n\nb\n\nc"},
		{"list", "x<ul><li>a<li>b</ul>y", "x\n- a\n- b\ny"},
		{"numbers", "<ol><li>a</li><li>b</li></ol><ol><li>c</li></ol>", "1. a\n2. b\n1. c"},
		{"list in list", "<ul><li>a<ol><li>b</li><li>c</li></ol></li><li>d</li></ul>", "- a\n  1. b\n  2. c\n- d"},
		{"paragraphs in items", "<ul><li><p>a</p></li><li><p>b</p></li></ul>", "- a\n- b"},
		{"line in item", "<ul><li>a<br>b</li></ul>", "- a\n  b"},
		{"empty item", "<ul><li></li><li>a</li></ul>b", "- a\nb"},
		{"item without list", "<li>a", "- a"},
		{"table", "<table><tr><td>a</td><td>b</td></tr><tr><td>c</td><td>d</td></tr></table>", "a\tb\nc\td"},
		{"table without ends", "<table><tr><td>a<td>b<tr><td>c<td>d</table>e", "a\tb\nc\td\ne"},
		{"blocks in cells", "<table><tr><td><p>a</p></td>\n<td><div>b</div></td></tr></table>", "a\tb"},
		{"lines in cells", "<table><tr><td>a<br>b</td><td>c</td></tr></table>", "a\nb\tc"},
		{"empty cell", "<table><tr><td></td><td>a</td><td></td><td>b</td><td></td></tr></table>", "a\t\tb"},
		{"table in table", "<table><tr><td><table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table></td><td>d</td></tr></table>", "a\tb\nc\td"},
		{"link", `<a href="http://x.cz/a?b=1&amp;c">text</a>.`, "text (http://x.cz/a?b=1&c)."},
		{"link of itself", `<a href="http://www.x.cz/">x.cz</a> <a href="https://x.cz/a">https://x.cz/a</a> <a href="mailto:a@x.cz?subject=y">A@x.cz</a>`, "x.cz https://x.cz/a A@x.cz"},
		{"link of itself, without its scheme", `<a href="https://x.cz/a">x.cz/a</a> <a href="http://x.cz">HTTP://X.CZ/</a> <a href="ftp://x.cz">x.cz</a>`, "x.cz/a HTTP://X.CZ/ x.cz"},
		{"cells behind a block", "<table><tr><td>a</td></tr></table><div>b</div>c<br><table><tr><td>d</td><td>e</td></tr></table>", "a\nb\nc\nd\te"},
		{"empty line of Outlook in a quotation", "a<p>b</p><p>&nbsp;</p><p>c</p>", "a\n\nb\n\nc"},
		{"template too long", "<template>" + strings.Repeat("x ", 65536) + "</template>end", strings.Repeat("x ", 65536) + "end"},
		{"svg too long", "<svg>" + strings.Repeat("x ", 4096) + "</svg>end", strings.Repeat("x ", 4096) + "end"},
		{"hidden as long as may be", "<span style='display:none'>" + strings.Repeat("x", 4096) + "</span>end", "end"},
		{"list in a cell", "<table><tr><td>a</td><td><ul><li>b</li></ul></td></tr></table>", "a\t- b"},
		{"two pictures in a link", `<a href="http://x.cz"><img alt=A src=x><img alt=B src=y></a>`, "A (http://x.cz)"},
		{"cells with blanks", "<table><tr><td>a</td><td> b</td></tr></table><p>c</p>", "a\tb\n\nc"},
		{"mailto", `<a href="mailto:a@x.cz">Jan</a>`, "Jan (a@x.cz)"},
		{"other links", `<a href="javascript:x()">a</a> <a href="#b">b</a> <a href="data:x">c</a> <a name=x>d</a>`, "a b c d"},
		{"link around a picture", `<a href="http://x.cz"><img alt="Firma" src=x></a> <a href="http://y.cz"><img src=x></a>`, "Firma (http://x.cz) http://y.cz"},
		{"link never closed", `<a href="http://x.cz">a <a href="http://y.cz">b`, "a (http://x.cz) b (http://y.cz)"},
		{"link too long", `<a href="http://` + strings.Repeat("x", 2048) + `">a</a>`, "a"},
		{"picture", "a<img alt=logo src=x>b", "ab"},
		{"entities", "&lt;&amp;&#269;&euro;&nbsp;&bogus;", "<&č€ &bogus;"},
		{"no-break spaces", "a&nbsp;&nbsp;b", "a  b"},
		{"unseen", "a<style>s{}</style><script>x<y</script><title>t</title><template>u</template>b", "ab"},
		{"head", "<head><title>t</title><meta x><style>s</style></head><body>a", "a"},
		{"head never closed", "<head><title>t</title>a", "a"},
		{"noscript", "<noscript><p>a</p></noscript>", "a"},
		{"comment", "a<!-- x <p> -->b<![endif]-->", "ab"},
		{"hidden", "<div style='Display : none'>x<div>y</div></div>a", "a"},
		{"hidden never closed", "<div style='display:none'>x<p>y", "x y"},
		{"hidden too long", "<span style='display:none'>" + strings.Repeat("x ", 4096) + "</span>end", strings.Repeat("x ", 4096) + "end"},
		{"pre", "a<pre>  b\n\tc  d\n</pre>e", "a\n\n  b\n\tc  d\n\ne"},
		{"quotation", "a<blockquote type=cite>b<br>c<blockquote class=gmail_quote>d</blockquote></blockquote>e", "a\n> b\n> c\n> > d\ne"},
		{"indent", "a<blockquote>b</blockquote>c", "a\nb\nc"},
		{"rule", "a<hr>b", "a\n---\nb"},
		{"fillers", "a\u00ad\u200b\u200c\ufeffb", "ab"},
		{"less than", "a < b && c > d", "a < b && c > d"},
		{"tag at the end", "a<b", "a"},
		{"blank lines of pre", "e<pre> \t\n\t\n  f \n \n\ng  h</pre>", "e\n\n  f\n\ng  h"},
		{"only blanks", "e<pre> \t\t\n\t", "e"},
		{"a bullet before the blanks", "<ul><li><pre>  a", "-   a"},
		{"a no-break space behind blanks", "<pre> &nbsp;a", "  a"},
		{"blanks in a cell", "<table><tr><td>a<td><pre>  b</pre></table>", "a\t  b"},
		{"a form feed in pre", "<pre>a\f b", "a  b"},
		{"no end of blanks", "<pre>" + strings.Repeat(" ", 1000) + "a", strings.Repeat(" ", maxIndent) + "a"},
		{"unopened", "</p></div></a></ul></td></tr></blockquote></pre>a", "a"},
		{"list that ends in an empty item", "<ul><li></ul>a", "a"},
		{"text behind an empty item", "<ul><li></li>a</ul>b", "  a\nb"},
		{"empty cell without a row", "x<td></td>y", "xy"},
		{"block behind a cell without a row", "<td>a</td><p>b</p>", "a\n\nb"},
		{"cell of a no-break space", "x<table><tr><td>&nbsp;</td></tr></table>y", "x\ny"},
		{"cell of a no-break space before another", "x<table><tr><td>&nbsp;</td><td>b</td></tr></table>y", "x\nb\ny"},
		{"cells of a heading", "<table><tr><th>a</th><th>b</th></tr></table>", "a\tb"},
		{"many empty cells", "<table><tr><td>a</td>" + strings.Repeat("<td></td>", 2*8) + "<td>b</td></tr></table>", "a" + strings.Repeat("\t", 8) + "b"},
		{"many lists", strings.Repeat("<ul>", 16+2) + "<li>a" + strings.Repeat("</ul>", 3) + "<li>b" + strings.Repeat("</ul>", 16-1) + "c", strings.Repeat("  ", 16-1) + "- a\n" + strings.Repeat("  ", 16-2) + "- b\nc"},
		{"many quotations", strings.Repeat("<blockquote type=cite>", 16+2) + "a" + strings.Repeat("</blockquote>", 16) + "b", strings.Repeat("> ", 16) + "a\nb"},
		{"link as long as may be", `<a href="http://` + strings.Repeat("x", 2048-7) + `">a</a>`, "a (http://" + strings.Repeat("x", 2048-7) + ")"},
		{"link longer by one", `<a href="http://` + strings.Repeat("x", 2048-6) + `">a</a>`, "a"},
		{"picture with long words", `<a href="http://x.cz"><img alt="` + strings.Repeat("y", 200+1) + `" src=x></a>`, strings.Repeat("y", 200) + " (http://x.cz)"},
		{"hidden in hidden", "<div style=display:none>a<div>b</div>c</div>d<div style=display:none><div/>e</div>f", "df"},
		{"hidden closed by itself", "a<svg/>b<script/>c</script>d", "abd"},
		{"paragraph without space around", "<p style='margin: 0'>a</p><p style='margin:0cm'>b</p><p>c", "a\nb\n\nc"},
		{"menu", "<menu><li>a</menu>b", "- a\nb"},
		{"definitions", "<dl><dt>a<dd>b</dl>c", "a\nb\n\nc"},
		{"controls", "a\x01\x1fb\x7fc", "ab\x7fc"},
		{"a line break first", "<br>a", "a"},
		{"preformatted by other names", "<xmp> a\n b</xmp><listing> c</listing>", " a\n b\n c"},
		{"preformatted twice", "<pre><pre>a\n</pre> b\n</pre> c", "a\n\n b\n\nc"},
		{"long text", "a" + big + " b", "a" + big + " b"},
		{"long attribute", "a<img src='data:" + big + "'>b", "ab"},
		{"long comment", "a<!--" + big + "-->b", "ab"},
		{"long script", "a<script>" + big + "</script>b", "ab"},
		{"long tag never closed", "a<img src='" + big, "a"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			want := tc.want
			if want != "" {
				want += "\n"
			}
			if got := htmlToText(t, tc.in); got != want {
				t.Errorf("%.200q, want %.200q", got, want)
			}
			pieces := iotest.OneByteReader
			if len(tc.in) > 1<<16 {
				pieces = iotest.HalfReader // the tokenizer copies all it holds at each read
			}
			if b, err := io.ReadAll(New(pieces(strings.NewReader(tc.in)))); err != nil || string(b) != want {
				t.Errorf("in pieces: %.200q, %v", b, err)
			}
		})
	}
}

// TestBlocks: text before and behind these elements is on lines of its own.
func TestBlocks(t *testing.T) {
	t.Parallel()
	for between, names := range map[string]string{
		"\n":   "address article aside body caption center dd div dt fieldset figure figcaption footer form header legend main nav option section tbody thead tfoot blockquote table tr",
		"\n\n": "p h1 h2 h3 h4 h5 h6 dl pre",
		"":     "b i span font q",
	} {
		for name := range strings.FieldsSeq(names) {
			if got, want := htmlToText(t, "a<"+name+">b</"+name+">c"), "a"+between+"b"+between+"c\n"; got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	}
}

// TestSpill: who asks gets the whole of a tag or comment that is too long.
func TestSpill(t *testing.T) {
	t.Parallel()
	long := "<img src='" + strings.Repeat("x", 2*MaxToken) + "'>"
	comment := "<!--" + strings.Repeat("y", 2*MaxToken) + "-->"
	var spilled strings.Builder
	tokens := NewTokens(strings.NewReader("a" + long + "b" + comment + "c"))
	tokens.Spill = func(tag []byte) io.Writer {
		spilled.Write(tag)
		return &spilled
	}
	var text strings.Builder
	for tokens.Next() != html.ErrorToken {
		text.Write(tokens.Raw())
	}
	if err := tokens.ReadError(); err != nil {
		t.Error(err)
	}
	if got := text.String() + spilled.String(); len(got) != len("abc"+long+comment) || !strings.HasPrefix(spilled.String(), "<img src='xxx") || !strings.HasSuffix(spilled.String(), "yy-->") {
		t.Errorf("%d bytes, spilled %.20q", len(got), spilled.String())
	}
}

// TestSkip: the end of a tag or comment is found wherever in a read it stands.
func TestSkip(t *testing.T) {
	t.Parallel()
	for _, mark := range []string{">", "-->"} {
		for _, n := range []int{0, 1, 2, 4092, 4093, 4094, 4095, 4096, 4097, 8190, 8191, 8192, 8193} {
			for rest, end := range map[string]string{"rest" + mark: mark, "": ""} {
				var spilled strings.Builder
				whole := strings.Repeat("-", n) + end
				p := &pushback{r: strings.NewReader(whole + rest)}
				p.skip(mark, &spilled)
				if got, err := io.ReadAll(p); err != nil || spilled.String() != whole || string(got) != rest {
					t.Errorf("%s behind %d bytes: %d are skipped, %q, %v is left", mark, n, spilled.Len(), got, err)
				}
			}
		}
	}
}

func TestHTMLTextError(t *testing.T) {
	t.Parallel()
	b, err := io.ReadAll(New(iotest.TimeoutReader(strings.NewReader(strings.Repeat("a ", 10_000)))))
	if err != iotest.ErrTimeout || len(b) == 0 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

func FuzzHTMLText(f *testing.F) {
	for _, s := range []string{"<p>a<table><tr><td>b<td>c</table><ul><li>d<ol><li>e", "<a href=http://x>y<img alt=z></a><pre> a\n", "<div style=display:none>x", "<blockquote type=cite>a<br>b&nbsp;", "<!-- a --><script>b</script><noscript>c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := htmlToText(t, s)
		if strings.Contains(got, "\n\n\n") || got != "" && !strings.HasSuffix(got, "\n") {
			t.Errorf("%q gives %q", s, got)
		}
		if utf8.ValidString(s) && !utf8.ValidString(got) {
			t.Errorf("%q gives %q, which is not UTF-8", s, got)
		}
		b, err := io.ReadAll(New(iotest.OneByteReader(strings.NewReader(s))))
		if err != nil || string(b) != got {
			t.Errorf("%q by bytes gives %q, %v, in whole %q", s, b, err, got)
		}
	})
}
