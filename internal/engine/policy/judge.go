package policy

import (
	"context"
	"errors"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
)

// Judge asks the modules that apply about each of the actions, in one
// evaluation. The answer has a finding for every action, an empty one where
// nothing applies. An error means that nothing was evaluated: a built-in failed,
// a rule had two values, or the deadline passed. It must be taken for a denial.
func (m *Modules) Judge(ctx context.Context, f *Facts, actions []string) (map[string]Finding, error) {
	out := make(map[string]Finding, len(actions))
	asked := map[string][]*module{}
	for _, action := range actions {
		out[action] = Finding{}
		if list := m.applying(f, action); len(list) > 0 {
			asked[action] = list
		}
	}
	if len(asked) == 0 {
		return out, nil
	}
	input, err := f.input(asked)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	// A short evaluation ends before OPA looks at the context.
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("evaluate policies: %w", err)
	}
	results, err := m.query.Eval(ctx, rego.EvalParsedInput(input), rego.EvalTime(f.Now))
	if err != nil {
		return nil, fmt.Errorf("evaluate policies: %w", err)
	}
	if len(results) != 1 || len(results[0].Expressions) != 1 {
		return nil, errors.New("evaluate policies: no answer")
	}
	said, _ := results[0].Expressions[0].Value.(map[string]any)
	for action, list := range asked {
		answers, _ := said[action].([]any)
		if len(answers) != len(list) {
			return nil, fmt.Errorf("evaluate policies: %d of %d modules answered", len(answers), len(list))
		}
		out[action] = find(list, answers)
	}
	return out, nil
}

// applying returns the modules that have a say about an action.
func (m *Modules) applying(f *Facts, action string) []*module {
	var list []*module
	for i := range m.modules {
		if c := &m.modules[i]; c.applies(f.Question.Type, action) && c.question(f.AllowRules) != nil {
			list = append(list, c)
		}
	}
	return list
}

// question is the module as judge.rego takes it, nil if there is nothing to ask.
func (c *module) question(allowRules bool) *ast.Term {
	if allowRules {
		return c.asked
	}
	return c.allowless
}
