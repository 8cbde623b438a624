package match

import (
	"errors"
	"strings"
	"testing"
	"unicode"
)

func TestParseRecipient(t *testing.T) {
	t.Parallel()
	tests := []struct {
		arg, mailbox, match, routeless string // empty match and routeless: as mailbox
	}{
		// As both MTAs hand them over.
		{arg: `<+420123456@fax>`, mailbox: `+420123456@fax`},
		{arg: `61388458@fax`, mailbox: `61388458@fax`},
		{arg: ` <61388461@fax>`, mailbox: `61388461@fax`},
		{arg: `< 61388461@fax >`, mailbox: `61388461@fax`},
		{`<"Petr Brouzda/Datasys/Dev/+42061388454"@fax>`, `"Petr Brouzda/Datasys/Dev/+42061388454"@fax`,
			`Petr Brouzda/Datasys/Dev/+42061388454@fax`, `"Petr Brouzda/Datasys/Dev/+42061388454"@fax`},
		{arg: `<Petr/Datasys/61388454@fax>`, mailbox: `Petr/Datasys/61388454@fax`},
		{`<"Petr Brouzda/Datasys@61388454"@fax>`, `"Petr Brouzda/Datasys@61388454"@fax`,
			`Petr Brouzda/Datasys@61388454@fax`, `"Petr Brouzda/Datasys@61388454"@fax`},
		{`<Petr/Datasys@61388454@fax>`, `"Petr/Datasys@61388454"@fax`,
			`Petr/Datasys@61388454@fax`, `Petr/Datasys@61388454@fax`},
		{arg: `<user_name@202.sms>`, mailbox: `user_name@202.sms`},
		{arg: `</Datasys/Development@61388468.fax>`, mailbox: `/Datasys/Development@61388468.fax`},
		{arg: `<61388454@fax.fax>`, mailbox: `61388454@fax.fax`},
		{arg: `<+420123457@FAX>`, mailbox: `+420123457@FAX`},
		{`<"+420123458"@fax>`, `+420123458@fax`, `+420123458@fax`, `"+420123458"@fax`},
		{`<"a\b/61388456"@fax>`, `ab/61388456@fax`, `ab/61388456@fax`, `"a\b/61388456"@fax`},
		{`<"a\"b\\c"@fax>`, `"a\"b\\c"@fax`, `a"b\c@fax`, `"a\"b\\c"@fax`},
		{`<61388462@fax.>`, `61388462@fax`, `61388462@fax`, `61388462@fax.`},
		{arg: `<61388465%fax>`, mailbox: `61388465%fax`},
		{arg: `<fax!61388466>`, mailbox: `fax!61388466`},
		{arg: `<61388473@fax (comment)>`, mailbox: `61388473@fax (comment)`},
		{arg: `<žluťoučký/1@fax>`, mailbox: `žluťoučký/1@fax`},
		{arg: `<FAX=+12345@example.com>`, mailbox: `FAX=+12345@example.com`},
		{arg: `<1@[127.0.0.1]>`, mailbox: `1@[127.0.0.1]`},
		{arg: `<Postmaster>`, mailbox: `Postmaster`},
		// Source routes.
		{`<@relay.test,@relay2.test:61388457@fax>`, `61388457@fax`, `61388457@fax`, `61388457@fax`},
		{`@relay.example:"a b/123"@fax`, `"a b/123"@fax`, `a b/123@fax`, `"a b/123"@fax`},
		{`<@[IPv6:2001:db8::1]:123@fax>`, `123@fax`, `123@fax`, `123@fax`},
		{`@relay.test`, `""@relay.test`, `@relay.test`, `@relay.test`},
		{`@a b:123@fax`, `"@a b:123"@fax`, `@a b:123@fax`, `@a b:123@fax`},
		{`@:123@fax`, `"@:123"@fax`, `@:123@fax`, `@:123@fax`},
		{`@[::1:123@fax`, `"@[::1:123"@fax`, `@[::1:123@fax`, `@[::1:123@fax`},
		{`@a,b:123@fax`, `"@a,b:123"@fax`, `@a,b:123@fax`, `@a,b:123@fax`},
		// Unquoted by the SMTP library.
		{`a b@x`, `"a b"@x`, `a b@x`, `a b@x`},
		{`a\b@x`, `"a\\b"@x`, `a\b@x`, `a\b@x`},
		{`a"b@c@x`, `"a\"b@c"@x`, `a"b@c@x`, `a"b@c@x`},
		{`a..b@x`, `"a..b"@x`, `a..b@x`, `a..b@x`},
		{`.a@x`, `".a"@x`, `.a@x`, `.a@x`},
		{`a.@x`, `"a."@x`, `a.@x`, `a.@x`},
		// Broken ones keep what they have.
		{`"a"b@x`, `"\"a\"b"@x`, `"a"b@x`, `"a"b@x`},
		{`"a@x`, `"\"a"@x`, `"a@x`, `"a@x`},
		{`"a\`, `"\"a\\"`, `"a\`, `"a\`},
		{`"Petr"@61388454@fax`, `"Petr@61388454"@fax`, `Petr@61388454@fax`, `"Petr"@61388454@fax`},
		{`<a@fax`, `"<a"@fax`, `<a@fax`, `<a@fax`},
		{`"a@b"`, `"a@b"`, `a@b`, `"a@b"`},
		{`a@. .`, `a@`, `a@`, `a@. .`},
	}
	for _, tt := range tests {
		want := Recipient{tt.mailbox, tt.match, tt.routeless}
		if want.Match == "" {
			want.Match, want.Routeless = want.Mailbox, want.Mailbox
		}
		if got, err := ParseRecipient(tt.arg); err != nil || got != want {
			t.Errorf("ParseRecipient(%s) = %q, %v, want %q", tt.arg, got, err, want)
		}
		if got, plain, err := ParseSender(tt.arg); err != nil || got != tt.mailbox || plain != want.Match {
			t.Errorf("ParseSender(%s) = %q, %q, %v, want %q, %q", tt.arg, got, plain, err, tt.mailbox, want.Match)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, arg := range []string{"", " ", "<>", "< >", "<@relay.test:>"} {
		if r, err := ParseRecipient(arg); !errors.Is(err, errEmpty) {
			t.Errorf("ParseRecipient(%q) = %q, %v, want errEmpty", arg, r, err)
		}
		if s, plain, err := ParseSender(arg); s != "" || plain != "" || err != nil {
			t.Errorf("ParseSender(%q) = %q, %q, %v, want the null sender", arg, s, plain, err)
		}
	}
	for _, c := range []string{"\x00", "\t", "\n", "\r", "\x1b", "\x1f", "\x7f", "\u0080", "\u0085", "\u009f", "\u2028", "\u2029"} {
		for _, arg := range []string{"<1" + c + "@fax>", c + "1@fax", "1@fax" + c, "<\"a\\" + c + "\"@fax>", "@a" + c + ":1@fax"} {
			if r, err := ParseRecipient(arg); !errors.Is(err, errControl) {
				t.Errorf("ParseRecipient(%q) = %q, %v, want errControl", arg, r, err)
			}
			if s, _, err := ParseSender(arg); !errors.Is(err, errControl) {
				t.Errorf("ParseSender(%q) = %q, %v, want errControl", arg, s, err)
			}
		}
	}
}

func TestKey(t *testing.T) {
	t.Parallel()
	tests := []struct {
		a, b string
		same bool
	}{
		{`<1@fax>`, `1@FAX.`, true},
		{`"1"@fax`, `1@fax`, true},
		{`@relay.test:1@fax`, `1@fax`, true},
		{`"a@B"@fax`, `a@B@FAX`, true},
		{`Petr/1@fax`, `petr/1@fax`, false},
		{`"a@B"@fax`, `"a@b"@fax`, false},
		{`"A@B"`, `"A@b"`, false}, // no domain
		{`1@fax`, `1@sms`, false},
		{"1@\xff", "1@\xfe", false},
	}
	for _, tt := range tests {
		if a, b := recipient(t, tt.a).Key(), recipient(t, tt.b).Key(); (a == b) != tt.same {
			t.Errorf("keys of %s and %s are %q and %q, want same = %t", tt.a, tt.b, a, b, tt.same)
		}
	}
}

func recipient(t *testing.T, arg string) Recipient {
	t.Helper()
	r, err := ParseRecipient(arg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func FuzzParseRecipient(f *testing.F) {
	for _, seed := range []string{
		`<"Petr Brouzda/Datasys/61388454"@fax>`, `@a,@[IPv6:::1]:b@c`, `"a\"b\\"@c@d`, `a"b@c`, `"a"@b"@c"`,
		`<@a:@b:c@d>`, `"a@b"`, `a@ . `, "a\u2028@b", "a\xff@\xff", `""@`, `@`, `"\`, ` < <a@b> > `,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, arg string) {
		r, err := ParseRecipient(arg)
		if sender, _, senderErr := ParseSender(arg); sender != r.Mailbox ||
			errors.Is(err, errControl) != errors.Is(senderErr, errControl) {
			t.Fatalf("sender %q, %v but recipient %q, %v", sender, senderErr, r, err)
		}
		if err != nil {
			return
		}
		for _, form := range []string{r.Mailbox, r.Match, r.Routeless, r.Key()} {
			if strings.ContainsFunc(form, unicode.IsControl) || strings.ContainsAny(form, "\u2028\u2029") {
				t.Fatalf("control character in %q", form)
			}
		}
		again, err := ParseRecipient(r.Mailbox)
		if err != nil || again.Mailbox != r.Mailbox || again.Match != r.Match || again.Key() != r.Key() {
			t.Fatalf("%q gives %q, read again %q, %v", arg, r, again, err)
		}
		if again.Routeless != r.Mailbox {
			t.Fatalf("%q: mailbox %q has a route or brackets", arg, r.Mailbox)
		}
		if !strings.Contains(arg, r.Routeless) {
			t.Fatalf("%q: %q is not a piece of it", arg, r.Routeless)
		}
	})
}

func TestSameMailbox(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b string
		same bool
	}{{"", "", true}, {"AZ[az{@X", "az[AZ{@x", true}, {"a@b", "a@c", false}, {"a@b", "a@bb", false}, {"É@b", "é@b", false}} {
		if got := SameMailbox(tt.a, tt.b); got != tt.same {
			t.Errorf("%q and %q: %v", tt.a, tt.b, got)
		}
	}
}
