package policy

import (
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Reading is what policies may read of subjects.
type Reading struct {
	// Members are those of data.sentinel.lib.subject, such as "email".
	Members map[string]bool
	// Attributes are the names of those that they may read, each with all that is
	// in it; AllAttributes is set where a policy does not say which.
	Attributes    map[string]bool
	AllAttributes bool
}

// subjectMembers are what a subject goes by besides its id.
func subjectMembers() []string { return []string{"email", "username", "external_id"} }

// Reads says what the modules may read of subjects, nil modules nothing.
func (m *Modules) Reads() *Reading {
	out := &Reading{Members: map[string]bool{}, Attributes: map[string]bool{}}
	if m == nil {
		return out
	}
	of := append(libRef(), ast.StringTerm("subject"))
	attributes := of.Append(ast.StringTerm("attributes"))
	for _, module := range m.compiler.Modules {
		for _, rule := range module.Rules {
			ast.WalkRefs(rule, func(ref ast.Ref) bool {
				for _, member := range subjectMembers() {
					if reaches(ref, of.Append(ast.StringTerm(member))) {
						out.Members[member] = true
					}
				}
				if reaches(ref, attributes) {
					out.attribute(ref, len(attributes))
				}
				return false
			})
		}
	}
	return out
}

// attribute notes which attribute a reference leads to.
func (r *Reading) attribute(ref ast.Ref, at int) {
	if len(ref) > at {
		if name, ok := ref[at].Value.(ast.String); ok {
			r.Attributes[string(name)] = true
			return
		}
	}
	r.AllAttributes = true
}

// Trim returns the document without what neither its conditions nor the modules
// can read of its subjects, so that every answer stays the same. The attributes
// in keep stay as well. The document itself does not change.
func (d *Document) Trim(m *Modules, keep []string) *Document {
	r := m.Reads()
	for _, name := range keep {
		r.Attributes[name] = true
	}
	for _, grants := range d.Grants {
		for i := range grants {
			r.conditions(grants[i].Conditions)
		}
	}
	for i := range d.Chains {
		r.conditions(d.Chains[i].Auto)
	}
	out := *d
	out.Subjects = make(map[string]Subject, len(d.Subjects))
	for id, s := range d.Subjects {
		out.Subjects[id] = r.trim(s)
	}
	return &out
}

func (r *Reading) trim(s Subject) Subject {
	if !r.Members["email"] {
		s.Email, s.EmailVerified = "", false
	}
	if !r.Members["username"] {
		s.Username = ""
	}
	if !r.Members["external_id"] {
		s.ExternalID = ""
	}
	if r.AllAttributes || len(s.Attributes) == 0 {
		return s
	}
	s.Attributes = maps.Clone(s.Attributes)
	maps.DeleteFunc(s.Attributes, func(name string, _ any) bool { return !r.Attributes[name] })
	return s
}

// conditions notes the paths in conditions: the keys, and the values of refs. A
// text that only looks like a path keeps too much.
func (r *Reading) conditions(v any) {
	switch v := v.(type) {
	case map[string]any:
		for key, member := range v {
			r.path(key)
			r.conditions(member)
		}
	case []any:
		for _, member := range v {
			r.conditions(member)
		}
	case string:
		r.path(v)
	}
}

// path notes one path of a condition. An attribute is looked up by its whole path
// and by each part of it before a dot.
func (r *Reading) path(path string) {
	if member, ok := strings.CutPrefix(path, "subject."); ok && slices.Contains(subjectMembers(), member) {
		r.Members[member] = true
	}
	for _, prefix := range []string{"subject.attributes.", "user_attributes."} {
		rest, ok := strings.CutPrefix(path, prefix)
		if !ok {
			continue
		}
		r.Attributes[rest] = true
		for i, c := range rest {
			if c == '.' {
				r.Attributes[rest[:i]] = true
			}
		}
	}
}
