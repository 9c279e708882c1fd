package policy

import (
	"context"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/resolver"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// saidVar is bound to what a rule says.
const saidVar = ast.Var("said")

// Judge asks the modules that apply about each of the actions. The answer has a
// finding for every action, an empty one where nothing applies. An error means
// that nothing was evaluated: a built-in failed, a rule had two values, or the
// deadline, which is for all actions together, passed. It must be taken for a
// denial.
func (m *Modules) Judge(ctx context.Context, f *Facts, actions []string) (map[string]Finding, error) {
	out := make(map[string]Finding, len(actions))
	var shared *document
	for _, action := range actions {
		if !m.Applies(f.Question.Type, action) {
			out[action] = Finding{}
			continue
		}
		if shared == nil {
			bounded, cancel := context.WithTimeout(ctx, m.timeout)
			defer cancel()
			ctx = bounded
			var err error
			if shared, err = f.document(); err != nil {
				return nil, err
			}
		}
		finding, err := m.judge(ctx, f, action, shared)
		if err != nil {
			return nil, fmt.Errorf("evaluate policies: %w", err)
		}
		out[action] = finding
	}
	return out, nil
}

// judge asks about one action. The modules share what they have worked out.
func (m *Modules) judge(ctx context.Context, f *Facts, action string, shared *document) (Finding, error) {
	stop := topdown.NewCancel()
	defer context.AfterFunc(ctx, stop.Cancel)()
	question := ast.NewTerm(shared.question(action))
	lib := known{shared.library(action)}
	worked := topdown.NewVirtualCache()
	var said answers
	for i := range m.modules {
		c := &m.modules[i]
		if !c.applies(f.Question.Type, action) {
			continue
		}
		for _, r := range c.rules {
			if r.name == ruleAllow && !f.AllowRules {
				continue
			}
			// A short evaluation ends before OPA looks at the context.
			if err := ctx.Err(); err != nil {
				return Finding{}, err
			}
			err := topdown.NewQuery(r.query).
				WithCompiler(m.compiler).WithStore(noStore{m.store}).WithResolver(libRef(), lib).WithInput(question).WithTime(f.Now).
				WithVirtualCache(worked).
				WithStrictBuiltinErrors(true).WithCancel(stop).
				Iter(ctx, func(result topdown.QueryResult) error {
					said.read(c, r.name, result[saidVar].Value)
					return nil
				})
			if err != nil {
				return Finding{}, fmt.Errorf("%s.%s: %w", c.policy(), r.name, err)
			}
		}
	}
	return said.finding(), nil
}

// known answers data.sentinel.lib from what the server has resolved, where an
// agent works it out of data.sentinel_graph. It is for one evaluation. OPA would
// ask a store for the same by the names of members alone, and so neither for what
// is in a list nor for the difference of 0 and "0".
type known struct{ lib ast.Value }

// Eval implements [resolver.Resolver].
func (k known) Eval(context.Context, resolver.Input) (resolver.Result, error) {
	return resolver.Result{Value: k.lib}, nil
}

// noStore holds nothing.
type noStore struct{ storage.Store }

// Read implements [storage.Store].
func (noStore) Read(context.Context, storage.Transaction, storage.Path) (any, error) {
	return nil, &storage.Error{Code: storage.NotFoundErr}
}
