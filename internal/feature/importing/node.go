package importing

import (
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

var nodeColumns = []string{"id", "tenant_id", "type", "name", "code", "parent_id", "path", "attributes", "workflow_enabled", "workflow_config", "is_active"}

// nodeView is a node as the audit shows it.
func nodeView(m *models.Resource) map[string]any {
	return map[string]any{
		"id": m.ID, "type": m.Type, "name": m.Name, "code": m.Code, "parent_id": m.ParentID, "attributes": json.RawMessage(m.Attributes),
		"workflow_enabled": m.WorkflowEnabled, "workflow_config": json.RawMessage(m.WorkflowConfig), "is_active": m.IsActive,
	}
}

// resources writes nodes of the tree, parents before what is below them.
func (b *batch) resources(rows []row) error {
	specs := readAll[directory.NodeSpec](b, rows)
	refs := map[directory.NodeRef]bool{}
	for i := range specs {
		s := &specs[i]
		refs[s.spec.Ref()] = true
		if ref, ok := directory.ParseNodeRef(s.spec.Parent); ok {
			refs[ref] = true
		}
	}
	found, err := b.nodes(refs)
	if err != nil {
		return err
	}
	var made, changed [][]any
	var ids, before []uuid.UUID
	for i := range specs {
		s := &specs[i]
		old := found[s.spec.Ref()]
		m := &models.Resource{
			ID: uuid.Must(uuid.NewV7()), TenantID: b.tenant, Type: s.spec.Type, Code: s.spec.Code, Name: s.spec.Code, IsActive: true,
			Attributes: models.Object(nil), WorkflowConfig: models.Object(nil),
		}
		if old != nil {
			clone := *old
			m = &clone
		}
		if !applyNode(s, m, found) {
			b.refuse(s.row, s.spec.Ref().String(), fault.Field{Path: "parent", Message: "there is no node " + shorten(s.spec.Parent, 300) + " in this tenant"})
			continue
		}
		if s.has["workflow_enabled"] || s.has["workflow_config"] {
			if err := b.workflow(m); err != nil {
				reason, ok := reasonOf(err)
				if !ok {
					return err
				}
				b.refuse(s.row, s.spec.Ref().String(), reason)
				continue
			}
		}
		cells := []any{m.ID, m.TenantID, m.Type, m.Name, m.Code, m.ParentID, m.Code, []byte(m.Attributes), m.WorkflowEnabled, []byte(m.WorkflowConfig), m.IsActive}
		switch {
		case old == nil:
			b.created++
			made = append(made, cells)
			ids = append(ids, m.ID)
			found[s.spec.Ref()] = m
			b.record(s.row, "resource.create", m.ID, nil, nodeView(m))
		case sameNode(old, m):
			b.unchanged++
		default:
			b.updated++
			changed = append(changed, cells)
			ids, before = append(ids, m.ID), append(before, m.ID)
			b.record(s.row, "resource.update", m.ID, nodeView(old), nodeView(m))
		}
	}
	if b.change, err = b.w.Judge.NodesChange(b.w.Tx, before); err != nil {
		return err
	}
	if err := b.insert("resources", nodeColumns, made); err != nil {
		return err
	}
	if err := b.update("resources", without(nodeColumns, "tenant_id", "path"), cut(changed, nodeColumns, "tenant_id", "path")); err != nil {
		return err
	}
	after, err := b.w.Judge.NodesChange(b.w.Tx, ids)
	b.change = b.change.With(after)
	return err
}

// workflow settles the workflow of a node, or says what is wrong with it.
func (b *batch) workflow(m *models.Resource) error {
	var config httpapi.Object
	if err := json.Unmarshal(m.WorkflowConfig, &config); err != nil {
		return fmt.Errorf("read a workflow: %w", err)
	}
	w := directory.Workflow(config)
	if err := w.Check(b.w.Tx, m.WorkflowEnabled, "workflow_config."); err != nil {
		return err
	}
	m.WorkflowConfig = models.Object(w)
	return nil
}

// applyNode writes the members given over m. It fails if there is no such
// parent.
func applyNode(s *item[directory.NodeSpec], m *models.Resource, found map[directory.NodeRef]*models.Resource) bool {
	if s.spec.Name != "" {
		m.Name = s.spec.Name
	}
	if s.has["parent"] {
		m.ParentID = nil
	}
	if s.spec.Parent != "" {
		ref, _ := directory.ParseNodeRef(s.spec.Parent)
		parent := found[ref]
		if parent == nil {
			return false
		}
		m.ParentID = &parent.ID
	}
	setObject(s.has, "attributes", &m.Attributes, s.spec.Attributes)
	set(s.has, "workflow_enabled", &m.WorkflowEnabled, s.spec.WorkflowEnabled)
	setObject(s.has, "workflow_config", &m.WorkflowConfig, s.spec.WorkflowConfig)
	setFlag(&m.IsActive, s.spec.IsActive)
	return true
}

func sameNode(a, b *models.Resource) bool {
	return a.Name == b.Name && same(a.ParentID, b.ParentID) && a.WorkflowEnabled == b.WorkflowEnabled && a.IsActive == b.IsActive &&
		sameJSON(a.Attributes, b.Attributes) && sameJSON(a.WorkflowConfig, b.WorkflowConfig)
}
