package resource

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// CreateIn is a new node.
type CreateIn struct {
	Body struct {
		Type            string         `json:"type" minLength:"1" maxLength:"100" doc:"product_family, app, capability, service, entity, page or a type of your own."`
		Name            string         `json:"name" minLength:"1" maxLength:"255"`
		Code            string         `json:"code" minLength:"1" maxLength:"255"`
		ParentID        *uuid.UUID     `json:"parent_id,omitempty"`
		Attributes      httpapi.Object `json:"attributes,omitempty"`
		WorkflowEnabled bool           `json:"workflow_enabled,omitempty" doc:"Default false."`
		WorkflowConfig  httpapi.Object `json:"workflow_config,omitempty" doc:"states: names; state: the one the node is in, default initial; state_actions: for a state, for an action, the roles that may take it, each role:<id>, or *."`
	}
}

func (s *Service) create(ctx context.Context, in *CreateIn) (created httpapi.Created[Resource], err error) {
	tenant, _ := identity.TenantFrom(ctx)
	b := &in.Body
	workflow := directory.Workflow(b.WorkflowConfig)
	workflow.Settle()
	if fields := append(directory.ValidNode(b.Type, b.Code, ""), workflow.Validate(b.WorkflowEnabled, "workflow_config.")...); fields != nil {
		return created, fault.Invalid(fields...)
	}
	err = s.Write.Granting(ctx, "resource.create", func(w *change.Write) (granting.Change, error) {
		m := &models.Resource{
			ID: uuid.Must(uuid.NewV7()), TenantID: tenant, Type: b.Type, Name: b.Name, Code: b.Code,
			Attributes: models.Object(b.Attributes), WorkflowEnabled: b.WorkflowEnabled, WorkflowConfig: models.Object(workflow), IsActive: true,
		}
		if err := place(w, m, b.ParentID); err != nil {
			return granting.Change{}, err
		}
		if err := workflow.CheckRoles(w.Tx, "workflow_config."); err != nil {
			return granting.Change{}, err
		}
		if err := w.Create(m).Error; err != nil {
			return granting.Change{}, refusals.Refused(fmt.Errorf("register resource: %w", err))
		}
		m, err := crud.One[models.Resource](w.Tx, tenant, m.ID, "resource")
		if err != nil {
			return granting.Change{}, err
		}
		created = httpapi.Created[Resource]{Location: "/resources/" + m.ID.String(), Data: *view(m)}
		c, err := w.Judge.NodeChange(w.Tx, m.ID)
		if err != nil {
			return c, err
		}
		return c, w.Record(audit.Event{Action: "resource.create", ResourceType: "resource", ResourceID: m.ID, After: created.Data})
	})
	return created, err
}

// UpdateIn changes the members given.
type UpdateIn struct {
	IDIn
	httpapi.IfMatchIn
	Body struct {
		Name            *string                     `json:"name,omitempty" minLength:"1" maxLength:"255"`
		Code            *string                     `json:"code,omitempty" minLength:"1" maxLength:"255"`
		ParentID        httpapi.Opt[uuid.UUID]      `json:"parent_id,omitempty" doc:"null: a root."`
		Attributes      httpapi.Opt[httpapi.Object] `json:"attributes,omitempty" doc:"Replaces them all."`
		WorkflowEnabled *bool                       `json:"workflow_enabled,omitempty"`
		WorkflowConfig  httpapi.Opt[httpapi.Object] `json:"workflow_config,omitempty" doc:"Its members given are merged in, null takes one away: {\"state\": \"maintenance\"} puts the node into another state. null: none."`
		IsActive        *bool                       `json:"is_active,omitempty"`
	}
}

// matters reports whether decisions can depend on what is changed.
func (in *UpdateIn) matters() bool {
	b := &in.Body
	return b.Code != nil || b.ParentID.Set || b.Attributes.Set || b.WorkflowEnabled != nil || b.WorkflowConfig.Set || b.IsActive != nil
}

