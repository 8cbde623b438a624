package match

import (
	"regexp/syntax"
	"slices"
	"unicode"
	"unicode/utf8"
)

// The usual address belongs to no application. What tells it apart is nearly
// always a piece of plain text that an expression cannot do without, such as
// "@fax", so the table asks for those pieces before it runs any expression.

const (
	minLiteral  = 2  // every address contains "@"
	maxLiterals = 64 // of one expression
)

// required returns folded texts of which every text that matches re contains,
// folded, at least one; nil if there is no useful list.
func required(re *syntax.Regexp) []string {
	if literals := anyOf(re); shortest(literals) >= minLiteral {
		return literals
	}
	return nil
}

func anyOf(re *syntax.Regexp) []string {
	switch re.Op {
	case syntax.OpLiteral:
		return []string{string(fold(nil, string(re.Rune)))}
	case syntax.OpCapture, syntax.OpPlus:
		return anyOf(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return anyOf(re.Sub[0])
		}
	case syntax.OpConcat: // all parts must match: take the most telling one
		var best []string
		for _, sub := range re.Sub {
			if literals := anyOf(sub); shortest(literals) > shortest(best) {
				best = literals
			}
		}
		return best
	case syntax.OpAlternate:
		var union []string
		for _, sub := range re.Sub {
			literals := anyOf(sub)
			if literals == nil {
				return nil
			}
			if union = append(union, literals...); len(union) > maxLiterals {
				return nil
			}
		}
		return union
	}
	return nil
}

func shortest(literals []string) int {
	if len(literals) == 0 {
		return 0
	}
	n := len(literals[0])
	for _, s := range literals[1:] {
		n = min(n, len(s))
	}
	return n
}

// fold appends text to buf so that texts which differ in case only become
// equal, by the rule of expressions that ignore case: the Kelvin sign is a k,
// and a byte that is not UTF-8 stands for U+FFFD.
func fold(buf []byte, text string) []byte {
	for _, r := range text {
		if r < utf8.RuneSelf {
			buf = append(buf, lower(byte(r)))
			continue
		}
		least := r
		for o := unicode.SimpleFold(r); o != r; o = unicode.SimpleFold(o) {
			least = min(least, o)
		}
		if least < utf8.RuneSelf {
			least = unicode.ToLower(least)
		}
		buf = utf8.AppendRune(buf, least)
	}
	return buf
}

// literalIndex finds the rows whose literals a text contains. Its cost depends
// on the number of different lengths, not of literals.
type literalIndex struct {
	lengths  [256][]int // by first byte, ascending
	postings map[string]*posting
}

// posting is the rows that need one literal.
type posting struct{ rows []int }

func (x *literalIndex) add(literal string, row int) {
	if x.postings == nil {
		x.postings = make(map[string]*posting)
	}
	p := x.postings[literal]
	if p == nil {
		p = &posting{}
		x.postings[literal] = p
	}
	p.rows = append(p.rows, row)
	lengths := &x.lengths[literal[0]]
	if at, found := slices.BinarySearch(*lengths, len(literal)); !found {
		*lengths = slices.Insert(*lengths, at, len(literal))
	}
}

// find returns the rows in no order, those of several literals repeatedly.
func (x *literalIndex) find(text []byte) (rows []int) {
	var seen []*posting // a text may hold the same literal a thousand times
	for i, c := range text {
		for _, n := range x.lengths[c] {
			if n > len(text)-i {
				break
			}
			p := x.postings[string(text[i:i+n])]
			if p != nil && !slices.Contains(seen, p) {
				seen = append(seen, p)
				rows = append(rows, p.rows...)
			}
		}
	}
	return rows
}
