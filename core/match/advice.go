package match

import (
	"regexp/syntax"
	"slices"
)

// What an administrator may not have meant is found in the syntax tree of an
// expression; none of it keeps the expression from being used.

func (e *Expression) tree() *syntax.Regexp {
	tree, err := syntax.Parse(e.source, syntax.Perl|syntax.FoldCase)
	if err != nil { // Compile has parsed it
		return &syntax.Regexp{Op: syntax.OpEmptyMatch}
	}
	return tree
}

// Open reports whether the expression matches a text whatever follows in it, so
// that 123@fax takes 123@fax.example.com too. One that ends in .* means that.
func (e *Expression) Open() bool { return open(e.tree()) }

func open(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpEndText, syntax.OpEndLine:
		return false
	case syntax.OpStar, syntax.OpPlus:
		return !anyChar(re.Sub[0])
	case syntax.OpCapture:
		return open(re.Sub[0])
	case syntax.OpConcat:
		return open(re.Sub[len(re.Sub)-1])
	case syntax.OpAlternate:
		return slices.ContainsFunc(re.Sub, open)
	}
	return true
}

func anyChar(re *syntax.Regexp) bool {
	return re.Op == syntax.OpAnyChar || re.Op == syntax.OpAnyCharNotNL
}

// HasGroup reports whether the expression has a group of that name.
func (e *Expression) HasGroup(name string) bool {
	return slices.Contains(e.compiled.SubexpNames(), name)
}

// GroupTakes reports whether a group of that name can hold a character for which
// is is true.
func (e *Expression) GroupTakes(name string, is func(rune) bool) bool {
	return within(e.tree(), name, func(group *syntax.Regexp) bool { return takes(group, is) })
}

func within(re *syntax.Regexp, name string, f func(*syntax.Regexp) bool) bool {
	if re.Op == syntax.OpCapture && re.Name == name {
		return f(re.Sub[0])
	}
	return slices.ContainsFunc(re.Sub, func(sub *syntax.Regexp) bool { return within(sub, name, f) })
}

func takes(re *syntax.Regexp, is func(rune) bool) bool {
	switch re.Op {
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return true
	case syntax.OpLiteral:
		return slices.ContainsFunc(re.Rune, is)
	case syntax.OpCharClass:
		return some(re.Rune, is)
	}
	return slices.ContainsFunc(re.Sub, func(sub *syntax.Regexp) bool { return takes(sub, is) })
}

// Demands reports whether every text that matches has a character for which is
// is true.
func (e *Expression) Demands(is func(rune) bool) bool { return demands(e.tree(), is) }

func demands(re *syntax.Regexp, is func(rune) bool) bool {
	sub := func(sub *syntax.Regexp) bool { return demands(sub, is) }
	switch re.Op {
	case syntax.OpLiteral:
		return slices.ContainsFunc(re.Rune, is)
	case syntax.OpCharClass:
		return len(re.Rune) > 0 && !some(re.Rune, func(r rune) bool { return !is(r) })
	case syntax.OpCapture, syntax.OpPlus:
		return sub(re.Sub[0])
	case syntax.OpRepeat:
		return re.Min > 0 && sub(re.Sub[0])
	case syntax.OpConcat:
		return slices.ContainsFunc(re.Sub, sub)
	case syntax.OpAlternate:
		return !slices.ContainsFunc(re.Sub, func(s *syntax.Regexp) bool { return !sub(s) })
	}
	return false
}

// MayBeginWith reports whether a text that begins with c can match.
func (e *Expression) MayBeginWith(c rune) bool {
	begins, _ := begin(e.tree(), c)
	return begins
}

// begin also reports whether re can match nothing, so that what follows begins.
func begin(re *syntax.Regexp, c rune) (begins, empty bool) {
	switch re.Op {
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return true, false
	case syntax.OpLiteral:
		return re.Rune[0] == c, false
	case syntax.OpCharClass:
		return some(re.Rune, func(r rune) bool { return r == c }), false
	case syntax.OpCapture, syntax.OpPlus:
		return begin(re.Sub[0], c)
	case syntax.OpStar, syntax.OpQuest:
		begins, _ = begin(re.Sub[0], c)
		return begins, true
	case syntax.OpRepeat:
		begins, empty = begin(re.Sub[0], c)
		return begins, empty || re.Min == 0
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			if begins, empty = begin(sub, c); begins || !empty {
				return begins, false
			}
		}
		return false, true
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			b, e := begin(sub, c)
			begins, empty = begins || b, empty || e
		}
		return begins, empty
	}
	return false, true // an anchor
}

// some reports whether a class, given by its ranges, has a character for which
// is is true. Of a range over whole alphabets the characters at its ends and in
// its middle speak for all.
func some(ranges []rune, is func(rune) bool) bool {
	const few = 256
	for i := 0; i+1 < len(ranges); i += 2 {
		low, high := ranges[i], ranges[i+1]
		if high-low > few {
			if is(low) || is(high) || is(low+(high-low)/2) {
				return true
			}
			high = low + few
		}
		for r := low; r <= high; r++ {
			if is(r) {
				return true
			}
		}
	}
	return false
}
