package directory

import (
	"fmt"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/models"
)

// Held is what an account has of its own, whatever its validity.
type Held struct {
	Roles, Groups []uuid.UUID
}

// Nodes names all of it as in the role graph.
func (h *Held) Nodes() []string {
	nodes := make([]string, 0, len(h.Roles)+len(h.Groups))
	for _, id := range h.Roles {
		nodes = append(nodes, rbac.Role(id))
	}
	for _, id := range h.Groups {
		nodes = append(nodes, rbac.Group(id))
	}
	return nodes
}

// HeldBy returns what each of some accounts of the tenant has of its own, with
// an entry for every one of them.
func HeldBy(tx *db.Tx, tenant uuid.UUID, accounts []uuid.UUID) (map[uuid.UUID]*Held, error) {
	held := make(map[uuid.UUID]*Held, len(accounts))
	for _, id := range accounts {
		held[id] = &Held{Roles: []uuid.UUID{}, Groups: []uuid.UUID{}}
	}
	if len(accounts) == 0 {
		return held, nil
	}
	var roles []models.UserRole
	if err := tx.Where("tenant_id = ? AND user_id IN ?", tenant, accounts).Order("created_at, id").Find(&roles).Error; err != nil {
		return nil, fmt.Errorf("roles of accounts: %w", err)
	}
	for i := range roles {
		h := held[roles[i].UserID]
		h.Roles = append(h.Roles, roles[i].RoleID)
	}
	var groups []models.UserGroup
	if err := tx.Where("tenant_id = ? AND user_id IN ?", tenant, accounts).Order("created_at, id").Find(&groups).Error; err != nil {
		return nil, fmt.Errorf("groups of accounts: %w", err)
	}
	for i := range groups {
		h := held[groups[i].UserID]
		h.Groups = append(h.Groups, groups[i].GroupID)
	}
	return held, nil
}
