package condition

import (
	"fmt"
	"strings"
)

// clockPath is the path that changes by itself.
const clockPath = "context.time"

type field uint8

const (
	fieldNone field = iota
	subjectID
	subjectEmail
	subjectUsername
	subjectExternalID
	subjectService
	subjectAttributes
	resourceID
	resourceType
	resourcePath
	resourceAttributes
	actionName
	actionProperties
	contextMember
	tenantID
	tenantCode
	tenantName
	tenantTimeZone
)

// Path is the compiled path of an attribute.
type Path struct {
	field field
	// key is the rest of the path, for the fields that are maps.
	key string
}

// root is one of the words with which a full path begins.
type root struct {
	// fixed are the members with one meaning.
	fixed map[string]field
	// open is the map under which every other key is found: prefix is the word
	// that leads to it, empty when the keys stand directly below the root.
	open   field
	prefix string
}

func rootOf(word string) (root, bool) {
	switch word {
	case "subject":
		return root{map[string]field{
			"id": subjectID, "email": subjectEmail, "username": subjectUsername,
			"external_id": subjectExternalID, "is_service_account": subjectService,
		}, subjectAttributes, "attributes"}, true
	case "resource":
		return root{map[string]field{"id": resourceID, "type": resourceType, "path": resourcePath}, resourceAttributes, "attributes"}, true
	case "action":
		return root{map[string]field{"name": actionName}, actionProperties, ""}, true
	case "context":
		return root{nil, contextMember, ""}, true
	case "tenant":
		return root{map[string]field{"id": tenantID, "code": tenantCode, "name": tenantName, "time_zone": tenantTimeZone}, fieldNone, ""}, true
	case "attributes":
		return root{nil, resourceAttributes, ""}, true
	case "user_attributes":
		return root{nil, subjectAttributes, ""}, true
	default:
		return root{}, false
	}
}

// parsePath reads the path of a key. A path whose first word is no root is a
// resource attribute. It returns what is wrong, "" if nothing is.
//
// The first word decides, so an attribute named "context.x" is reached as
// "attributes.context.x" only.
func parsePath(s string) (Path, string) {
	word, rest, dotted := strings.Cut(s, ".")
	if word == "" || dotted && rest == "" {
		return Path{}, "must be an attribute path"
	}
	r, ok := rootOf(word)
	if !ok {
		return Path{resourceAttributes, s}, ""
	}
	if !dotted {
		return Path{}, fmt.Sprintf("must name a member of %s; an attribute of the resource with this name is attributes.%s", word, word)
	}
	if f, ok := r.fixed[rest]; ok {
		return Path{field: f}, ""
	}
	if r.prefix != "" {
		head, key, _ := strings.Cut(rest, ".")
		if head != r.prefix || key == "" {
			return Path{}, fmt.Sprintf("must be a known member of %s; its attributes are %s.attributes.<key>", word, word)
		}
		rest = key
	}
	if r.open == fieldNone {
		return Path{}, fmt.Sprintf("must be a known member of %s", word)
	}
	return Path{r.open, rest}, ""
}

// parseRef is parsePath for the right-hand side, where the root must be spelt
// out: a misspelt one would otherwise be read as a resource attribute.
func parseRef(s string) (Path, string) {
	word, _, dotted := strings.Cut(s, ".")
	if _, ok := rootOf(word); !ok || !dotted {
		return Path{}, "must begin with subject., resource., action., context., tenant., attributes. or user_attributes."
	}
	return parsePath(s)
}

// String returns the canonical form.
func (p Path) String() string {
	switch p.field {
	case subjectAttributes:
		return "subject.attributes." + p.key
	case resourceAttributes:
		return "resource.attributes." + p.key
	case actionProperties:
		return "action." + p.key
	case contextMember:
		return "context." + p.key
	default:
		for _, word := range []string{"subject", "resource", "action", "tenant"} {
			r, _ := rootOf(word)
			for name, f := range r.fixed {
				if f == p.field {
					return word + "." + name
				}
			}
		}
		return ""
	}
}

func (p Path) lookup(env *Env) value {
	switch p.field {
	case subjectID:
		return text(env.Subject.ID)
	case subjectEmail:
		return text(env.Subject.Email)
	case subjectUsername:
		return text(env.Subject.Username)
	case subjectExternalID:
		return text(env.Subject.ExternalID)
	case subjectService:
		return value{kind: kindBool, b: env.Subject.IsServiceAccount}
	case subjectAttributes:
		return either(env.Subject.Attributes, env.Subject.Supplied, p.key)
	case resourceID:
		return text(env.Resource.ID)
	case resourceType:
		return text(env.Resource.Type)
	case resourcePath:
		return text(env.Resource.Path)
	case resourceAttributes:
		return either(env.Resource.Attributes, env.Resource.Supplied, p.key)
	case actionName:
		return text(env.Action.Name)
	case actionProperties:
		return find(env.Action.Properties, p.key)
	case contextMember:
		return find(env.Context, p.key)
	case tenantID:
		return text(env.Tenant.ID)
	case tenantCode:
		return text(env.Tenant.Code)
	case tenantName:
		return text(env.Tenant.Name)
	case tenantTimeZone:
		return text(env.Tenant.TimeZone)
	default:
		return value{}
	}
}

func text(s string) value {
	if s == "" {
		return value{}
	}
	return value{kind: kindString, s: s}
}

func either(stored, supplied map[string]any, key string) value {
	if v := find(stored, key); v.kind != kindMissing {
		return v
	}
	return find(supplied, key)
}

// find looks key up whole. Only if m has no such member it is split at its
// first dot, and the rest looked up, whole first again, in the object found
// there. A member that is present decides, so {"a": {}, "a.b": 1} has "a.b" and
// {"a.b": {}} has no "a.b.c".
func find(m map[string]any, key string) value {
	for {
		if v, ok := m[key]; ok {
			return valueOf(v)
		}
		head, rest, ok := strings.Cut(key, ".")
		if !ok {
			return value{}
		}
		if m, ok = m[head].(map[string]any); !ok {
			return value{}
		}
		key = rest
	}
}
