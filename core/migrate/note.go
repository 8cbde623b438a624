package migrate

// Kind says what became of something of the original.
type Kind int

const (
	Lost    Kind = iota // not taken over
	Changed             // taken over in another form, or to be looked at
	Design              // works otherwise here, whatever is configured
)

func (k Kind) String() string {
	return [...]string{"not taken over", "changed", "by design"}[k]
}

// Note is one thing that differs from the original.
type Note struct {
	Kind  Kind
	Where string // the value in the registry, below the key SMTPreceiver
	Text  string
}

// String is one line.
func (n Note) String() string {
	text := n.Kind.String() + ": "
	if n.Where != "" {
		text += n.Where + ": "
	}
	return oneLine(text + n.Text)
}
