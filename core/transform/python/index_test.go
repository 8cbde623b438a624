package python

import (
	"testing"

	"go.starlark.net/starlark"
)

// TestSliceAgainstLists compares every slice and index of a string with those
// that Starlark's own rules give for the list of its characters.
func TestSliceAgainstLists(t *testing.T) {
	t.Parallel()
	const text = "až漢\xff😀z" // one to four bytes each, one of them invalid
	r := &Run{left: maxMade}
	characters, err := iterate(r, starlark.Tuple{starlark.String(text)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	list := characters.(starlark.Tuple)
	if len(list) != 6 {
		t.Fatalf("%d characters", len(list))
	}
	ends := []starlark.Value{starlark.None}
	for i := -len(list) - 2; i <= len(list)+2; i++ {
		ends = append(ends, starlark.MakeInt(i))
	}
	for _, lo := range ends {
		for _, hi := range ends {
			for _, step := range []int{1, 2, 7, -1, -2, -7} {
				args := starlark.Tuple{starlark.String(text), lo, hi, starlark.MakeInt(step)}
				got, err := slice(r, args, nil)
				if err != nil {
					t.Fatal(err)
				}
				want := ""
				for _, c := range python(list, lo, hi, step) {
					want += string(c.(starlark.String))
				}
				// Steps go through runes, where the invalid byte is U+FFFD.
				if s, _ := starlark.AsString(got); s != want && string([]rune(s)) != string([]rune(want)) {
					t.Errorf("[%v:%v:%d]: %q, want %q", lo, hi, step, got, want)
				}
				args[0] = list
				if got, err := slice(r, args, nil); err != nil || got.String() != python(list, lo, hi, step).String() {
					t.Errorf("list[%v:%v:%d]: %v %v", lo, hi, step, got, err)
				}
			}
		}
		if lo == starlark.None {
			continue
		}
		got, err := index(r, starlark.Tuple{starlark.String(text), lo}, nil)
		want, wantErr := index(r, starlark.Tuple{list, lo}, nil)
		if got != nil && got != want || (err == nil) != (wantErr == nil) {
			t.Errorf("[%v]: %v %v, want %v %v", lo, got, err, want, wantErr)
		}
	}
}

// python slices by Python's definition: the elements i = lo + n*step with
// n >= 0 that lie before hi, where ends outside are moved to the border.
func python(list starlark.Tuple, lo, hi starlark.Value, step int) starlark.Tuple {
	n := len(list)
	end := func(v starlark.Value, missing int) int {
		if v == starlark.None {
			return missing
		}
		i, _ := starlark.AsInt32(v)
		if i < 0 {
			i += n
		}
		return i
	}
	picked := starlark.Tuple{}
	if step > 0 {
		for i := max(0, end(lo, 0)); i < min(n, end(hi, n)); i += step {
			picked = append(picked, list[i])
		}
		return picked
	}
	for i := min(n-1, end(lo, n-1)); i > max(-1, end(hi, -1)); i += step {
		picked = append(picked, list[i])
	}
	return picked
}
