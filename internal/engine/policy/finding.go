package policy

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
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

// find reads what modules said, each an object of entries by rule.
func find(modules []*module, said []any) Finding {
	var f Finding
	obligations := map[string]map[string]any{}
	for i, c := range modules {
		rules, ok := said[i].(map[string]any)
		if !ok {
			return malformed(c, "", "the module did not answer")
		}
		for _, rule := range slices.Sorted(maps.Keys(rules)) {
			entries, ok := rules[rule].([]any)
			if !ok {
				return malformed(c, rule, "is no set")
			}
			for _, entry := range entries {
				if message := f.read(c, rule, entry, obligations); message != "" {
					return malformed(c, rule, message)
				}
			}
		}
		if len(obligations) > maxObligations {
			return malformed(c, ruleDuties, fmt.Sprintf("there are more than %d", maxObligations))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(obligations)) {
		f.Obligations = append(f.Obligations, obligations[key])
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

func malformed(c *module, rule, message string) Finding {
	return Finding{Malformed: strings.TrimSuffix(c.policy()+"."+rule, ".") + ": " + message}
}

// policy is what answers call a module.
func (c *module) policy() string { return c.Root + "." + c.Name }

// read takes in one entry; it returns what is wrong with it, "" if nothing is.
func (f *Finding) read(c *module, rule string, entry any, obligations map[string]map[string]any) string {
	object, isObject := entry.(map[string]any)
	switch rule {
	case ruleDeny:
		reason, _ := object["reason"].(string)
		f.Denials = append(f.Denials, Denial{Policy: c.policy(), Reason: cut(reason)})
	case ruleAllow:
		f.Allows = true
	case ruleDuties:
		if !isObject {
			return "must hold objects"
		}
		if reason, ok := object["reason"].(string); ok {
			object["reason"] = cut(reason)
		}
		object["policy"] = c.policy()
		key, err := json.Marshal(object)
		if err != nil {
			return "holds what is no JSON"
		}
		obligations[string(key)] = object
	case ruleApproval:
		chain, ok := object["chain"].(string)
		if !ok {
			return "must hold objects with the name of a chain"
		}
		f.Chains = append(f.Chains, chain)
	case ruleRestrict:
		field, ok := object["field"].(string)
		to, given := object["to"]
		if !given {
			to = "hidden"
		}
		if !ok || to != "hidden" && to != "read" {
			return `must hold objects with the name of a field, and "to" that is hidden or read`
		}
		f.Restrictions = append(f.Restrictions, Restriction{Field: field, To: to.(string)})
	}
	return ""
}

// cut returns the first 200 characters.
func cut(reason string) string {
	if utf8.RuneCountInString(reason) <= maxReason {
		return reason
	}
	return string([]rune(reason)[:maxReason])
}
