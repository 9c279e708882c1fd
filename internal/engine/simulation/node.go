package simulation

import (
	"fmt"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

func (w *world) setResource(c *Change) error {
	n, err := w.node(*c.ResourceID, "resource_id")
	if err != nil {
		return err
	}
	httpapi.Set(&n.IsActive, c.IsActive)
	if c.Attributes != nil {
		attributes, err := engine.DecodeObject([]byte(n.Attributes))
		if err != nil {
			return fmt.Errorf("attributes of resource %s: %w", n.ID, err)
		}
		merge(attributes, c.Attributes)
		n.Attributes = models.Object(attributes)
	}
	if c.State != nil {
		if err := w.enter(n, *c.State); err != nil {
			return err
		}
	}
	if c.ParentID.Set {
		return w.move(n, c.ParentID.Ptr())
	}
	return nil
}

// enter puts a node into a state of its workflow.
func (w *world) enter(n *models.Resource, state string) error {
	if !n.WorkflowEnabled {
		// The rows have the workflows that count.
		stored, err := crud.One[models.Resource](w.Tx, w.Tenant.ID, n.ID, "resource")
		if err != nil {
			return err
		}
		n.WorkflowConfig = stored.WorkflowConfig
	}
	config, err := engine.DecodeObject([]byte(n.WorkflowConfig))
	if err != nil {
		return fmt.Errorf("workflow of resource %s: %w", n.ID, err)
	}
	config["state"] = state
	if fields := directory.Workflow(config).Validate(n.WorkflowEnabled, ""); fields != nil {
		return fault.Invalid(fields...)
	}
	n.WorkflowConfig = models.Object(config)
	return nil
}

// move puts a node below another, or makes it a root.
func (w *world) move(n *models.Resource, parent *uuid.UUID) error {
	w.moved = true
	n.ParentID = parent
	if parent != nil {
		if _, err := w.node(*parent, "parent_id"); err != nil {
			return err
		}
	}
	l := w.line(nodeKind)
	l.put(n.ID, n.Code, parent)
	return l.check(n.ID, nodeKind, "parent_id")
}

// nodeKind is what registered nodes are called.
const nodeKind = "resource"

func (w *world) setSetting(c *Change) error {
	if wrong := directory.Settings()["conflict_resolution"].Check(*c.ConflictResolution); wrong != "" {
		return fault.InvalidAt("conflict_resolution", "%s", wrong)
	}
	w.Tenant.Conflict = *c.ConflictResolution
	return nil
}

func (w *world) chain(id uuid.UUID) (*models.ApprovalChain, error) {
	chain := find(w.Rows.Chains, func(m *models.ApprovalChain) bool { return m.ID == id })
	if chain == nil {
		return nil, missing("approval chain", "chain_id")
	}
	return chain, nil
}

func (w *world) setChain(c *Change) error {
	chain, err := w.chain(*c.ChainID)
	if err != nil {
		return err
	}
	chain.IsActive = *c.IsActive
	return nil
}
