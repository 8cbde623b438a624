package config

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestSetText(t *testing.T) {
	t.Parallel()
	bad := errors.New("any other error")
	for _, test := range []struct {
		kind kind
		text string
		want any // of the type that the field has
		err  error
	}{
		{kindText, " as it is ", " as it is ", nil},
		{kindBool, "1", true, nil},
		{kindBool, "FALSE", false, nil},
		{kindBool, "yes", false, bad},
		{kindBool, "on", false, bad},
		{kindBool, "", false, bad},
		{kindNumber, " 25 ", 25, nil},
		{kindNumber, "-15", -15, nil},
		{kindNumber, "0x19", 0, bad},
		{kindNumber, "1e3", 0, bad},
		{kindNumber, "9223372036854775808", 0, errTooLarge},
		{kindNumber, "18446744073709551615", uint64(1<<64 - 1), nil},
		{kindNumber, "18446744073709551616", uint64(0), errTooLarge},
		{kindNumber, "-1", uint64(0), errTooSmall},
		{kindDuration, "60", time.Minute, nil},
		{kindDuration, "1h30m", 90 * time.Minute, nil},
		{kindDuration, "0", time.Duration(0), nil},
		{kindDuration, "1d", time.Duration(0), bad},
		{kindDuration, "1.5", time.Duration(0), bad},
		{kindDuration, "9223372036", 9223372036 * time.Second, nil},
		{kindDuration, "9223372037", time.Duration(0), errTooLarge},
		{kindDuration, "-9223372036", -9223372036 * time.Second, nil},
		{kindDuration, "-9223372037", time.Duration(0), errTooLarge},
		{kindDuration, "99999999999999999999", time.Duration(0), errTooLarge},
		{kindSize, "65536", int64(65536), nil},
		{kindSize, "50 MiB", int64(50 << 20), nil},
		{kindSize, "200MB", int64(200_000_000), nil},
		{kindSize, "64k", int64(64000), nil},
		{kindSize, "1.5KiB", int64(1536), nil},
		{kindSize, "1,5KiB", int64(0), bad},
		{kindSize, "9223372036854775807", int64(1<<63 - 1), nil},
		{kindSize, "9223372036854775808", int64(0), errTooLarge},
		{kindSize, "9223372036854775808", uint64(1 << 63), nil},
		{kindSize, "18446744073709551616", uint64(0), errTooLarge},
		{kindSize, "-5", int64(0), errTooSmall},
		{kindSize, "MiB", int64(0), bad},
		{kindMode, "0660", uint32(0o660), nil},
		{kindMode, "0o777", uint32(0o777), nil},
		{kindMode, "640", uint32(0o640), nil},
		{kindMode, "1000", uint32(0), bad},
		{kindMode, "1777", uint32(0), bad},
		{kindMode, "66", uint32(0), bad},
		{kindMode, "rw-rw----", uint32(0), bad},
		{kindEscaped, `\r\n .\r\n`, "\r\n .\r\n", nil},
		{kindEscaped, "\r\n .\r\n", "\r\n .\r\n", nil},
		{kindEscaped, `a\\r\tb`, "a\\r\tb", nil},
		{kindEscaped, `\x2e`, "", bad},
		{kindEscaped, `\r\`, "", bad},
	} {
		v := reflect.New(reflect.TypeOf(test.want)).Elem()
		err := setText(v, test.kind, test.text)
		switch {
		case test.err == nil && (err != nil || v.Interface() != test.want):
			t.Errorf("%s %q as %s = %v, %v; want %v", test.kind, test.text, v.Type(), v, err, test.want)
		case test.err == bad && (err == nil || errors.Is(err, errTooLarge) || errors.Is(err, errTooSmall)):
			t.Errorf("%s %q as %s: error %v, want that it is not of the kind", test.kind, test.text, v.Type(), err)
		case test.err != nil && test.err != bad && !errors.Is(err, test.err):
			t.Errorf("%s %q as %s: error %v, want %v", test.kind, test.text, v.Type(), err, test.err)
		}
	}
}

func TestQuoteIsShort(t *testing.T) {
	t.Parallel()
	if got := quote(strings.Repeat("ž", 1000)); got != `"`+strings.Repeat("ž", 60)+`"...` {
		t.Errorf("quote = %s", got)
	}
	if got := quote("a\r\nb"); got != `"a\r\nb"` {
		t.Errorf("quote = %s", got)
	}
}
