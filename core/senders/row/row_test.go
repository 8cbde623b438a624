package row_test

import (
	"fmt"
	"strings"
	"testing"

	"smtpreceiver/core/senders/row"
	"smtpreceiver/core/senders/row/rowtest"
)

// maxColumns is how many columns a row may have.
const maxColumns = 50

func TestRights(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		row  row.Row
		want string // "error: " and what it says
	}{
		{row.Row{"name": "a"}, "a fax sms"},
		{row.Row{"name": "a", "allowed": "TRUE"}, "a fax sms"},
		{row.Row{"name": "a", "allowed": "t"}, "a fax sms"},
		{row.Row{"name": "a", "allowed": "\x01"}, "a fax sms"},
		{row.Row{"name": "a", "allowed": "false"}, "a"},
		{row.Row{"name": "a", "allowed": "\x00"}, "a"},
		{row.Row{"name": "a", "allowed": "0"}, "a"},
		{row.Row{"name": "a", "allowed": "sms , fax"}, "a fax sms"},
		{row.Row{"name": "a", "allowed": "FAX"}, "a"}, // names of applications are as they are written
		{row.Row{"name": "a", "allowed": "-1"}, "error: allowed: "},
		{row.Row{"name": "a", "allowed": "fax,"}, "error: allowed: "},
		{row.Row{"name": "a", "max_parts": "5", "max_jobs": "7"}, "a fax sms 5 parts 7 jobs"},
		{row.Row{"name": "a", "max_parts": "-1", "max_jobs": "0"}, "a fax sms"},
		{row.Row{"name": "a", "max_parts": "10", "max_jobs": ""}, "a fax sms 10 parts 0 jobs"},
		{row.Row{"name": "a", "caller_id": "+4201", "cost_code": "", "numbers_allowed": `\+420`}, "a fax sms not:+491 not: caller_id=+4201"},
		{row.Row{"name": "a", "cost_code": strings.Repeat("a", 1024)}, "a fax sms cost_code=" + strings.Repeat("a", 1024)},
		{row.Row{"name": "a", "numbers_allowed": strings.Repeat("a", 4096)}, "a fax sms not:+4201 not:+491 not:"},
		{row.Row{"name": strings.Repeat("a", 400)}, strings.Repeat("a", 400) + " fax sms"},
		{row.Row{"name": strings.Repeat("a", 401)}, "error: name: it has more than 400 bytes"},
		{row.Row{"name": "a\xff"}, "error: name: it is not UTF-8"},
		{row.Row{"name": "a", "max_jobs": "1a"}, "error: max_jobs: "},
		{row.Row{"name": "a", "max_jobs": "many"}, "error: max_jobs: "},
		{row.Row{"name": "a", "max_parts": "1.5"}, "error: max_parts: "},
		{row.Row{"name": "a", "max_parts": "2147483647"}, "a fax sms 2147483647 parts 0 jobs"},
		{row.Row{"name": "a", "max_parts": "2147483648"}, "error: max_parts: "},
		{row.Row{"name": "a", "numbers_allowed": "(?:"}, "error: numbers_allowed: "},
		{row.Row{"name": "a", "numbers_allowed": strings.Repeat("a", 4097)}, "error: numbers_allowed: "},
		{row.Row{"name": "a", "caller_id": strings.Repeat("a", 1025)}, "error: caller_id: "},
		{row.Row{"name": "a", "caller_id": "\xff"}, "error: caller_id: "},
		{row.Row{"name": ""}, "error: name: "},
		{row.Row{"name": "a\x00"}, "error: name: "},
		{row.Row{"allowed": "1"}, "error: name: "},
	} {
		r, err := tt.row.Rights(rowtest.Compile)
		got := rowtest.Shown(r, err)
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != tt.want && (err == nil || !strings.HasPrefix(got, tt.want)) {
			t.Errorf("%q: %q, want %q", tt.row, got, tt.want)
		}
	}
}

// The case of a mail address is one of ASCII letters alone.
func TestLowered(t *testing.T) {
	t.Parallel()
	if got := row.Lowered("@AMZ[`azÄİ.Example"); got != "@amz[`azÄİ.example" {
		t.Error(got)
	}
}

func TestCheckColumns(t *testing.T) {
	t.Parallel()
	many := []string{"name"}
	for i := range maxColumns {
		many = append(many, fmt.Sprint("c", i))
	}
	for _, tt := range []struct {
		columns []string
		says    string
	}{
		{[]string{"name", "allowed", "caller_id", "cost-code"}, ""},
		{[]string{"allowed"}, "no column name"},
		{[]string{"name", "?column?"}, `"?column?"`},
		{[]string{"?column?", "name"}, `"?column?"`},
		{[]string{"name", "a b"}, `"a b"`},
		{[]string{"name", "x", "x"}, "x is there twice"},
		{[]string{"name", ""}, `""`},
		{many, "51 columns"},
		{many[:maxColumns], ""},
	} {
		err := row.CheckColumns(tt.columns)
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%q: %v, want %q", tt.columns, err, tt.says)
		}
	}
}
