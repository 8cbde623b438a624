package address

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"smtpreceiver/core/message/charset"
)

// cp1250 is what bytes without a declared charset are here.
var cp1250 = charset.Context{Default: "windows-1250"}

func TestAddresses(t *testing.T) {
	t.Parallel()
	type l = []Address
	for _, tc := range []struct {
		in   string
		want []Address
	}{
		{"", nil},
		{"a@b.cz", l{{"", "a@b.cz"}}},
		{"<a@b.cz>", l{{"", "a@b.cz"}}},
		{"Jan Novák <a@b.cz>, c@d.cz", l{{"Jan Novák", "a@b.cz"}, {"", "c@d.cz"}}},
		{`"Novak, Jan" <a@b.cz>`, l{{"Novak, Jan", "a@b.cz"}}},
		{"Novak, Jan <a@b.cz>", l{{"Novak, Jan", "a@b.cz"}}},
		{"Novak, Jan, Ing. <a@b.cz>, c@d", l{{"Novak, Jan, Ing.", "a@b.cz"}, {"", "c@d"}}},
		{"Jan [fax] <a@b.cz>", l{{"Jan [fax]", "a@b.cz"}}},
		{"a@b.cz <a@b.cz>", l{{"", "a@b.cz"}}},
		{"'Jan' <a@b.cz>", l{{"Jan", "a@b.cz"}}},
		{`"'+420603@fax'" <+420603@fax>`, l{{"", "+420603@fax"}}},
		{`"=?utf-8?Q?=C5=BD?=" <a@b.cz>`, l{{"Ž", "a@b.cz"}}},
		{"=?utf-8?Q?Nov=C3=A1k=2C_Jan?= <a@b.cz>", l{{"Novák, Jan", "a@b.cz"}}},
		{"=?utf-8?Q?evil_<x@y>?=", l{{"evil", "x@y"}}},
		{"MAILER-DAEMON", l{{"", "MAILER-DAEMON"}}},
		{"MAILER-DAEMON (Mail Delivery System)", l{{"Mail Delivery System", "MAILER-DAEMON"}}},
		{"<a@b.cz> (Jan)", l{{"Jan", "a@b.cz"}}},
		{"Eva <a@b.cz> (Jan)", l{{"Eva", "a@b.cz"}}},
		{"a@b.cz (Jan) (Novak)", l{{"Jan Novak", "a@b.cz"}}},
		{"(Jan) <a@b.cz> (Novak)", l{{"Jan Novak", "a@b.cz"}}},
		{"=?utf-8?Q?Jan?=", l{{"Jan", ""}}},
		{"=?utf-8?Q?Jan?=, c@d.cz", l{{"Jan", ""}, {"", "c@d.cz"}}},
		{"'' <a@b.cz>", l{{"", "a@b.cz"}}},
		{"' <a@b.cz>", l{{"'", "a@b.cz"}}},
		{"a@b.cz (Jan (junior) Novak)", l{{"Jan (junior) Novak", "a@b.cz"}}},
		{"Jan Novak", l{{"Jan Novak", ""}}},
		{"undisclosed-recipients:;", nil},
		{"Friends: a@b, Jan <c@d>;, e@f", l{{"", "a@b"}, {"Jan", "c@d"}, {"", "e@f"}}},
		{"a@b; c@d", l{{"", "a@b"}, {"", "c@d"}}},
		{"a@b,, ,c@d", l{{"", "a@b"}, {"", "c@d"}}},
		{"<@relay,@other:a@b>", l{{"", "a@b"}}},
		{`"John Smith/Acme"@fax`, l{{"", `"John Smith/Acme"@fax`}}},
		{`<"a,b"@fax>`, l{{"", `"a,b"@fax`}}},
		{"Jan a@b.cz", l{{"Jan", "a@b.cz"}}},
		{"Jan <a@b.cz", l{{"Jan", "a@b.cz"}}},
		{"<a@b, <c@d>", l{{"", "a@b"}, {"", "c@d"}}},
		{`"Jan <a@b.cz>`, l{{"Jan", "a@b.cz"}}},
		{"Jan <a @ b . cz>", l{{"Jan", "a@b.cz"}}},
		{"Jan <mailto:a@b.cz>", l{{"Jan", "a@b.cz"}}},
		{"a\x00\x1b@b\x7f", l{{"", "a@b"}}},
		{"=?utf-8?Q?a=0D=0A[to]?= <a@b>", l{{"a [to]", "a@b"}}},
		{"=?utf-8?Q?Dispe=C4=8Dink_:)?=\t<a@b.cz>", l{{"Dispečink :)", "a@b.cz"}}},
		{"=?utf-8?Q?Servis:_Plze=C5=88_<24h>?= <a@b.cz>", l{{"Servis: Plzeň <24h>", "a@b.cz"}}},
		{"=?utf-8?Q?v=C3=BDtah,_hala_(3)?= <a@b.cz>, =?utf-8?Q?a;b?= <c@d>", l{{"výtah, hala (3)", "a@b.cz"}, {"a;b", "c@d"}}},
		{`=?utf-8?Q?the_"red"_one?= <a@b.cz>`, l{{`the "red" one`, "a@b.cz"}}},
		{`"=?utf-8?Q?the_"red"_one?=" <a@b.cz>`, l{{`the "red" one`, "a@b.cz"}}},
		{"=?utf-8?Q?info@b.cz_(a)?= <a@b.cz>", l{{"info@b.cz (a)", "a@b.cz"}}},
		{"a@b.cz (=?utf-8?Q?Jan_:)?=)", l{{"Jan :)", "a@b.cz"}}},
		{"=?utf-8?Q?never ends <a@b.cz>, =?utf-8?Q?x?= <c@d>", l{{"=?utf-8?Q?never ends", "a@b.cz"}, {"x", "c@d"}}},
		{"=?utf-8?B?SmFuIDxhQGIuY3o+?=", l{{"Jan", "a@b.cz"}}},
		{"<=?utf-8?Q?a=40b.cz?=>", l{{"", "a@b.cz"}}},
		{`\"Novak, Jan\" <a@b.cz>`, l{{"Novak, Jan", "a@b.cz"}}},
		{"Jan <a@b.cz> c@d.cz", l{{"Jan", "a@b.cz"}, {"", "c@d.cz"}}},
		{"<a@b.cz> Jan", l{{"Jan", "a@b.cz"}}},
		{"a@b.cz>", l{{"", "a@b.cz"}}},
		{"<<a@b.cz>>", l{{"", "a@b.cz"}}},
		{"Jan <<a@b.cz>>, c@d", l{{"Jan", "a@b.cz"}, {"", "c@d"}}},
		{"Jan a@b.cz>, c@d", l{{"Jan", "a@b.cz"}, {"", "c@d"}}},
		{"Jan Novak <a@b.cz> Eva Mala <c@d>", l{{"Jan Novak", "a@b.cz"}, {"Eva Mala", "c@d"}}},
		{"<a@b.cz> <c@d>", l{{"", "a@b.cz"}, {"", "c@d"}}},
		{"=?utf-8?Q?A?= <a@b.cz> =?utf-8?Q?C?= <c@d>", l{{"A", "a@b.cz"}, {"C", "c@d"}}},
		{"a@b.cz c@d", l{{"", "a@b.cz"}, {"", "c@d"}}},
		{"<a@b.cz> Jan", l{{"Jan", "a@b.cz"}}},
		{"Desk (office) <desk(night)@b.cz(cz)>", l{{"Desk", "desk@b.cz"}}},
		{"desk (night) @ b.cz", l{{"night", "desk@b.cz"}}},
		{"<a@b.cz (Jan)>", l{{"", "a@b.cz"}}},
		{"Jan (never closed <a@b.cz>", l{{"Jan (never closed", "a@b.cz"}}},
		{`"a@b.cz" <>`, l{{"", "a@b.cz"}}},
		{"a@b.cz <Jan>", l{{"Jan", "a@b.cz"}}},
		{"Jan [mailto:a@b.cz]", l{{"Jan", "a@b.cz"}}},
		{"MAILTO:a@b.cz", l{{"", "a@b.cz"}}},
		{"'a@b.cz'", l{{"", "a@b.cz"}}},
		{"a@b.cz.", l{{"", "a@b.cz"}}},
		{"Jan <a@[192.0.2.1]>", l{{"Jan", "a@[192.0.2.1]"}}},
		{"\u200ba@b.cz\u00a0", l{{"", "a@b.cz"}}},
		{`"Jan a@b.cz"`, l{{"Jan a@b.cz", ""}}}, // a name, not an address
		{`"a@b.cz" c@d`, l{{"a@b.cz", "c@d"}}},
		{"=?utf-8?Q?Jan_x@y?= c@d", l{{"Jan x@y", "c@d"}}},
		{"=?utf-8?Q?=3D=3Futf-8=3FQ=3FJan_=3Ca@b.cz=3E=3F=3D?=", l{{"Jan <a@b.cz>", ""}}}, // encoded twice, read once
		{`a@b"c  d" e@f`, l{{"", `a@b"c  d"`}, {"", "e@f"}}},
		{`"Jan\"\`, l{{"", `Jan"\`}}},
		{`Jan (a\)\`, l{{`a)\`, "Jan"}}},
		{"'' <a@b.cz>", l{{"", "a@b.cz"}}},
		{"' <a@b.cz>", l{{"'", "a@b.cz"}}},
		{"(Jan) <a@b.cz>", l{{"Jan", "a@b.cz"}}},
		{"Eva (Jan) <a@b.cz>", l{{"Eva", "a@b.cz"}}},
		{"a@b.cz (Jan)(Novak) (x)", l{{"Jan Novak x", "a@b.cz"}}},
		{"(Jan) <a(x)@b.cz(y)>", l{{"Jan", "a@b.cz"}}},
		{"=?utf-8?Q?Jan_Novak?=", l{{"Jan Novak", ""}}},
		{"=?utf-8?Q?Jan?=, =?utf-8?Q?Eva?= <a@b.cz>", l{{"Jan, Eva", "a@b.cz"}}},
		{"<mailto:>, <mailto:a>", l{{"", "mailto"}, {"", "a"}}},
		{"<Novak,Jan@b.cz>", l{{"", "Novak,Jan@b.cz"}}},
		{"<@relay,other:a@b, c@d>", l{{"", "a@b,c@d"}}},
		{"a@b (one) c@d (two), e@f", l{{"one two", "a@b"}, {"", "c@d"}, {"", "e@f"}}},
		{"Jan <a@b.cz> Ing. c@d.cz e@f", l{{"Jan", "a@b.cz"}, {"", "c@d.cz"}, {"", "e@f"}}},
		{"<a@b.cz> =?utf-8?Q?x=40y?=", l{{"x@y", "a@b.cz"}}},
		{"<> Jan", l{{"Jan", ""}}},
		{"Jan <Eva> (Petr)", l{{"Jan", "Eva"}}},
		{"Jan Novak <> (Petr)", l{{"Jan Novak", ""}}},
		{"a@b: c@d", l{{"", "a@b"}, {"", "c@d"}}},
		{"a@b\t(x)", l{{"x", "a@b"}}},
		{`"Jan	Novak"@b`, l{{"", `"Jan Novak"@b`}}},
		{`<"Jan Novak"@b>`, l{{"", `"Jan Novak"@b`}}},
		{"[a@b]", l{{"", "a@b"}}},
		{"{a@b}, a@b:", l{{"", "a@b"}, {"", "a@b"}}},
		{"root, operator", l{{"", "root"}, {"", "operator"}}},
	} {
		t.Run(tc.in, func(t *testing.T) {
			t.Parallel()
			if d := cmp.Diff(tc.want, Append(nil, tc.in, cp1250)); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

// TestAddressBounds feeds lists of 256 KB that make naive readers quadratic.
func TestAddressBounds(t *testing.T) {
	t.Parallel()
	for _, unit := range []string{"a@b,", "a,", "<", "<,", "<a@,", "(", "\"", "a b,", ",", ";", ":", "\\", "<@", "<a@b>", "\x00", "=?utf-8?Q?a?=,"} {
		l := Append(nil, strings.Repeat(unit, 1<<18/len(unit)), cp1250)
		if len(l) > MaxAddresses {
			t.Errorf("%q: %d addresses", unit, len(l))
		}
		for _, a := range l {
			if len(a.Name) > MaxName || len(a.Email) > maxEmail {
				t.Fatalf("%q: name of %d, address of %d bytes", unit, len(a.Name), len(a.Email))
			}
		}
	}
}

// TestAddressLimits: what is just within a limit, and what is just beyond.
func TestAddressLimits(t *testing.T) {
	t.Parallel()
	x := func(n int) string { return strings.Repeat("x", n) }
	for n, want := range map[int]int{1023: 1023, 1024: 1024, 1025: 1024} {
		if l := Append(nil, "a "+x(n-2)+" <a@b>", cp1250); len(l) != 1 || len(l[0].Name) != want {
			t.Errorf("a name of %d bytes: %d", n, len(l[0].Name))
		}
	}
	for n, want := range map[int]int{512: 512, 513: 512} {
		if l := Append(nil, x(n-2)+"@b", cp1250); len(l) != 1 || len(l[0].Email) != want {
			t.Errorf("an address of %d bytes: %d", n, len(l[0].Email))
		}
	}
	for n, want := range map[int]int{511: 1, 512: 3} { // a name in pieces, or two addresses in front
		if l := Append(nil, x(512)+","+x(n)+", x <a@b>", cp1250); len(l) != want {
			t.Errorf("pieces of 512 and %d bytes: %d addresses", n, len(l))
		}
	}
	many := strings.Repeat("a@b,", 1001)
	for before, want := range map[int]int{0: 1000, 1: 1000, 999: 1000, 1000: 1000, 1001: 1001} {
		if l := Append(make([]Address, before), many, cp1250); len(l) != want {
			t.Errorf("%d before: %d addresses", before, len(l))
		}
	}
	if l := Append(nil, "<a@b> "+strings.Repeat("c@d ", 1001), cp1250); len(l) != 1000 {
		t.Errorf("without commas: %d addresses", len(l))
	}
}

func FuzzAddresses(f *testing.F) {
	for _, s := range []string{`"Novak, Jan" <a@b.cz>`, "Novak, Jan <@r:a@b>", "g: a@b (c), =?utf-8?b?xb4=?= <\"a b\"@c>;", "a@b <c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, a := range Append(nil, s, cp1250) {
			if a == (Address{}) || len(a.Name) > MaxName || len(a.Email) > maxEmail || strings.ContainsAny(a.Name+a.Email, "\r\n\x00") {
				t.Errorf("%q gives %q", s, a)
			}
		}
	})
}
