// Package approvalchain owns the section "approval-chains": who must agree to
// what, level by level. What becomes of requests by them is the engine's and
// another section's.
package approvalchain

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/approval"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// Service answers the section's calls.
type Service struct {
	Write *change.Writer
	// TimeoutHours is how long a level waits that does not say so, 0 for the
	// default of [approval.NewLevels].
	TimeoutHours int
}

const (
	section = "approval-chains"
	// what a chain is called in faults.
	what = "approval chain"
)

// Register adds the section's routes.
func (s *Service) Register(api *httpapi.Server) {
	sec := api.Section("Approval chains", "Who must agree to what, level by level.")
	rule := "Only a tenant_admin writes chains: an approval grants what its chain was written to grant."
	httpapi.List(sec, httpapi.Route{
		Path: "/approval-chains", Summary: "List approval chains", Access: httpapi.Requires(section, "read"),
	}, s.list)
	httpapi.Create(sec, httpapi.Route{
		Path: "/approval-chains", Summary: "Create an approval chain", Access: httpapi.Requires(section, "create"), Granting: true, Description: rule,
	}, s.create)
	httpapi.Get(sec, httpapi.Route{
		Path: "/approval-chains/{id}", Summary: "Read an approval chain", Access: httpapi.Requires(section, "read"),
	}, s.read)
	httpapi.Update(sec, httpapi.Route{
		Path: "/approval-chains/{id}", Summary: "Change an approval chain", Access: httpapi.Requires(section, "update"), Granting: true,
		Description: "Requests that wait go on by the chain as it was when they were made. While it is inactive they can open nothing, and what it guarded stands open. " + rule,
	}, s.update)
	httpapi.Delete(sec, httpapi.Route{
		Path: "/approval-chains/{id}", Summary: "Delete an approval chain", Access: httpapi.Requires(section, "delete"), Granting: true, Errors: []int{409},
		Description: "A chain through which requests wait is not deleted (409). What it guarded stands open, and what was approved by it counts no more. " + rule,
	}, s.delete)
	httpapi.Get(sec, httpapi.Route{
		Path: "/approval-chains/{id}/status", Summary: "Show what waits in a chain, and whether it can be decided", Access: httpapi.Requires(section, "read"),
		Description: "How many requests there are, at which level those that wait are, how long decisions take, and whether each level has enough approvers now.",
	}, s.status)
}

// Chain is an approval chain as the API shows it.
type Chain struct {
	ID                    uuid.UUID            `json:"id"`
	Name                  string               `json:"name" doc:"Unique in the tenant."`
	Description           string               `json:"description"`
	ResourceType          string               `json:"resource_type" doc:"The type it guards, * for every type but api, or role for requests for roles."`
	ResourcePattern       string               `json:"resource_pattern" doc:"Which ids of the type, as type:glob or the glob alone."`
	Mode                  string               `json:"mode" enum:"gate,escalation" doc:"gate: a permission and an approval. escalation: a permission or an approval."`
	ApprovalLevels        []approval.LevelSpec `json:"approval_levels" nullable:"false" doc:"In their full form: approvers, and how long each waits."`
	AutoApproveConditions json.RawMessage      `json:"auto_approve_conditions"`
	MaxDurationHours      *int                 `json:"max_duration_hours" nullable:"true" doc:"null: no limit."`
	IsActive              bool                 `json:"is_active"`
	CreatedBy             *uuid.UUID           `json:"created_by" nullable:"true"`
	CreatedAt             time.Time            `json:"created_at"`
	UpdatedAt             time.Time            `json:"updated_at"`
}

// ETag changes with every write to the chain.
func (c *Chain) ETag() string { return httpapi.ETag(c.ID, c.UpdatedAt.UnixNano()) }

func view(m *models.ApprovalChain) *Chain {
	return &Chain{
		ID: m.ID, Name: m.Name, Description: m.Description, ResourceType: m.ResourceType, ResourcePattern: m.ResourcePattern, Mode: m.Mode,
		ApprovalLevels: levels(m), AutoApproveConditions: json.RawMessage(m.AutoApproveConditions), MaxDurationHours: m.MaxDurationHours,
		IsActive: m.IsActive, CreatedBy: m.CreatedBy, CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt,
	}
}

// levels are a stored chain's. Of a row that nobody checked when it was written
// none are shown: it is a gate that nobody opens.
func levels(m *models.ApprovalChain) []approval.LevelSpec {
	stored, _ := approval.ParseLevels(m.ApprovalLevels, 0, "")
	return approval.Specs(stored)
}

var refusals = crud.Refusals{
	"approval_chains_name_key": {Path: "name", Message: "An approval chain of that name exists already in this tenant."},
}

// ListIn is the query of the list.
type ListIn struct {
	httpapi.PageIn
	httpapi.OrderIn
	Sort         string            `query:"sort" enum:"name,resource_type,created_at" default:"created_at"`
	ResourceType string            `query:"resource_type" maxLength:"100" doc:"Only chains of this type."`
	Mode         string            `query:"mode" enum:"gate,escalation"`
	IsActive     httpapi.Opt[bool] `query:"is_active"`
	Search       string            `query:"search" maxLength:"100" doc:"Part of the name or description."`
}

func (s *Service) list(ctx context.Context, in *ListIn) (page httpapi.Page[Chain], err error) {
	tenant, _ := identity.TenantFrom(ctx)
	err = s.Write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		q := tx.Where("tenant_id = ?", tenant)
		for _, f := range []struct{ column, value string }{{"resource_type", in.ResourceType}, {"mode", in.Mode}} {
			if f.value != "" {
				q = q.Where(f.column+" = ?", f.value)
			}
		}
		if in.IsActive.Set {
			q = q.Where("is_active = ?", in.IsActive.Value)
		}
		q = crud.Contains(q, in.Search, "name", "description")
		page, err = crud.List(q, in.PageIn, crud.Order{Column: in.Sort, Descending: in.Descending()}, view)
		return err
	})
	return page, err
}

// IDIn names one chain.
type IDIn struct {
	ID uuid.UUID `path:"id" doc:"The chain's id."`
}

func (s *Service) read(ctx context.Context, in *IDIn) (*Chain, error) {
	return crud.Read(ctx, s.Write.DB, in.ID, what, view)
}

// reread is the chain as the write has left it, with what the database sets.
func reread(w *change.Write, tenant, id uuid.UUID) (*Chain, error) {
	m, err := crud.One[models.ApprovalChain](w.Tx, tenant, id, what)
	if err != nil {
		return nil, fmt.Errorf("read approval chain again: %w", err)
	}
	return view(m), nil
}
