package manifest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/directory"
)

// view is the plan as callers see it.
func (o *outcome) view(revision int64) *Plan {
	out := &Plan{Changes: []Change{}, Revision: revision}
	var all strings.Builder
	for _, s := range o.steps {
		c := s.change()
		switch c.Action {
		case "create":
			out.Summary.Create++
		case "update":
			out.Summary.Update++
		case "delete":
			out.Summary.Delete++
		}
		out.Changes = append(out.Changes, c)
		all.WriteString(directory.Canonical([]any{c.Action, c.Kind, c.Name, s.identity(), c.Before, c.After, fmt.Sprint(c.Takes), s.members()}))
	}
	sum := sha256.Sum256([]byte(all.String()))
	out.Digest = hex.EncodeToString(sum[:])
	return out
}

func (s *step) identity() string {
	if s.before == nil {
		return ""
	}
	return s.before.id.String()
}

// members tells the set that an object will have from another of the same names.
func (s *step) members() []any {
	if s.after == nil {
		return nil
	}
	list := make([]string, len(s.after.set))
	for i, o := range s.after.set {
		if list[i] = o.self().id.String(); o.self().id == uuid.Nil {
			list[i] = o.name + " " + o.key()
		}
	}
	slices.Sort(list)
	out := make([]any, len(list))
	for i, text := range list {
		out[i] = text
	}
	return out
}

// change shows a step: of an update the members that differ alone.
func (s *step) change() Change {
	c := Change{Action: s.action(), Kind: s.kind(), Name: s.object().name, Before: shown(s.before), After: shown(s.after)}
	if s.before != nil && s.before.id != uuid.Nil {
		c.ID = &s.before.id
	}
	switch {
	case s.after == nil:
		c.Takes = s.before.takes
	case s.before != nil:
		for name, value := range c.Before {
			if after, ok := c.After[name]; ok && directory.Canonical(value) == directory.Canonical(after) {
				delete(c.Before, name)
				delete(c.After, name)
			}
		}
	}
	return c
}

// shown are all members of an object, with its set in order.
func shown(o *object) map[string]any {
	if o == nil {
		return nil
	}
	members := maps.Clone(o.members)
	if name := setMember(o.kind); name != "" && len(o.set) > 0 {
		members[name] = labels(o.set)
	}
	return members
}

func setMember(kind string) string {
	switch kind {
	case roleKind:
		return "permissions"
	case groupKind:
		return "roles"
	default:
		return ""
	}
}

func labels(set []*object) []any {
	list := make([]string, len(set))
	for i, o := range set {
		list[i] = o.name
	}
	slices.Sort(list)
	out := make([]any, len(list))
	for i, name := range list {
		out[i] = name
	}
	return out
}
