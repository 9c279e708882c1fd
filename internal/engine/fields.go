package engine

import (
	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/engine/policy"
)

// What a subject may do with a field.
const (
	HiddenField   = "hidden"
	ReadableField = "read"
	WritableField = "write"
)

// The actions that say what of an instance may be read and written.
const (
	readAction   = "read"
	updateAction = "update"
	createAction = "create"
)

var fieldActions = [...]string{readAction, updateAction, createAction}

// visible returns by tier and name what may be done with each of the fields,
// given the outcomes of the actions that say so: nil for no fields. Outcomes that
// are missing are refusals.
func visible(fields []field, outcomes []outcome) map[string]map[string]string {
	if len(fields) == 0 {
		return nil
	}
	var v visibility
	for i := range outcomes {
		v.add(&outcomes[i])
	}
	out := map[string]map[string]string{}
	for i := range fields {
		f := &fields[i]
		if out[f.tier] == nil {
			out[f.tier] = make(map[string]string, len(fields)-i)
		}
		out[f.tier][f.name] = v.of(f)
	}
	return out
}

// visibility is what decides about fields.
type visibility struct {
	reads, writes bool
	// readers and writers are what the permissions that count for reading, and for
	// updating or creating, say of fields.
	readers, writers []map[string]string
	// restrictions are the most that may be done with fields, by policies.
	restrictions []policy.Restriction
}

func (v *visibility) add(o *outcome) {
	switch o.action {
	case readAction:
		if o.allowed() {
			v.reads, v.readers = true, named(v.readers, o.counting)
		}
	case updateAction, createAction:
		if o.allowed() {
			v.writes, v.writers = true, named(v.writers, o.counting)
		}
	default:
		return
	}
	v.restrictions = append(v.restrictions, o.finding.Restrictions...)
}

// named appends what permissions say of fields.
func named(dst []map[string]string, permissions []*grants.Grant) []map[string]string {
	for _, g := range permissions {
		if len(g.Fields) > 0 {
			dst = append(dst, g.Fields)
		}
	}
	return dst
}

// of is what may be done with a field. A permission that hides it, and a policy
// that restricts it, win over all that give; the field's own ceiling is for those
// that no permission names.
func (v *visibility) of(f *field) string {
	if !v.reads {
		return HiddenField
	}
	most := WritableField
	for _, r := range v.restrictions {
		if r.Field == f.name && (r.To == HiddenField || most == WritableField) {
			most = r.To
		}
	}
	toRead, toWrite := said(v.readers, f.name), said(v.writers, f.name)
	if most == HiddenField || toRead == HiddenField || toWrite == HiddenField {
		return HiddenField
	}
	if toRead == "" {
		toRead = f.ceiling
	}
	if toWrite == "" {
		toWrite = f.ceiling
	}
	switch {
	case v.writes && toWrite == WritableField && most == WritableField:
		return WritableField
	case toRead == ReadableField || toRead == WritableField:
		return ReadableField
	default:
		return HiddenField
	}
}

// said is what permissions say of a field together: hidden if any hides it, else
// the most that any gives, "" if none names it.
func said(permissions []map[string]string, name string) string {
	together := ""
	for _, fields := range permissions {
		switch to := fields[name]; {
		case to == HiddenField:
			return HiddenField
		case to == WritableField || together == "":
			together = to
		}
	}
	return together
}
