package config

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// remedies says for each kind how its value is written.
var remedies = map[kind]string{
	kindText:     "write one value",
	kindBool:     "write 1 or true, 0 or false",
	kindNumber:   "write a whole number",
	kindDuration: "write seconds (60) or a time with its unit (60s, 10m, 1h30m)",
	kindSize:     "write bytes (65536) or a size with its unit (64KiB, 50 MiB, 200MB)",
	kindMode:     `write three or four octal digits in quotes ("0660")`,
	kindEscaped:  `write one value; \r, \n, \t and \\ are the escapes`,
	kindList:     "write a list, or one value",
	kindMap:      "write a section of names and values",
	kindMapList:  "write a section of names and lists",
	kindMapMap:   "write a section of sections",
	kindTree:     "write a section of names and values, lists or sections",
}

var (
	errTooLarge = errors.New("too large")
	errTooSmall = errors.New("too small")
)

// setText reads a scalar into v. An error is errTooLarge, errTooSmall or means
// that the text is not of the kind.
func setText(v reflect.Value, k kind, text string) error {
	if k != kindText && k != kindEscaped {
		text = strings.TrimSpace(text)
	}
	switch k {
	case kindBool:
		value, err := parseBool(text)
		v.SetBool(value)
		return err
	case kindDuration:
		return setDuration(v, text)
	case kindSize:
		return setCount(v, text, parseSize)
	case kindMode:
		return setCount(v, text, parseMode)
	case kindEscaped:
		decoded, err := unescape(text)
		v.SetString(decoded)
		return err
	case kindNumber:
		if v.CanInt() {
			number, err := strconv.ParseInt(text, 10, v.Type().Bits())
			v.SetInt(number)
			return outOfRange(err)
		}
		return setCount(v, text, func(text string) (uint64, error) { return strconv.ParseUint(text, 10, 64) })
	}
	v.SetString(text)
	return nil
}

// setCount sets a number that cannot be negative, in a field that may be signed.
func setCount(v reflect.Value, text string, parse func(string) (uint64, error)) error {
	if strings.HasPrefix(text, "-") {
		return errTooSmall
	}
	number, err := parse(text)
	switch {
	case err != nil:
		return outOfRange(err)
	case v.CanUint() && !v.OverflowUint(number):
		v.SetUint(number)
	case v.CanInt() && number <= math.MaxInt64:
		v.SetInt(int64(number))
	default:
		return errTooLarge
	}
	return nil
}

func outOfRange(err error) error {
	if errors.Is(err, strconv.ErrRange) {
		return errTooLarge
	}
	return err
}

// parseBool takes 0, 1, true and false. YAML 1.1's yes, no, on and off are
// refused, because formats disagree on them.
func parseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "1", "true":
		return true, nil
	case "0", "false":
		return false, nil
	}
	return false, errors.New("not a bool")
}

func setDuration(v reflect.Value, text string) error {
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		const most = math.MaxInt64 / int64(time.Second)
		if err != nil || seconds > most || seconds < -most {
			return errTooLarge
		}
		v.SetInt(seconds * int64(time.Second))
		return nil
	}
	duration, err := time.ParseDuration(text)
	v.SetInt(int64(duration))
	return err
}

// parseSize refuses commas, which humanize drops: 1,5 MiB would become 15 MiB.
func parseSize(text string) (uint64, error) {
	if strings.Contains(text, ",") {
		return 0, errors.New("comma in a size")
	}
	if number, err := strconv.ParseUint(text, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		return number, err
	}
	return humanize.ParseBytes(text)
}

func parseMode(text string) (uint64, error) {
	digits := strings.TrimPrefix(text, "0o")
	mode, err := strconv.ParseUint(digits, 8, 32)
	if err == nil && (len(digits) < 3 || mode > 0o777) {
		err = errors.New("not permissions")
	}
	return mode, err
}

// unescape decodes \r, \n, \t and \\. Registry values and quoted configuration
// values hold them written out.
func unescape(text string) (string, error) {
	var decoded strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			decoded.WriteByte(text[i])
			continue
		}
		if i++; i == len(text) {
			return "", errors.New("backslash at the end")
		}
		at := strings.IndexByte(`rnt\`, text[i])
		if at < 0 {
			return "", errors.New("unknown escape")
		}
		decoded.WriteByte("\r\n\t\\"[at])
	}
	return decoded.String(), nil
}

// check holds a value that was read against the field's tags; what is "" when
// all is well.
func (f field) check(v reflect.Value) (what, remedy string) {
	if f.tag.Get("required") != "" && (v.Kind() == reflect.String || v.Kind() == reflect.Slice) && v.Len() == 0 {
		return "missing", "set it" + f.likeExample()
	}
	for _, bound := range []struct {
		tag, what, remedy string
		broken            func(order int) bool
	}{
		{"min", "too small", "at least ", func(order int) bool { return order < 0 }},
		{"max", "too large", "at most ", func(order int) bool { return order > 0 }},
	} {
		if text, ok := f.tag.Lookup(bound.tag); ok && bound.broken(compareNumber(v, f.kind, text)) {
			return fmt.Sprintf("%v is %s", v, bound.what), bound.remedy + text
		}
	}
	if letters := f.tag.Get("letters"); letters != "" {
		if at := strings.IndexFunc(v.String(), func(r rune) bool { return !strings.ContainsRune(letters, r) }); at >= 0 {
			return fmt.Sprintf("%s is not a log level", quote(v.String())), "write some of the letters " + letters + ", or nothing"
		}
	}
	if allowed, ok := f.tag.Lookup("oneof"); ok {
		choices := strings.Split(allowed, "|")
		for _, entry := range entries(v) {
			if !slices.Contains(choices, entry) {
				return quote(entry) + " is not known here", "write one of: " + strings.Join(choices, ", ")
			}
		}
	}
	return "", ""
}

func (f field) likeExample() string {
	if example := f.tag.Get("example"); example != "" {
		return ", for example " + example
	}
	if standard := f.tag.Get("default"); standard != "" {
		return ", or leave the key out for " + standard
	}
	return ""
}

// entries are the values a "oneof" speaks about: those of a list, or the one value.
func entries(v reflect.Value) []string {
	if list, ok := v.Interface().([]string); ok {
		return list
	}
	return []string{fmt.Sprint(v.Interface())}
}

// compareNumber orders v against a bound from a tag.
func compareNumber(v reflect.Value, k kind, bound string) int {
	limit := reflect.New(v.Type()).Elem()
	if err := setText(limit, k, bound); err != nil {
		panic("config: bad bound in a tag: " + bound)
	}
	return cmp.Compare(v.Int(), limit.Int())
}

// quote shows a value in a message, cut to a readable length.
func quote(text string) string {
	const most = 60
	if runes := []rune(text); len(runes) > most {
		return strconv.Quote(string(runes[:most])) + "..."
	}
	return strconv.Quote(text)
}