// apply writes the members given over m.
func (in *UpdateIn) apply(w *change.Write, m *models.Resource) error {
	b := &in.Body
	httpapi.Set(&m.Name, b.Name)
	httpapi.Set(&m.Code, b.Code)
	httpapi.Set(&m.IsActive, b.IsActive)
	if b.Attributes.Set {
		m.Attributes = models.Object(b.Attributes.Value)
	}
	fields := directory.ValidNode(m.Type, m.Code, "")
	var workflow directory.Workflow
	if b.WorkflowEnabled != nil || b.WorkflowConfig.Set {
		httpapi.Set(&m.WorkflowEnabled, b.WorkflowEnabled)
		var err error
		if workflow, err = merged(m.WorkflowConfig, b.WorkflowConfig); err != nil {
			return err
		}
		fields = append(fields, workflow.Validate(m.WorkflowEnabled, "workflow_config.")...)
		m.WorkflowConfig = models.Object(workflow)
	}
	if fields != nil {
		return fault.Invalid(fields...)
	}
	// Roles that were named before and are gone since are the writer's to take
	// out with the next change of the workflow.
	if err := workflow.CheckRoles(w.Tx, "workflow_config."); err != nil {
		return err
	}
	if b.ParentID.Set {
		return place(w, m, b.ParentID.Ptr())
	}
	return nil
}

// merged returns the stored workflow with the patch's members over it.
func merged(stored models.JSON, patch httpapi.Opt[httpapi.Object]) (directory.Workflow, error) {
	var now httpapi.Object
	if err := json.Unmarshal(stored, &now); err != nil {
		return nil, fmt.Errorf("read the stored workflow: %w", err)
	}
	if patch.Set && patch.Null {
		now = httpapi.Object{}
	}
	for name, value := range patch.Value {
		if value == nil {
			delete(now, name)
		} else {
			now[name] = value
		}
	}
	w := directory.Workflow(now)
	w.Settle()
	return w, nil
}

func (s *Service) update(ctx context.Context, in *UpdateIn) (*Resource, error) {
	return s.change(ctx, "resource.update", in.ID, in.IfMatchIn, in.matters(), in.apply)
}

// change makes one write to one node and judges what it decides, as the node
// stood before and as it stands afterwards. matters is false for writes that no
// decision depends on.
func (s *Service) change(
	ctx context.Context, action string, id uuid.UUID, ifMatch httpapi.IfMatchIn, matters bool, apply func(*change.Write, *models.Resource) error,
) (out *Resource, err error) {
	tenant, _ := identity.TenantFrom(ctx)
	err = s.Write.Granting(ctx, action, func(w *change.Write) (c granting.Change, err error) {
		m, err := crud.Locked[models.Resource](w.Tx, tenant, id, "resource")
		if err != nil {
			return c, err
		}
		before := view(m)
		if err := ifMatch.Check(before.ETag()); err != nil {
			return c, err
		}
		if matters {
			if c, err = w.Judge.NodeChange(w.Tx, m.ID); err != nil {
				return c, err
			}
		}
		if err := apply(w, m); err != nil {
			return c, err
		}
		if err := w.Save(m).Error; err != nil {
			return c, refusals.Refused(fmt.Errorf("write resource: %w", err))
		}
		if m, err = crud.One[models.Resource](w.Tx, tenant, m.ID, "resource"); err != nil {
			return c, err
		}
		out = view(m)
		if matters {
			is, err := w.Judge.NodeChange(w.Tx, m.ID)
			if err != nil {
				return c, err
			}
			c = c.With(is)
		}
		event := audit.Event{Action: action, ResourceType: "resource", ResourceID: m.ID, Before: before, After: out}
		if before.Path != out.Path {
			moved, err := countSubtree(w.Tx, tenant, m)
			if err != nil {
				return c, err
			}
			event.Detail = map[string]any{"nodes": moved}
		}
		return c, w.Record(event)
	})
	return out, err
}
