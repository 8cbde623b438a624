package typeset

import (
	"slices"
	"unicode"

	"golang.org/x/text/unicode/bidi"
	"golang.org/x/text/unicode/norm"
)

// Forms of a letter by its place in a word, in the order in which Unicode has them.
const (
	isolated = iota
	final
	initial
	medial
)

const (
	lam               = 'ل'
	tatweel           = 'ـ'
	joiner, nonJoiner = '\u200D', '\u200C'
)

// letterForms are the presentation forms of each Arabic letter: one of a letter that
// joins no other, two of one that joins the letter before it, four of one that joins
// both. fpdf draws characters, not glyphs, so these are the shapes it can draw.
// lamAlef are those of lam with a form of alef behind it.
var letterForms, lamAlef = presentationForms()

func presentationForms() (letters, ligatures map[rune][]rune) {
	letters, ligatures = map[rune][]rune{}, map[rune][]rune{}
	for _, block := range [][2]rune{{0xFB50, 0xFBB1}, {0xFBD3, 0xFBE7}, {0xFBFC, 0xFBFF}, {0xFE80, 0xFEFC}} {
		for form := block[0]; form <= block[1]; form++ {
			switch of := []rune(norm.NFKC.String(string(form))); {
			case len(of) == 1 && of[0] != form:
				letters[of[0]] = append(letters[of[0]], form)
			case len(of) == 2 && of[0] == lam:
				ligatures[of[1]] = append(ligatures[of[1]], form)
			}
		}
	}
	return letters, ligatures
}

func joinsBoth(r rune) bool { return r == tatweel || r == joiner || len(letterForms[r]) == 4 }

func joinsBefore(r rune) bool { return joinsBoth(r) || len(letterForms[r]) == 2 }

// shaped gives Arabic letters the form of their place; has tells whether a form can
// be drawn.
func shaped(text []rune, has func(rune) bool) []rune {
	var out []rune
	before := rune(0) // the last character that is no mark
	for i := 0; i < len(text); i++ {
		r := text[i]
		switch {
		case unicode.Is(unicode.Mn, r):
			out = append(out, r)
			continue
		case r == joiner, r == nonJoiner: // have no shape themselves
			before = r
			continue
		}
		forms, last := letterForms[r], i
		if r == lam && i+1 < len(text) && lamAlef[text[i+1]] != nil {
			forms, last = lamAlef[text[i+1]], i+1
		}
		form := isolated
		if joinsBoth(before) {
			form = final
		}
		if last == i && joinsBoth(r) && joinsBefore(after(text[i+1:])) {
			form += initial
		}
		switch {
		case form < len(forms) && has(forms[form]):
			out = append(out, forms[form])
		default:
			out, last = append(out, r), i
		}
		i, before = last, text[last]
	}
	return out
}

// after is the first character that is no mark.
func after(text []rune) rune {
	i := slices.IndexFunc(text, func(r rune) bool { return !unicode.Is(unicode.Mn, r) })
	if i < 0 {
		return 0
	}
	return text[i]
}

// isRightToLeft tells the direction of a paragraph by its first letter.
func isRightToLeft(text []rune) bool {
	for _, r := range text {
		switch of, _ := bidi.LookupRune(r); of.Class() {
		case bidi.L:
			return false
		case bidi.R, bidi.AL:
			return true
		}
	}
	return false
}

// visual puts a line into the order in which it is drawn, from the left.
func visual(line []rune, rightToLeft bool) []rune {
	if !slices.ContainsFunc(line, func(r rune) bool { return isRightToLeft([]rune{r}) }) {
		return line
	}
	mark := '\u200E' // the direction is the paragraph's, whatever this line begins with
	if rightToLeft {
		mark = '\u200F'
	}
	var p bidi.Paragraph
	if _, err := p.SetString(string(mark) + string(line)); err != nil {
		return line
	}
	order, err := p.Order()
	if err != nil {
		return line
	}
	var out, turned []rune // turned: runs to be put before each other
	for i := range order.NumRuns() {
		run := order.Run(i)
		runes := []rune(run.String())
		switch {
		case run.Direction() == bidi.RightToLeft:
			turned = append([]rune(bidi.ReverseString(run.String())), turned...) // brackets too
		case rightToLeft, len(turned) > 0 && !slices.ContainsFunc(runes, unicode.IsLetter): // a number among such words
			turned = append(runes, turned...)
		default:
			out = append(append(out, turned...), runes...)
			turned = nil
		}
	}
	return slices.DeleteFunc(append(out, turned...), func(r rune) bool { return r == mark })
}
