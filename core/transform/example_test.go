package transform_test

import (
	"context"
	"fmt"
	"io"
	"strings"

	"smtpreceiver/core/transform"
)

func ExampleTemplate_Execute() {
	t, err := transform.ParseTemplate(`From <%messageFromName|messageFromAddress|'nobody'%>:\n<%msg[:12]%>`)
	if err != nil {
		fmt.Println(err)
		return
	}
	text, errs := t.Execute(context.Background(), &transform.Items{
		MessageFromAddress: "pump3@petrol.org",
		Msg:                "Pump 3 stopped at noon.",
	})
	fmt.Println(text, errs)
	// Output:
	// From pump3@petrol.org:
	// Pump 3 stopp []
}

func ExampleParseTemplate_fault() {
	_, err := transform.ParseTemplate(`Number <%nummber%>`)
	fmt.Println(err)
	// Output: line 1, column 10: unknown name "nummber" (did you mean number?)
}

func ExampleSetting() {
	s, err := transform.ParseSetting(`system|user_app_id|parse|subject = .*ID:(\d+).*`)
	if err != nil {
		fmt.Println(err)
		return
	}
	value, ok := s.Value(&transform.Items{Subject: "Invoice ID:4711"})
	fmt.Println(s.Section(), s.Key(), value, ok)
	// Output: system user_app_id 4711 true
}

func ExampleTagSet_Cut() {
	set, _ := transform.Builtin("mobilchange")
	tags, rest, err := set.Cut(strings.NewReader("@report\n@maxlen = 2\n\nPump 3 stopped."))
	if err != nil {
		fmt.Println(err)
		return
	}
	text, _ := io.ReadAll(rest)
	fmt.Printf("%v %s\n", tags, text)
	// Output: [{system dr 1} {system maxlen 2}] Pump 3 stopped.
}
