package importing

import (
	"fmt"
	"slices"
	"time"

	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// Kind is what a row of a file is about.
type Kind string

// The kinds of rows, in the order in which they are written: what others name
// comes first.
const (
	Resource   Kind = "resource"
	Permission Kind = "permission"
	Role       Kind = "role"
	Group      Kind = "group"
	User       Kind = "user"
	Assignment Kind = "assignment"
)

// kinds are all there are, in order.
func kinds() []Kind { return []Kind{Resource, Permission, Role, Group, User, Assignment} }

// mixed is the kind of a file whose rows say each what it is.
const mixed = "mixed"

// rowKind returns the kind of the rows of a file of that kind, empty for a mixed
// one.
func rowKind(fileKind string) Kind {
	if fileKind == mixed {
		return ""
	}
	return Kind(fileKind[:len(fileKind)-1])
}

// partRows is how many rows are written, and judged, together. Less of those
// that change the graph, since each attempt reads it again.
func (k Kind) partRows() int {
	switch k {
	case Role, Group:
		return 250
	case Permission:
		return 500
	default:
		return 1_000
	}
}

// needs are what one must be allowed to write rows of the kind, apart from the
// import itself: what the calls need that write one.
func (k Kind) needs() []httpapi.Permission {
	both := func(section string) []httpapi.Permission {
		return []httpapi.Permission{{Section: section, Action: "create"}, {Section: section, Action: "update"}}
	}
	switch k {
	case Resource:
		return both("resources")
	case Permission:
		return both("permissions")
	case Role:
		return both("roles")
	case Group:
		return both("groups")
	case User:
		return both("users")
	default:
		return []httpapi.Permission{{Section: "users", Action: "update"}}
	}
}

// UserSpec is an account of a person in a file. It has no password: that is set
// by the person, with POST /auth/password/forgot.
type UserSpec struct {
	Email       string         `json:"email"`
	ExternalID  string         `json:"external_id"`
	Username    string         `json:"username"`
	DisplayName string         `json:"display_name"`
	Attributes  httpapi.Object `json:"attributes"`
	IsActive    *bool          `json:"is_active"`
	Roles       []string       `json:"roles"`
	Groups      []string       `json:"groups"`
}

// PermissionSpec is a permission in a file, with the names of the roles that are
// to own it.
type PermissionSpec struct {
	directory.PermissionSpec
	Roles []string `json:"roles"`
}

// AssignmentSpec gives an account a role, or makes it a member of a group. User
// is an external id, an e-mail address or an id.
type AssignmentSpec struct {
	User      string     `json:"user"`
	Role      string     `json:"role"`
	Group     string     `json:"group"`
	ValidFrom *time.Time `json:"valid_from"`
	ExpiresAt *time.Time `json:"expires_at"`
}

// cell is how a column of a CSV file is read.
type cell int

const (
	text cell = iota
	flag
	number
	list
	object
)

// member is one that rows of a kind have.
type member struct {
	name string
	cell cell
}

// members are all that rows of the kind may have.
func (k Kind) members() []member {
	switch k {
	case Resource:
		return []member{
			{"type", text},
			{"code", text},
			{"name", text},
			{"parent", text},
			{"attributes", object},
			{"workflow_enabled", flag},
			{"workflow_config", object},
			{"is_active", flag},
		}
	case Permission:
		return []member{
			{"name", text},
			{"resource_path", text},
			{"node", text},
			{"actions", list},
			{"effect", text},
			{"conditions", object},
			{"field_permissions", object},
			{"is_active", flag},
			{"roles", list},
		}
	case Role:
		return []member{
			{"name", text},
			{"display_name", text},
			{"description", text},
			{"parent", text},
			{"priority", number},
			{"is_assignable", flag},
			{"is_active", flag},
			{"metadata", object},
			{"permissions", list},
		}
	case Group:
		return []member{
			{"name", text}, {"display_name", text}, {"description", text}, {"parent", text}, {"is_active", flag}, {"metadata", object}, {"roles", list},
		}
	case User:
		return []member{
			{"email", text},
			{"external_id", text},
			{"username", text},
			{"display_name", text},
			{"attributes", object},
			{"is_active", flag},
			{"roles", list},
			{"groups", list},
		}
	default:
		return []member{{"user", text}, {"role", text}, {"group", text}, {"valid_from", text}, {"expires_at", text}}
	}
}

func (k Kind) member(name string) (member, bool) {
	all := k.members()
	if i := slices.IndexFunc(all, func(m member) bool { return m.name == name }); i >= 0 {
		return all[i], true
	}
	return member{}, false
}

// validator is a form of a row, as decoded.
type validator interface {
	Validate(prefix string) []fault.Field
}

const (
	mostRoles  = 100
	mostOwners = 1_000
)

// Validate returns every offending member. The identifiers are looked at when
// the row is written.
func (s *UserSpec) Validate(prefix string) []fault.Field {
	c := directory.Checker{Prefix: prefix}
	c.Length("email", s.Email, 1, 320)
	c.Length("external_id", s.ExternalID, 0, 255)
	c.Length("username", s.Username, 0, 255)
	c.Length("display_name", s.DisplayName, 0, 255)
	checkNames(&c, "roles", s.Roles, mostRoles)
	checkNames(&c, "groups", s.Groups, mostRoles)
	return c.Fields
}

// Validate returns every offending member.
func (s *PermissionSpec) Validate(prefix string) []fault.Field {
	c := directory.Checker{Prefix: prefix, Fields: s.PermissionSpec.Validate(prefix)}
	checkNames(&c, "roles", s.Roles, mostOwners)
	return c.Fields
}

// Validate returns every offending member.
func (s *AssignmentSpec) Validate(prefix string) []fault.Field {
	c := directory.Checker{Prefix: prefix}
	c.Length("user", s.User, 1, 320)
	c.Length("role", s.Role, 0, 400)
	c.Length("group", s.Group, 0, 100)
	if (s.Role == "") == (s.Group == "") {
		c.Add("role", "must be given, or group, and not both")
	}
	if s.Group != "" && (s.ValidFrom != nil || s.ExpiresAt != nil) {
		c.Add("valid_from", "is of roles: membership of a group has neither beginning nor end")
	}
	for name, t := range map[string]*time.Time{"valid_from": s.ValidFrom, "expires_at": s.ExpiresAt} {
		if t != nil && (t.UTC().Year() < 0 || t.UTC().Year() > 9999) {
			c.Add(name, "must be in the years 0 to 9999 in UTC")
		}
	}
	if s.ValidFrom != nil && s.ExpiresAt != nil && !s.ValidFrom.Before(*s.ExpiresAt) {
		c.Add("expires_at", "must be after valid_from")
	}
	return c.Fields
}

// checkNames holds a list of names to their number and length.
func checkNames(c *directory.Checker, path string, names []string, most int) {
	if len(names) > most {
		c.Add(path, fmt.Sprintf("must name at most %d", most))
		return
	}
	c.Once(path, names)
	for i, name := range names {
		c.Length(fmt.Sprintf("%s[%d]", path, i), name, 0, 400)
	}
}
