package granting

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/sentinel-access/sentinel/internal/engine/grants"
)

// holds reports whether the actor has all that g grants, whatever the question
// is. What cannot be seen to be covered counts as not held.
func (j *Judge) holds(g *grants.Grant) bool {
	for _, action := range g.Actions {
		if !slices.ContainsFunc(j.held, func(h *grants.Grant) bool { return covers(h, g, action) }) {
			return false
		}
	}
	// What one is denied oneself one does not hold, wherever the two may meet:
	// nor may one free others of a deny that one is under. A hidden field is such
	// a deny, whatever the actions.
	return !slices.ContainsFunc(j.held, func(h *grants.Grant) bool {
		return h.Effect == grants.Deny && mayMeet(h, g) || meetIn(h, g) && hides(h)
	})
}

// covers reports whether an allow that the actor has reaches everything that
// action of g reaches.
func covers(h, g *grants.Grant, action string) bool {
	if h.Effect != grants.Allow || !h.HasAction(action) {
		return false
	}
	if !h.Unconditional() {
		// With conditions it reaches what it reaches itself, but not of the API,
		// which is held without any.
		return !g.IsAPI() && same(h, g)
	}
	if namesFields(h) || namesFields(g) {
		// What others say of the fields, and what their definitions let through,
		// is not in the two: neither is the wider.
		return same(h, g)
	}
	if h.Pattern == nil || g.Pattern == nil {
		if h.Pattern != nil {
			typ, _ := h.Pattern.Normalised()
			return typ == "*" && h.Pattern.TypeWide()
		}
		return g.Pattern == nil && h.Node == g.Node
	}
	return h.Pattern.Covers(g.Pattern)
}

// same reports whether two readings of a permission grant the same: it may have
// been edited between them.
func same(a, b *grants.Grant) bool {
	return a.ID == b.ID && a.Effect == b.Effect && a.ResourceType == b.ResourceType && a.Path == b.Path && a.Node == b.Node &&
		slices.Equal(a.Actions, b.Actions) && bytes.Equal(a.RawConditions, b.RawConditions) &&
		bytes.Equal(a.FieldPermissions, b.FieldPermissions)
}

// namesFields reports whether a permission says anything of fields.
func namesFields(g *grants.Grant) bool {
	return len(g.FieldPermissions) > 0 && string(g.FieldPermissions) != "{}" && string(g.FieldPermissions) != "null"
}

// hides reports whether a permission hides a field: whoever has it does not see
// the field, whatever else they have. What cannot be read counts as hiding.
func hides(g *grants.Grant) bool {
	if !namesFields(g) {
		return false
	}
	var fields map[string]string
	if err := json.Unmarshal(g.FieldPermissions, &fields); err != nil {
		return true
	}
	for _, access := range fields {
		if access == "hidden" {
			return true
		}
	}
	return false
}

// restrains reports whether without the permission its holders may be free of
// something.
func restrains(g *grants.Grant) bool { return g.Effect == grants.Deny || hides(g) }

// allows reports whether the permission gives its holders something.
func allows(g *grants.Grant) bool { return g.Effect == grants.Allow }

// mayMeet reports whether a deny can stand against something that g grants.
func mayMeet(deny, g *grants.Grant) bool {
	if g.IsAPI() {
		return false
	}
	if !slices.Contains(deny.Actions, grants.AnyAction) && !slices.Contains(g.Actions, grants.AnyAction) &&
		!slices.ContainsFunc(deny.Actions, func(a string) bool { return slices.Contains(g.Actions, a) }) {
		return false
	}
	return meetIn(deny, g)
}

// meetIn reports whether two permissions can be about one instance.
func meetIn(h, g *grants.Grant) bool {
	if g.IsAPI() {
		return false
	}
	if h.Pattern == nil || g.Pattern == nil {
		return true
	}
	d, _ := h.Pattern.Normalised()
	t, _ := g.Pattern.Normalised()
	return d == "*" || t == "*" || d == t
}

// Describe names what a permission grants, one "resource:action" for each of
// its actions.
func Describe(g *grants.Grant) []string {
	resource := g.Path
	if g.Pattern == nil {
		resource = g.ResourceType + "#" + g.Node.String()
	}
	out := make([]string, len(g.Actions))
	for i, a := range g.Actions {
		out[i] = resource + ":" + a
	}
	return out
}
