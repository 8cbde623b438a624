// Package message reads an e-mail as real mailers write it: header fields,
// text, HTML, attachments, and the four formats a job's message file can have.
//
// The message is indexed in one pass and stays where it is; bodies are decoded
// when they are read, as often as asked, in bounded memory. Bad mail never
// fails: what cannot be understood is handed on as it came.
package message

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"smtpreceiver/core/message/address"
	"smtpreceiver/core/message/charset"
	"smtpreceiver/core/message/charset/labels"
	"smtpreceiver/core/message/header"
	"smtpreceiver/core/message/transfer/seek"
)

// Limits bound what one message may cost. A zero field means its default.
type Limits struct {
	MaxDepth        int    // multiparts inside each other; 50
	MaxParts        int    // parts of the whole message; 1000
	MaxHeaderSize   int64  // bytes of the message's header that are kept; 1 MiB
	MaxHeaderFields int    // fields of any header that are kept; 1000
	DefaultCharset  string // of text that is unlabelled, or wrongly labelled, and not UTF-8; windows-1252
}

func (l Limits) withDefaults() Limits {
	if l.MaxDepth <= 0 {
		l.MaxDepth = 50
	}
	if l.MaxParts <= 0 {
		l.MaxParts = 1000
	}
	if l.MaxHeaderFields <= 0 {
		l.MaxHeaderFields = 1000
	}
	if l.MaxHeaderSize <= 0 {
		l.MaxHeaderSize = 1 << 20
	}
	if !labels.Known(l.DefaultCharset) {
		l.DefaultCharset = "windows-1252"
	}
	return l
}

// Address is one mailbox of an address field.
type Address = address.Address

// Message is an indexed message. Its methods may be called from several
// goroutines as long as the source stays readable.
type Message struct {
	src    io.ReaderAt
	size   int64
	lim    Limits
	fields []header.Field
	root   *part
	notes  []string
	// context is what text without a charset of its own borrows: first that of
	// the text, then that of Subject.
	context  charset.Context
	borrowed int // charsets of texts in context
	encoded  int // multiparts that were decoded as a whole
	parts    int
	ids      map[string]bool // the Content-IDs of parts
	buffers  seek.Buffers
}

// Parse indexes the size bytes of src, a message as received, in one pass. It
// fails only if src cannot be read; Problems tells what a limit cut. src must
// stay readable as long as the Message and what it hands out are used.
func Parse(src io.ReaderAt, size int64, lim Limits) (*Message, error) {
	m := &Message{src: src, size: max(size, 0), lim: lim.withDefaults()}
	m.context.Default = m.lim.DefaultCharset
	if err := m.index(); err != nil {
		return nil, err
	}
	return m, nil
}

// Header is the first field of that name, unfolded and decoded, control
// characters replaced by spaces; "" if there is none.
func (m *Message) Header(name string) string {
	return m.words(m.rawHeader(name))
}

func (m *Message) rawHeader(name string) string {
	for _, f := range m.fields {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

func (m *Message) words(s string) string {
	return strings.TrimSpace(header.SpaceControls(header.DecodeWords(s, m.context)))
}

// Subject is the decoded subject.
func (m *Message) Subject() string { return m.Header("Subject") }

// Date is the Date field as it was written.
func (m *Message) Date() string { return m.Header("Date") }

// MessageID is the Message-ID field with its angle brackets.
func (m *Message) MessageID() string { return m.Header("Message-ID") }

// From is the first author.
func (m *Message) From() Address { return m.first("From") }

// ReplyTo is the first address of Reply-To; the zero Address without one.
func (m *Message) ReplyTo() Address { return m.first("Reply-To") }

// To lists the addresses of To, at most 1000.
func (m *Message) To() []Address { return m.addresses("To") }

// Cc lists the addresses of Cc, at most 1000.
func (m *Message) Cc() []Address { return m.addresses("Cc") }

func (m *Message) first(name string) Address {
	if l := m.addresses(name); len(l) > 0 {
		return l[0]
	}
	return Address{}
}

func (m *Message) addresses(name string) []Address {
	var l []Address
	for _, f := range m.fields {
		if strings.EqualFold(f.Name, name) && len(l) < address.MaxAddresses {
			l = address.Append(l, f.Value, m.context)
		}
	}
	return l
}

// borrowSubject notes the charset that the encoded words of the header are in:
// a text that declares none may be in it.
func (m *Message) borrowSubject() {
	for _, name := range []string{"Subject", "From"} {
		if c := header.WordCharset(m.rawHeader(name)); c != "" {
			m.context.Neighbours = []string{c}
			return
		}
	}
}

// borrowText notes the charset of the first text that declares one of 8 bits, for header
// fields and names in 8 bits and for the texts that declare none.
func (m *Message) borrowText(p *part) {
	if p.isText() {
		m.borrow(p.charset)
	}
}

func (m *Message) borrow(label string) {
	const most = 3
	if m.borrowed < most && charset.Lends(label) {
		m.context.Neighbours = slices.Insert(slices.Clone(m.context.Neighbours), m.borrowed, label)
		m.borrowed++
	}
}

// borrowHeads notes what HTML declares in its head alone, if its bytes bear it out.
func (m *Message) borrowHeads() (err error) {
	m.root.each(func(p *part) {
		if err != nil || p.opaque || p.charset != "" || !isHTMLType(p.mediaType) {
			return
		}
		var v *survey
		if v, err = m.look(p); err == nil && v.verdict.FromHead() {
			m.borrow(v.verdict.Charset)
		}
	})
	return err
}

// Charsets says of the subject, the sender and the texts that have been read
// in which charset they were, and why, where it was not simply the declared one.
func (m *Message) Charsets() []string {
	var l []string
	note := func(what string, v charset.Verdict) {
		if v.Guessed() && len(l) < 2*maxNotes {
			l = append(l, what+": "+v.String())
		}
	}
	for _, name := range []string{"Subject", "From"} {
		c := m.context
		c.Decided = func(v charset.Verdict) { note(name, v) }
		header.DecodeWords(m.rawHeader(name), c)
	}
	m.root.each(func(p *part) {
		if v, ok := p.verdict(); ok {
			note(p.mediaType, v)
		}
	})
	return l
}

// priorities maps what the priority fields say, in lower case.
var priorities = map[string]string{
	"1": "high", "2": "high", "3": "normal", "4": "low", "5": "low",
	"high": "high", "highest": "high", "urgent": "high",
	"normal": "normal",
	"low":    "low", "lowest": "low", "non-urgent": "low",
}

// Priority is high, normal or low: what the first of X-Priority, Importance,
// Priority and X-MSMail-Priority that can be understood says, else normal.
func (m *Message) Priority() string {
	for _, name := range []string{"X-Priority", "Importance", "Priority", "X-MSMail-Priority"} {
		word, _, _ := strings.Cut(strings.ToLower(m.Header(name)), " ")
		if p, ok := priorities[word]; ok {
			return p
		}
	}
	return "normal"
}

// Problems says what limits cut and, of the text that has been read by then,
// what was not in the charset it declares: for the log.
func (m *Message) Problems() []string {
	notes := slices.Clone(m.notes)
	m.root.each(func(p *part) {
		if v, ok := p.verdict(); ok && p.charset != "" && v.Guessed() && len(notes) < 2*maxNotes {
			notes = append(notes, fmt.Sprintf("text is not in the charset %.40q that it declares", p.charset))
		}
	})
	return notes
}

// each visits the parts under p; Limits.MaxDepth bounds the depth.
func (p *part) each(visit func(*part)) {
	visit(p)
	for _, k := range p.kids {
		k.each(visit)
	}
}
