package fields

import (
	"strings"
	"testing"
)

// TestConsumersDialWhatRulesSaw: all targets clean a number as the rules do.
func TestConsumersDialWhatRulesSaw(t *testing.T) {
	t.Parallel()
	for written, want := range map[string]string{
		"9-0-6 123": "906123", "+49 (0)89/1": "+49891", "９０６": "906", "i906": "", "906,1": "",
	} {
		if got, err := Phone(written); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", written, got, err)
		}
	}
	if _, err := Fax(""); err == nil || !strings.Contains(err.Error(), "the job has no number") {
		t.Errorf("no number: %v", err)
	}
	if got, err := Fax("906,*1#"); got != "906,*1#" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
