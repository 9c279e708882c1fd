package policy

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"
)

const (
	maxDenials     = 50
	maxObligations = 50
	maxReason      = 200
)

// Finding is what the policies say about one action.
type Finding struct {
	// Malformed says what is wrong with what a module said, empty if nothing is. A
	// malformed finding has nothing else: the question is not evaluated.
	Malformed string
	// Denials are ordered by policy and reason, at most 50.
	Denials []Denial
	// Obligations are ordered by their JSON, at most 50. Each names its policy.
	Obligations []map[string]any
	// Chains are the names of the approval chains that policies require, ascending.
	Chains []string
	// Restrictions of fields, ordered by field and visibility.
	Restrictions []Restriction
	// Allows is set when a module allows.
	Allows bool
}

// Restriction is the most that may be done with a field.
type Restriction struct {
	Field string
	// To is "hidden" or "read".
	To string
}

// answers gather what the modules say about one action.
type answers struct {
	found       Finding
	malformed   string
	obligations map[string]map[string]any
}

// read takes in what a rule says.
func (a *answers) read(c *module, rule string, said ast.Value) {
	entries, ok := said.(ast.Set)
	if !ok {
		a.fail(c, rule, "is no set")
		return
	}
	entries.Foreach(func(entry *ast.Term) {
		if message := a.entry(c, rule, entry); message != "" {
			a.fail(c, rule, message)
		}
	})
	if len(a.obligations) > maxObligations {
		a.fail(c, rule, fmt.Sprintf("with those of the other policies there are more than %d", maxObligations))
	}
}

func (a *answers) fail(c *module, rule, message string) {
	if a.malformed == "" {
		a.malformed = c.policy() + "." + rule + ": " + message
	}
}

// policy is what answers call a module.
func (c *module) policy() string { return c.Root + "." + c.Name }

// entry takes in one entry; it returns what is wrong with it, "" if nothing is.
func (a *answers) entry(c *module, rule string, entry *ast.Term) string {
	object, isObject := entry.Value.(ast.Object)
	switch rule {
	case ruleDeny:
		reason, _ := stringOf(object, "reason")
		a.found.Denials = append(a.found.Denials, Denial{Policy: c.policy(), Reason: cut(reason)})
	case ruleAllow:
		a.found.Allows = true
	case ruleDuties:
		if !isObject {
			return "must hold objects"
		}
		return a.obligation(c, object)
	case ruleApproval:
		chain, ok := stringOf(object, "chain")
		if !ok {
			return "must hold objects with the name of a chain"
		}
		a.found.Chains = append(a.found.Chains, chain)
	case ruleRestrict:
		field, ok := stringOf(object, "field")
		to := "hidden"
		if ok && object.Get(ast.InternedTerm("to")) != nil {
			to, _ = stringOf(object, "to")
		}
		if !ok || to != "hidden" && to != "read" {
			return `must hold objects with the name of a field, and "to" that is hidden or read`
		}
		a.found.Restrictions = append(a.found.Restrictions, Restriction{Field: field, To: to})
	}
	return ""
}

func (a *answers) obligation(c *module, object ast.Object) string {
	converted, err := ast.JSON(object)
	duty, ok := converted.(map[string]any)
	if err != nil || !ok {
		return "holds what is no JSON"
	}
	if reason, ok := duty["reason"].(string); ok {
		duty["reason"] = cut(reason)
	}
	duty["policy"] = c.policy()
	key, err := json.Marshal(duty)
	if err != nil {
		return "holds what is no JSON"
	}
	if a.obligations == nil {
		a.obligations = map[string]map[string]any{}
	}
	a.obligations[string(key)] = duty
	return ""
}

// finding returns what was said, in order.
func (a *answers) finding() Finding {
	if a.malformed != "" {
		return Finding{Malformed: a.malformed}
	}
	f := a.found
	for _, key := range slices.Sorted(maps.Keys(a.obligations)) {
		f.Obligations = append(f.Obligations, a.obligations[key])
	}
	slices.SortFunc(f.Denials, func(a, b Denial) int {
		return cmp.Or(strings.Compare(a.Policy, b.Policy), strings.Compare(a.Reason, b.Reason))
	})
	f.Denials = slices.Compact(f.Denials)
	f.Denials = f.Denials[:min(len(f.Denials), maxDenials)]
	slices.Sort(f.Chains)
	f.Chains = slices.Compact(f.Chains)
	slices.SortFunc(f.Restrictions, func(a, b Restriction) int {
		return cmp.Or(strings.Compare(a.Field, b.Field), strings.Compare(a.To, b.To))
	})
	f.Restrictions = slices.Compact(f.Restrictions)
	return f
}

// stringOf returns a member that is a string. A nil object has none.
func stringOf(object ast.Object, name string) (string, bool) {
	if object == nil {
		return "", false
	}
	term := object.Get(ast.InternedTerm(name))
	if term == nil {
		return "", false
	}
	s, ok := term.Value.(ast.String)
	return string(s), ok
}

// cut returns the first 200 characters.
func cut(reason string) string {
	if utf8.RuneCountInString(reason) <= maxReason {
		return reason
	}
	return string([]rune(reason)[:maxReason])
}
