package core

import (
	"smtpreceiver/core/match"
	"smtpreceiver/core/reply"
)

// steps records how a recipient was decided, for Explain. Its methods are
// called by the decision itself, so the two cannot differ; on nil, which real
// mail has, they do nothing.
type steps struct {
	hits  []match.Hit
	asked []asked // as many of hits, from the first
}

// asked is what one application whose addresses match was asked, and said.
type asked struct {
	rules   []step
	refusal *reply.Reply
	matches bool
}

// step is one rule that was held: key is its key in the application, at the
// place of the expression that matched, -1 if none did.
type step struct {
	key string
	ok  bool
	at  int
}

func (s *steps) matched(hits []match.Hit) {
	if s != nil {
		s.hits = hits
	}
}

// ask begins the questions to the next application.
func (s *steps) ask() {
	if s != nil {
		s.asked = append(s.asked, asked{})
	}
}

func (s *steps) rule(key string, ok bool, at int) {
	if s != nil {
		last := &s.asked[len(s.asked)-1]
		last.rules = append(last.rules, step{key, ok, at})
	}
}

// answer ends them.
func (s *steps) answer(refusal *reply.Reply, matches bool) {
	if s != nil {
		last := &s.asked[len(s.asked)-1]
		last.refusal, last.matches = refusal, matches
	}
}
