package simulation

import (
	"slices"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/approval"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/engine/pattern"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

func (w *world) assignRole(c *Change) error {
	s, err := w.user(c.UserID)
	if err != nil {
		return err
	}
	if err := w.usableRole(c.RoleID); err != nil {
		return err
	}
	a := engine.Assignment{Node: rbac.Role(*c.RoleID), ValidFrom: c.ValidFrom, ExpiresAt: c.ExpiresAt}
	if at := has(s, a.Node); at >= 0 {
		s.Assignments[at] = a
	} else {
		s.Assignments = append(s.Assignments, a)
	}
	return nil
}

func (w *world) removeRole(c *Change) error {
	s, err := w.user(c.UserID)
	if err != nil {
		return err
	}
	at := has(s, rbac.Role(*c.RoleID))
	if at < 0 {
		return missing("role of the user", "role_id")
	}
	s.Assignments = slices.Delete(s.Assignments, at, at+1)
	return nil
}

func (w *world) addToGroup(c *Change) error {
	s, err := w.user(c.UserID)
	if err != nil {
		return err
	}
	if _, err := w.group(*c.GroupID, "group_id"); err != nil {
		return err
	}
	join(s, *c.GroupID)
	return nil
}

func (w *world) removeFromGroup(c *Change) error {
	s, err := w.user(c.UserID)
	if err != nil {
		return err
	}
	if _, err := w.group(*c.GroupID, "group_id"); err != nil {
		return err
	}
	at := has(s, rbac.Group(*c.GroupID))
	if at < 0 {
		return missing("member of the group", "user_id")
	}
	s.Assignments = slices.Delete(s.Assignments, at, at+1)
	return nil
}

func (w *world) setUser(c *Change) error {
	s, err := w.user(c.UserID)
	if err != nil {
		return err
	}
	if c.IsActive != nil && *c.IsActive != s.IsActive {
		if err := w.room(*c.IsActive); err != nil {
			return err
		}
		s.IsActive = *c.IsActive
	}
	if c.Attributes != nil && s.Attributes == nil {
		s.Attributes = map[string]any{}
	}
	merge(s.Attributes, c.Attributes)
	return nil
}

// room counts an account that becomes active, or inactive, and refuses one that is
// more than the tenant may have.
func (w *world) room(active bool) error {
	if !active {
		w.activated--
		return nil
	}
	left, limited, err := directory.Room(w.Tx, w.Tenant.ID)
	if err != nil {
		return err
	}
	if limited && left <= w.activated {
		return directory.Full()
	}
	w.activated++
	return nil
}

// merge writes the members of patch over attributes; null takes one away.
func merge(attributes, patch map[string]any) {
	for name, value := range patch {
		if value == nil {
			delete(attributes, name)
		} else {
			attributes[name] = value
		}
	}
}

// approve lets the request be approved that waits for the very same, or one that
// is made for it.
func (w *world) approve(c *Change) error {
	s, err := w.user(c.UserID)
	if err != nil {
		return err
	}
	chain, err := w.chain(*c.ChainID)
	switch {
	case err != nil:
		return err
	case chain.ResourceType == approval.RoleType:
		return fault.InvalidAt("chain_id", "guards requests for roles: use assign_role")
	case !chain.IsActive:
		return fault.Conflict("chain_id", "The approval chain is inactive: nothing goes through it. Activate it first.")
	case !s.IsActive:
		return fault.Conflict("user_id", "The account that would gain is inactive.")
	case c.Resource.Type == pattern.APIType:
		return fault.InvalidAt("resource.type", "must not be api: the platform's own sections have no chains")
	}
	r := engine.Request{ID: uuid.Must(uuid.NewV7()), Approved: true, Chain: chain.ID, Type: c.Resource.Type, ResourceID: c.Resource.ID, Action: *c.Action}
	if node := w.asked(c.Resource); node != nil {
		r.Node, r.ResourceID = node.ID, node.Code
	} else if r.Action == "*" {
		return missing("resource", "resource.id")
	}
	waits := find(s.Requests, func(o *engine.Request) bool {
		return !o.Approved && o.Chain == r.Chain && o.Type == r.Type && o.Node == r.Node && o.ResourceID == r.ResourceID && o.Action == r.Action
	})
	if waits != nil {
		waits.Approved = true
	} else {
		s.Requests = append(s.Requests, r)
	}
	return nil
}

// asked is the registered node that a question about a resource would be about,
// nil for none.
func (w *world) asked(r *Resource) *models.Resource {
	node := find(w.Rows.Resources, func(n *models.Resource) bool { return n.Type == r.Type && n.Code == r.ID })
	if id, err := uuid.Parse(r.ID); node == nil && err == nil && len(r.ID) == 36 {
		node = find(w.Rows.Resources, func(n *models.Resource) bool { return n.Type == r.Type && n.ID == id })
	}
	return node
}

// revokeApproval takes back what an access request granted.
func (w *world) revokeApproval(c *Change) error {
	m, err := crud.One[models.AccessRequest](w.Tx, w.Tenant.ID, *c.RequestID, "access request")
	if fault.Is(err, fault.NotFoundKind) {
		return missing("access request", "request_id")
	}
	if err != nil {
		return err
	}
	s, err := w.user(&m.BeneficiaryID)
	if err != nil {
		return err
	}
	if m.RequestType == approval.RoleType {
		return fault.InvalidAt("request_id", "was for a role: use remove_role")
	}
	at := slices.IndexFunc(s.Requests, func(r engine.Request) bool { return r.ID == m.ID && r.Approved })
	if at < 0 {
		return fault.Conflict("request_id", "The access request grants nothing that could be revoked: it is %s.", m.Status)
	}
	s.Requests = slices.Delete(s.Requests, at, at+1)
	return nil
}
