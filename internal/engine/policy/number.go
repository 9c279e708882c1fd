package policy

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/sentinel-access/sentinel/internal/engine/condition"
)

// incomparable stands for every number that conditions do not compare.
const incomparable = json.Number("1e300")

// Attributes returns m as OPA can take it. OPA refuses a document with a number
// that is too big, so that one attribute of one account would keep a whole
// tenant from being decided about. Numbers that conditions do not compare become
// one such number, of which conditions say the same. m itself stays as it is.
func Attributes(m map[string]any) map[string]any {
	if !unbounded(m) {
		return m
	}
	return bounded(m).(map[string]any)
}

// unbounded reports whether v holds a number that conditions do not compare.
func unbounded(v any) bool {
	switch v := v.(type) {
	case json.Number:
		return !condition.Comparable(v)
	case []any:
		return slices.ContainsFunc(v, unbounded)
	case map[string]any:
		for _, member := range v {
			if unbounded(member) {
				return true
			}
		}
	}
	return false
}

// bounded returns v with copies of what changes.
func bounded(v any) any {
	switch v := v.(type) {
	case json.Number:
		if !condition.Comparable(v) {
			return incomparable
		}
	case []any:
		out := slices.Clone(v)
		for i := range out {
			out[i] = bounded(out[i])
		}
		return out
	case map[string]any:
		out := maps.Clone(v)
		for key := range out {
			out[key] = bounded(out[key])
		}
		return out
	}
	return v
}
