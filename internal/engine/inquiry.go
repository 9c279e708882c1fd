package engine

import (
	"context"
	"math/bits"

	"github.com/sentinel-access/sentinel/internal/engine/approval"
	"github.com/sentinel-access/sentinel/internal/engine/condition"
	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/engine/policy"
)

// inquiry is a question about a subject that may act in principle, with what the
// steps share over the actions that they are asked about: the one of the
// question, and where the type has fields, those that say what of them may be
// read and written.
type inquiry struct {
	ask     asking
	d       *Decision
	s       *Snapshot
	q       *Question
	subject *Subject
	// node is the registered node that is asked about, nil for none.
	node *Resource
	// target is the question for the index of permissions, without the action.
	target grants.Target
	// env is what conditions read, made when one is met; of one action at a time.
	env *condition.Env
	// autoEnv is what the conditions of chains read, made likewise.
	autoEnv *condition.Env
}

// aim returns a question about a registered node, nil for none, as the steps take
// it, but for the subject.
func (s *Snapshot) aim(q *Question, node *Resource) *inquiry {
	x := &inquiry{s: s, q: q, node: node}
	x.target = grants.Target{Type: q.Type, Action: q.Action, ID: q.ID, HasID: q.ID != ""}
	if node != nil {
		x.target.ID, x.target.HasID = node.Code, true
	}
	x.target.Nodes = s.Grants.Relevant(s.chain(node, q.Type, nil), nil)
	return x
}

// outcome is what the steps say of one action.
type outcome struct {
	action string
	// code is empty while nothing final was said.
	code Code
	// counting are the allows that count, after the conflict with denies.
	counting []*grants.Grant
	matched  []*grants.Grant
	// finding is what policies say; nothing where none was asked.
	finding policy.Finding
	chain   *approval.Chain
	request *Request
	auto    bool
	// opened are all the chains that conditions opened.
	opened []*approval.Chain
}

// outcomes appends to dst those of an action and, where fields are asked about, of
// the actions that these depend on.
func outcomes(dst []outcome, action string, fields bool) []outcome {
	dst = append(dst, outcome{action: action})
	if fields {
		for _, other := range fieldActions {
			if other != action {
				dst = append(dst, outcome{action: other})
			}
		}
	}
	return dst
}

func (o *outcome) allowed() bool { return o.code == Granted || o.code == GrantedByApproval }

// run takes steps 3 to 8 for every outcome. An error means that a policy could
// not be judged, so that nothing can be said at all.
func (x *inquiry) run(ctx context.Context, outcomes []outcome) error {
	for i := range outcomes {
		o := &outcomes[i]
		x.target.Action = o.action
		var buf [16]*grants.Grant
		x.settle(o, x.s.Grants.Candidates(buf[:0], x.d.held, &x.target))
		if o.code == "" && !x.inState(o.action) {
			o.code, o.matched = WorkflowState, nil
		}
	}
	if x.q.Type != grants.APIType {
		if err := x.judge(ctx, outcomes); err != nil {
			return err
		}
	}
	for i := range outcomes {
		if outcomes[i].code == "" {
			x.approve(&outcomes[i])
		}
	}
	if x.env != nil {
		x.env.Action.Name = x.q.Action
	}
	return nil
}

// environment returns what the conditions of a permission may read.
func (x *inquiry) environment(action string) *condition.Env {
	if x.env == nil {
		x.env = environment(x.d, x.subject, x.node)
		x.d.env = x.env
	}
	x.env.Action.Name = action
	return x.env
}

// held returns the positions of everything reached from direct, ascending.
func (s *Snapshot) held(direct []int32) []int32 {
	switch len(direct) {
	case 0:
		return nil
	case 1:
		return s.Graph.Reach(direct[0])
	}
	// A set of bits, since sorting what several reach would cost more.
	var seenBuf [16]uint64
	seen := seenBuf[:]
	if words := (s.Graph.Len() + 63) / 64; words > len(seen) {
		seen = make([]uint64, words)
	}
	for _, at := range direct {
		for _, i := range s.Graph.Reach(at) {
			seen[i/64] |= 1 << (i % 64)
		}
	}
	n := 0
	for _, set := range seen {
		n += bits.OnesCount64(set)
	}
	held := make([]int32, 0, n)
	for word, set := range seen {
		for ; set != 0; set &= set - 1 {
			held = append(held, int32(word*64+bits.TrailingZeros64(set))) //nolint:gosec // below Graph.Len
		}
	}
	return held
}
