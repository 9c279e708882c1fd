package engine

import (
	"context"
	"slices"
	"strings"
	"time"
)

// The bounds of the search for changes.
const (
	// mostSupposed is how often a question is decided again, less often where many
	// permissions match: mostWork is how many may be judged, all in all.
	mostSupposed  = 300
	leastSupposed = 20
	mostWork      = 20_000
	// mostTried is of how many permissions the conditions are solved.
	mostTried    = 20
	mostTogether = 3
	mostWays     = 10
	mostMoments  = 30
	// mostTime is how long it takes, all in all, whatever policies and conditions
	// take.
	mostTime = time.Second
)

// search looks for the least changes that turn an answer. Each is supposed, and
// the question decided again.
type search struct {
	ctx context.Context
	now time.Time
	// allowed is the answer that is to be another.
	allowed bool
	// left is how many decisions may still be made.
	left int
	// complete is false once something was left out.
	complete bool
	start    supposed
	ways     []ExplainedWay
	seen     map[string]bool
}

// state is a question under changes, with its answer.
type state struct {
	supposed
	d       *Decision
	changes []ExplainedChange
}

// over reports whether the search is to end: it has decided too often, or taken
// too long.
func (s *search) over() bool {
	if s.left > 0 && s.ctx.Err() == nil {
		return false
	}
	s.complete = false
	return true
}

// decide decides again, false if the search is over.
func (s *search) decide(w supposed) (*Decision, bool) {
	if s.over() {
		return nil, false
	}
	s.left--
	return w.decide(s.ctx, s.now), true
}

// run looks at ever more changes together, up to three, and stops at the first
// number that does.
func (s *search) run(start state, steps func(*search, state) [][]ExplainedChange) {
	reached := [mostTogether + 1][]state{{start}}
	for n := range mostTogether {
		if len(s.ways) > 0 {
			return
		}
		slices.SortStableFunc(reached[n], func(a, b state) int { return rankOf(b.d.Code) - rankOf(a.d.Code) })
		for _, from := range reached[n] {
			if s.over() {
				return
			}
			for _, step := range steps(s, from) {
				next, ok := s.take(from, step)
				if ok && len(next.changes) <= mostTogether {
					reached[len(next.changes)] = append(reached[len(next.changes)], next)
				}
			}
		}
	}
}

// take makes a step. It returns the state it leads to unless that is known, or is
// a way that was sought.
func (s *search) take(from state, step []ExplainedChange) (state, bool) {
	next := state{supposed: from.supposed, changes: slices.Concat(from.changes, step)}
	if key := keyOf(next.changes); s.seen[key] {
		return next, false
	} else if s.seen[key] = true; len(next.changes) > mostTogether && !s.allowed {
		s.complete = false
		return next, false
	}
	for _, c := range step {
		next.supposed = c.apply(next.supposed)
	}
	var ok bool
	if next.d, ok = s.decide(next.supposed); !ok {
		return next, false
	}
	if next.d.Code == NotEvaluated {
		// Whatever could not be evaluated need not be so next time.
		s.complete = false
		return next, false
	}
	if next.d.Allowed == s.allowed {
		return next, true
	}
	s.found(next)
	return next, false
}

// found takes down a way, without the changes that it does not need.
func (s *search) found(end state) {
	changes, code := end.changes, end.d.Code
	for i := 0; i < len(changes) && len(changes) > 1; {
		fewer := slices.Delete(slices.Clone(changes), i, i+1)
		w := s.start
		for _, c := range fewer {
			w = c.apply(w)
		}
		d, ok := s.decide(w)
		if !ok {
			break
		}
		if d.Allowed != s.allowed && d.Code != NotEvaluated {
			changes, code = fewer, d.Code
			continue
		}
		i++
	}
	if len(s.ways) == mostWays {
		s.complete = false
		return
	}
	// One value of an attribute is enough.
	about := aboutOf(changes)
	if !slices.ContainsFunc(s.ways, func(w ExplainedWay) bool { return aboutOf(w.Together) == about }) {
		s.ways = append(s.ways, ExplainedWay{Together: changes, Verified: true, Code: string(code)})
	}
}

func keyOf(changes []ExplainedChange) string {
	keys := make([]string, len(changes))
	for i := range changes {
		keys[i] = changes[i].key
	}
	slices.Sort(keys)
	return strings.Join(keys, "\n")
}

// aboutOf tells ways from others but for the values that they set.
func aboutOf(changes []ExplainedChange) string {
	keys := make([]string, len(changes))
	for i := range changes {
		if keys[i] = changes[i].key; changes[i].Kind == ChangeAttribute {
			keys[i] = changes[i].Attribute
		}
	}
	slices.Sort(keys)
	return strings.Join(keys, "\n")
}

func rankOf(code Code) int { return slices.Index(codes[:], code) }
