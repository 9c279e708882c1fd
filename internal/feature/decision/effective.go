package decision

import (
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/asking"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// EffectiveIn asks what a user may do.
type EffectiveIn struct {
	ID uuid.UUID `path:"id" doc:"The user's id."`
	httpapi.PageIn
	ResourceType      string            `query:"resource_type" maxLength:"100" doc:"Only permissions on this type, or on all. What flows down from a registered node of another type is left out."`
	IncludeInherited  httpapi.Opt[bool] `query:"include_inherited" doc:"Default true: also what comes by groups and parents."`
	IncludeConditions httpapi.Opt[bool] `query:"include_conditions" doc:"Default true."`
	IncludeFields     bool              `query:"include_field_permissions" doc:"Default false: also what each permission says of fields."`
}

// Effective is a permission with the path by which the user has it.
type Effective struct {
	directory.Permission
	Role      string `json:"role"`
	Path      string `json:"path" doc:"Such as user > group:apac-team > role:inspector > role:viewer."`
	Inherited bool   `json:"inherited"`
}

// isOn reports whether a permission is on a type, or on all: the platform's own
// sections are in no "all".
func isOn(g *grants.Grant, typ string) bool {
	return g.ResourceType == typ || g.ResourceType == "*" && typ != grants.APIType
}

func (s *Service) effective(ctx context.Context, in *EffectiveIn) (page httpapi.Page[Effective], err error) {
	p, _ := identity.PrincipalFrom(ctx)
	tenant, _ := identity.TenantFrom(ctx)
	if (in.ID != p.UserID || tenant != p.HomeTenantID) && !s.Engine.Permits(ctx, p.HomeTenantID, p.UserID, "users", "read") {
		return page, asking.Required("api/users:read", "Reading what another user may do needs read on api/users.")
	}
	list, ok, err := s.Engine.Effective(ctx, tenant, in.ID)
	if err != nil {
		return page, err
	}
	if !ok {
		return page, fault.NotFound("user")
	}
	// Whoever may do nothing at all has no permission that counts.
	if _, err := s.Engine.Account(ctx, tenant, in.ID); fault.Is(err, fault.TokenRevoked) {
		list = nil
	} else if err != nil {
		return page, err
	}
	all := []Effective{}
	for _, e := range list {
		if in.IncludeInherited.Set && !in.IncludeInherited.Value && e.Inherited {
			continue
		}
		if in.ResourceType != "" && !isOn(e.Grant, in.ResourceType) {
			continue
		}
		view := Effective{Permission: directory.ViewGrant(e.Grant), Role: e.Role, Path: e.Path, Inherited: e.Inherited}
		if in.IncludeConditions.Set && !in.IncludeConditions.Value {
			view.Conditions = nil
		}
		if !in.IncludeFields {
			view.FieldPermissions = nil
		}
		all = append(all, view)
	}
	slices.SortStableFunc(all, func(a, b Effective) int { return strings.Compare(a.ID.String()+a.Path, b.ID.String()+b.Path) })
	from := min(in.Offset(), len(all))
	page.Items, page.Total = all[from:min(from+in.Limit, len(all))], int64(len(all))
	return page, nil
}
