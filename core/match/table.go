package match

import "slices"

// Table finds the applications whose expressions match a recipient. It is
// built once and may be used by any number of goroutines.
type Table struct {
	rows   []row // the expressions of all applications, in order
	always []int // numbers of the rows that only their own expression can rule out
	index  literalIndex
}

type row struct {
	*Expression
	app, position int
}

// Hit is the first matching expression of one application.
type Hit struct {
	App, Expression int // positions in what NewTable was given
	Groups          []Group
}

// NewTable makes the table of the given applications' expressions.
func NewTable(apps [][]*Expression) *Table {
	t := &Table{}
	for app, expressions := range apps {
		for position, e := range expressions {
			n := len(t.rows)
			t.rows = append(t.rows, row{e, app, position})
			if len(e.literals) == 0 {
				t.always = append(t.always, n)
				continue
			}
			for _, literal := range e.literals {
				t.index.add(literal, n)
			}
		}
	}
	return t
}

// Lookup returns one hit for each application that has a matching expression,
// in the order of the applications, or nil. match is Recipient.Match.
func (t *Table) Lookup(match string) []Hit {
	var hits []Hit
	for _, n := range t.candidates(match) {
		r := t.rows[n]
		if len(hits) > 0 && hits[len(hits)-1].App == r.app {
			continue
		}
		if groups, ok := r.Groups(match); ok {
			hits = append(hits, Hit{r.app, r.position, groups})
		}
	}
	return hits
}

// candidates returns the rows worth trying, in order.
func (t *Table) candidates(match string) []int {
	var buf [256]byte // RFC 5321 §4.5.3.1.3: the longest path; more goes to the heap
	found := t.index.find(fold(buf[:0], match))
	if found == nil {
		return t.always
	}
	found = append(found, t.always...)
	slices.Sort(found)
	return slices.Compact(found)
}
