package tenant

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

// CodeIn names a tenant by its code.
type CodeIn struct {
	Code string `path:"code" minLength:"1" maxLength:"50" doc:"In any case of letters."`
}

// byCode finds the id and reads by it, so that who may see what is decided in
// one place. A code elsewhere and one that nobody has are one answer.
func (s *Service) byCode(ctx context.Context, in *CodeIn) (*Tenant, error) {
	caller, _ := identity.PrincipalFrom(ctx)
	operator, err := s.Write.Engine.IsOperator(ctx, caller)
	if err != nil {
		return nil, err
	}
	id, err := s.idOf(ctx, strings.ToUpper(in.Code), operator)
	if err != nil {
		return nil, err
	}
	return s.read(ctx, &IDIn{ID: id})
}

func (s *Service) idOf(ctx context.Context, code string, everywhere bool) (uuid.UUID, error) {
	var m models.Tenant
	find := func(tx *db.Tx) error { return tx.Select("id").Where("code = ?", code).Take(&m).Error }
	var err error
	if everywhere {
		err = s.Write.DB.InSystemReadTx(ctx, db.OperatorListing, find)
	} else {
		err = s.Write.DB.InReadTx(ctx, find)
	}
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return m.ID, fault.NotFound("tenant")
	}
	if err != nil {
		return m.ID, fmt.Errorf("find tenant by code: %w", err)
	}
	return m.ID, nil
}

// Above is a tenant above another. Its members see this of it and no more.
type Above struct {
	ID   uuid.UUID `json:"id"`
	Name string    `json:"name"`
	Code string    `json:"code"`
}

// Node is a tenant in the tree below another.
type Node struct {
	ID         uuid.UUID `json:"id"`
	Name       string    `json:"name"`
	Code       string    `json:"code"`
	IsActive   bool      `json:"is_active"`
	SubTenants []*Node   `json:"sub_tenants" nullable:"false"`
}

// Hierarchy is where a tenant stands.
type Hierarchy struct {
	Ancestors []Above `json:"ancestors" doc:"From the root down to the parent."`
	Tenant    *Node   `json:"tenant" doc:"With all that is below it."`
	Truncated bool    `json:"truncated" doc:"There are more tenants below than are shown. Ask for the hierarchy of one of these."`
}

// HierarchyIn names the tenant and how far down to look.
type HierarchyIn struct {
	IDIn
	Depth int `query:"depth" default:"64" minimum:"1" maximum:"64" doc:"Levels below the tenant."`
}

// maxNodes bounds the tenants below that are shown at once.
const maxNodes = 1000

func (s *Service) hierarchy(ctx context.Context, in *HierarchyIn) (out *Hierarchy, err error) {
	if ctx, err = s.enter(ctx, in.ID); err != nil {
		return nil, err
	}
	err = s.Write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		m, err := find(tx, in.ID)
		if err != nil {
			return err
		}
		out = &Hierarchy{Ancestors: []Above{}}
		if err := tx.Raw(`
SELECT t.id, t.name, t.code
FROM sentinel.tenant_ancestors a
JOIN sentinel.tenants t ON t.id = a.ancestor_id
WHERE a.tenant_id = ?
ORDER BY a.depth DESC`, in.ID).Scan(&out.Ancestors).Error; err != nil {
			return fmt.Errorf("tenants above: %w", err)
		}
		// One level more than is shown tells whether there is one.
		var below []models.Tenant
		err = tx.Raw(`
SELECT t.id, t.name, t.code, t.is_active, t.parent_tenant_id
FROM sentinel.tenant_ancestors a
JOIN sentinel.tenants t ON t.id = a.tenant_id
WHERE a.ancestor_id = @id
AND a.depth <= @depth + 1
ORDER BY a.depth, t.code
LIMIT @most`, map[string]any{"id": in.ID, "depth": in.Depth, "most": maxNodes + 1}).Scan(&below).Error
		if err != nil {
			return fmt.Errorf("tenants below: %w", err)
		}
		out.Tenant, out.Truncated = tree(m, below, in.Depth)
		return nil
	})
	return out, err
}

// tree puts tenants, ordered by their distance from the root, below it. What is
// deeper than depth or beyond maxNodes is left out, and said to be.
func tree(root *models.Tenant, below []models.Tenant, depth int) (top *Node, truncated bool) {
	node := func(m *models.Tenant) *Node {
		return &Node{ID: m.ID, Name: m.Name, Code: m.Code, IsActive: m.IsActive, SubTenants: []*Node{}}
	}
	if len(below) > maxNodes {
		below, truncated = below[:maxNodes], true
	}
	top = node(root)
	nodes, level := map[uuid.UUID]*Node{root.ID: top}, map[uuid.UUID]int{root.ID: 0}
	for i := range below {
		m := &below[i]
		parent := nodes[*m.ParentTenantID]
		if parent == nil || level[*m.ParentTenantID] == depth {
			truncated = true
			continue
		}
		n := node(m)
		parent.SubTenants = append(parent.SubTenants, n)
		nodes[m.ID], level[m.ID] = n, level[*m.ParentTenantID]+1
	}
	return top, truncated
}
