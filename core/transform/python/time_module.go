package python

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/itchyny/timefmt-go"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// The first and last second that localtime and gmtime take: the years 1 to 9999.
const (
	firstSecond = -62135596800
	lastSecond  = 253402300799
)

// newTimeModule is the module time.
func newTimeModule() *starlarkstruct.Module {
	return &starlarkstruct.Module{Name: timeModule, Members: starlark.StringDict{
		"time": builtin("time", func(r *Run, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
			seconds := float64(r.values.Now().UnixMicro()) / 1e6
			return starlark.Float(seconds), starlark.UnpackPositionalArgs("time", args, kwargs, 0)
		}),
		"localtime": builtin("localtime", brokenDown("localtime", func(now time.Time) *time.Location { return now.Location() })),
		"gmtime":    builtin("gmtime", brokenDown("gmtime", func(time.Time) *time.Location { return time.UTC })),
		"strftime":  builtin("strftime", strftime),
	}}
}

// brokenDown is localtime or gmtime, of now or of the seconds since 1970.
func brokenDown(name string, zone func(now time.Time) *time.Location) function {
	return func(r *Run, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		var given starlark.Value = starlark.None
		if err := starlark.UnpackPositionalArgs(name, args, kwargs, 0, &given); err != nil {
			return nil, err
		}
		now := r.values.Now()
		t := now
		if given != starlark.None {
			seconds, ok := starlark.AsFloat(given)
			if !ok || math.IsNaN(seconds) || seconds < firstSecond || seconds > lastSecond {
				return nil, fmt.Errorf("%s is not a number of seconds in the years 1 to 9999", given)
			}
			t = time.Unix(int64(math.Floor(seconds)), 0)
		}
		return structTime(t.In(zone(now))), nil
	}
}

// strftime is time.strftime(format[, t]) in the C locale; t is what localtime
// or gmtime gave, or a tuple or list of nine such numbers.
func strftime(r *Run, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var layout string
	var given starlark.Value = starlark.None
	if err := starlark.UnpackPositionalArgs("strftime", args, kwargs, 1, &layout, &given); err != nil {
		return nil, err
	}
	t := r.values.Now()
	switch g := given.(type) {
	case starlark.NoneType:
	case structTime:
		t = time.Time(g)
	case starlark.Tuple, *starlark.List:
		var err error
		if t, err = fromNumbers(g.(starlark.Indexable), t.Location()); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("%s is not a time", given)
	}
	if len(layout) > maxPad {
		return nil, errLimit("time format", maxPad)
	}
	return starlark.String(timefmt.Format(t, layout)), nil
}

// fromNumbers reads year, month, day, hour, minute and second; weekday, day of
// the year and summer time follow from them.
func fromNumbers(list starlark.Indexable, zone *time.Location) (time.Time, error) {
	fault := errors.New("a time is nine numbers: year, month, day, hour, minute, second, weekday, day of the year, summer time")
	if list.Len() != len(structTimeFields) {
		return time.Time{}, fault
	}
	var n [6]int
	limits := [6][2]int{{1, 9999}, {1, 12}, {1, 31}, {0, 23}, {0, 59}, {0, 61}}
	for i := range n {
		v, err := starlark.AsInt32(list.Index(i))
		if err != nil || v < limits[i][0] || v > limits[i][1] {
			return time.Time{}, fault
		}
		n[i] = v
	}
	return time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], 0, zone), nil
}

// structTime is Python's struct_time: nine numbers, by index or by name.
type structTime time.Time

var (
	_ starlark.HasAttrs  = structTime{}
	_ starlark.Sequence  = structTime{}
	_ starlark.Sliceable = structTime{}
)

var structTimeFields = []string{
	"tm_year", "tm_mon", "tm_mday", "tm_hour", "tm_min", "tm_sec", "tm_wday", "tm_yday", "tm_isdst",
}

func (t structTime) String() string        { return t.numbers().String() }
func (t structTime) Type() string          { return "struct_time" }
func (t structTime) Freeze()               {}
func (t structTime) Truth() starlark.Bool  { return true }
func (t structTime) Hash() (uint32, error) { return t.numbers().Hash() }
func (t structTime) AttrNames() []string   { return structTimeFields }
func (t structTime) Len() int              { return len(structTimeFields) }

func (t structTime) Index(i int) starlark.Value { return t.numbers()[i] }

func (t structTime) Slice(start, end, step int) starlark.Value {
	return t.numbers().Slice(start, end, step)
}

func (t structTime) Iterate() starlark.Iterator { return t.numbers().Iterate() }

func (t structTime) Attr(name string) (starlark.Value, error) {
	if i := slices.Index(structTimeFields, name); i >= 0 {
		return t.numbers()[i], nil
	}
	return nil, nil
}

func (t structTime) numbers() starlark.Tuple {
	x := time.Time(t)
	dst := 0
	if x.IsDST() {
		dst = 1
	}
	numbers := make(starlark.Tuple, 0, len(structTimeFields))
	for _, n := range []int{
		x.Year(), int(x.Month()), x.Day(), x.Hour(), x.Minute(), x.Second(),
		(int(x.Weekday()) + 6) % 7, x.YearDay(), dst,
	} {
		numbers = append(numbers, starlark.MakeInt(n))
	}
	return numbers
}
