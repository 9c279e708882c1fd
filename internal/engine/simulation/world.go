package simulation

import (
	"slices"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

// world is a state that is being changed.
type world struct {
	*engine.State
	created []uuid.UUID
	// activated is how many accounts became active, fewer than none if some became
	// inactive.
	activated int64
	// moved is set once a node stands elsewhere.
	moved bool
	// lines are what stands below what, by kind, of the kinds that were asked for.
	lines map[string]*line
}

// missing says that there is no such thing, at the member that names it.
func missing(what, path string) error {
	e := fault.NotFound(what)
	e.Fields = []fault.Field{{Path: path, Message: e.Message}}
	return e
}

// find returns the row that is named, nil if there is none.
func find[T any](rows []T, named func(*T) bool) *T {
	for i := range rows {
		if named(&rows[i]) {
			return &rows[i]
		}
	}
	return nil
}

func (w *world) user(id *uuid.UUID) (*engine.Subject, error) {
	s, err := w.Subject(*id)
	if err == nil && s == nil {
		err = missing("user", "user_id")
	}
	return s, err
}

// usableRole is an active role that can be assigned in the tenant.
func (w *world) usableRole(id *uuid.UUID) error {
	role := find(w.Rows.Roles, func(r *models.Role) bool { return r.ID == *id && r.IsActive })
	switch {
	case role == nil:
		e := fault.NotFound("role")
		e.Fields = []fault.Field{{Path: "role_id", Message: "there is no such active role in this tenant"}}
		return e
	case role.Type == "system" && role.Name == granting.SuperAdmin && w.Tenant.ID != identity.PlatformTenant:
		return directory.OnlyInPlatform("role_id")
	default:
		return nil
	}
}

// ownRole is a role of the tenant that can be changed.
func (w *world) ownRole(id uuid.UUID, path string) (*models.Role, error) {
	role := find(w.Rows.Roles, func(r *models.Role) bool { return r.ID == id })
	switch {
	case role != nil && role.Type == "system":
		return nil, fault.Conflict(path, "System roles can be used, not changed. Make a role of your own instead.")
	case role == nil || role.TenantID != w.Tenant.ID:
		return nil, missing("role", path)
	default:
		return role, nil
	}
}

func (w *world) group(id uuid.UUID, path string) (*models.Group, error) {
	g := find(w.Rows.Groups, func(g *models.Group) bool { return g.ID == id })
	if g == nil {
		return nil, missing("group", path)
	}
	return g, nil
}

func (w *world) node(id uuid.UUID, path string) (*models.Resource, error) {
	n := find(w.Rows.Resources, func(n *models.Resource) bool { return n.ID == id })
	if n == nil {
		return nil, missing("resource", path)
	}
	return n, nil
}

// finish settles what follows from the changes together.
func (w *world) finish() {
	if w.moved {
		repath(w.Rows.Resources)
	}
}

// has returns the place of a subject's assignment to a node, -1 for none.
func has(s *engine.Subject, node string) int {
	return slices.IndexFunc(s.Assignments, func(a engine.Assignment) bool { return a.Node == node })
}

// join makes a subject a member of a group. Groups stand before roles, as they are
// read.
func join(s *engine.Subject, group uuid.UUID) {
	node := rbac.Group(group)
	if has(s, node) >= 0 {
		return
	}
	at := slices.IndexFunc(s.Assignments, func(a engine.Assignment) bool {
		kind, _ := rbac.Parse(a.Node)
		return kind == rbac.RoleKind
	})
	if at < 0 {
		at = len(s.Assignments)
	}
	s.Assignments = slices.Insert(s.Assignments, at, engine.Assignment{Node: node})
}
