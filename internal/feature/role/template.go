package role

import (
	"context"
	"maps"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// TemplatesIn lists the templates.
type TemplatesIn struct {
	httpapi.PageIn
}

func (s *Service) templates(_ context.Context, in *TemplatesIn) (page httpapi.Page[directory.Template], err error) {
	all := directory.Templates()
	from := min(in.Offset(), len(all))
	page.Items, page.Total = all[from:min(from+in.Limit, len(all))], int64(len(all))
	return page, nil
}

// FromTemplateIn makes a role from a template.
type FromTemplateIn struct {
	Name string `path:"name" maxLength:"100" doc:"The template's name, such as viewer."`
	Body struct {
		ResourceType string     `json:"resource_type" minLength:"1" maxLength:"100" doc:"The type of resource that the role is for, such as invoice."`
		RoleName     string     `json:"role_name,omitempty" maxLength:"100" doc:"Default: the type and the template's name, such as invoice_viewer. The permissions are named after it."`
		DisplayName  string     `json:"display_name,omitempty" maxLength:"255" doc:"Default: made of the name."`
		Description  string     `json:"description,omitempty" maxLength:"2000" doc:"Default: the template's."`
		ParentRoleID *uuid.UUID `json:"parent_role_id,omitempty" doc:"A role of this tenant, from which the new one inherits."`
		Priority     *int       `json:"priority,omitempty" minimum:"0" maximum:"899" doc:"Default: the template's."`
		IsAssignable *bool      `json:"is_assignable,omitempty" doc:"Default true."`
	}
}

// templated is what the audit event keeps of a role that a template made.
type templated struct {
	*Role
	Template      string      `json:"template"`
	PermissionIDs []uuid.UUID `json:"permission_ids"`
}

func (s *Service) fromTemplate(ctx context.Context, in *FromTemplateIn) (created httpapi.Created[Detail], err error) {
	tenant, _ := identity.TenantFrom(ctx)
	template, err := directory.TemplateNamed(in.Name)
	if err != nil {
		return created, err
	}
	draft, err := template.For(in.Body.ResourceType, in.Body.RoleName)
	if err != nil {
		return created, err
	}
	var made *Role
	err = s.Write.Granting(ctx, "role.create", func(w *change.Write) (granting.Change, error) {
		m, err := insert(w, in.role(ctx, tenant, draft), templateRefusals())
		if err != nil {
			return granting.Change{}, err
		}
		made = view(m)
		ids := make([]uuid.UUID, len(draft.Permissions))
		for i := range draft.Permissions {
			p, err := directory.CreatePermission(w, tenant, &draft.Permissions[i], "")
			if err != nil {
				return granting.Change{}, err
			}
			ids[i] = p.ID
		}
		if err := attach(ctx, w, m, ids); err != nil {
			return granting.Change{}, err
		}
		return granting.Change{Nodes: []string{rbac.Role(m.ID)}, Content: []string{rbac.Role(m.ID)}},
			w.Record(audit.Event{Action: "role.create", ResourceType: "role", ResourceID: m.ID, After: templated{made, template.Name, ids}})
	})
	if err != nil {
		return created, err
	}
	return httpapi.Created[Detail]{Location: "/roles/" + made.ID.String(), Data: *s.written(ctx, made)}, nil
}

// role is the draft with what the caller says otherwise.
func (in *FromTemplateIn) role(ctx context.Context, tenant uuid.UUID, d *directory.Draft) *models.Role {
	caller, _ := identity.PrincipalFrom(ctx)
	b := &in.Body
	m := &models.Role{
		TenantID: tenant, Name: d.Name, DisplayName: d.DisplayName, Description: d.Description, ParentRoleID: b.ParentRoleID,
		Priority: d.Priority, IsAssignable: b.IsAssignable == nil || *b.IsAssignable, Metadata: models.Object(nil),
		CreatedBy: &caller.UserID, CreatedByTenant: &caller.HomeTenantID,
	}
	if b.DisplayName != "" {
		m.DisplayName = b.DisplayName
	}
	if b.Description != "" {
		m.Description = b.Description
	}
	httpapi.Set(&m.Priority, b.Priority)
	return m
}

// templateRefusals name the role's name as this call has it.
func templateRefusals() map[string]fault.Field {
	named := maps.Clone(refusals)
	for constraint, field := range named {
		if field.Path == "name" {
			field.Path = "role_name"
			named[constraint] = field
		}
	}
	return named
}
