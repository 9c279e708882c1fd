package engine

import (
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sentinel-access/sentinel/models"
)

// tree reads the nodes and makes the tree of them.
func (l *loader) tree() error {
	nodes, err := l.readNodes()
	if err != nil {
		return err
	}
	return l.plant(nodes)
}

// readNodes reads the nodes by pgx and not by GORM, and decodes attributes only
// where there are any, since a tree may be a hundred thousand nodes and every
// write to one of them reads it again. Of workflows it reads those that are
// enabled.
func (l *loader) readNodes() ([]models.Resource, error) {
	if err := l.tx.Act(l.snap.Tenant.ID); err != nil {
		return nil, err
	}
	rows, err := l.tx.Pgx.Query(l.tx.Statement.Context, `
SELECT id, type, code, parent_id, path, NULLIF(attributes, '{}')::text, is_active, workflow_enabled,
  CASE WHEN workflow_enabled THEN workflow_config::text END
FROM sentinel.resources
WHERE tenant_id = $1`, l.snap.Tenant.ID)
	if err != nil {
		return nil, fmt.Errorf("resources: %w", err)
	}
	var nodes []models.Resource
	var (
		m          models.Resource
		parent     uuid.NullUUID
		attributes []byte
		config     []byte
	)
	_, err = pgx.ForEachRow(rows, []any{(*[16]byte)(&m.ID), &m.Type, &m.Code, &parent, &m.Path, &attributes, &m.IsActive, &m.WorkflowEnabled, &config}, func() error {
		n := m
		n.WorkflowConfig = config
		if parent.Valid {
			id := parent.UUID
			n.ParentID = &id
		}
		if n.Attributes = attributes; attributes == nil {
			n.Attributes = models.JSON("{}")
		}
		nodes = append(nodes, n)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("resources: %w", err)
	}
	return nodes, nil
}

// plant makes the tree of rows.
func (l *loader) plant(rows []models.Resource) error {
	l.snap.nodes = make(map[uuid.UUID]*Resource, len(rows))
	l.snap.codes = make(map[typeCode]*Resource, len(rows))
	l.snap.order = &nodeOrder{}
	nodes := make([]Resource, len(rows))
	types := map[string]string{}
	for i := range rows {
		r := &rows[i]
		attributes, err := object(json.RawMessage(r.Attributes))
		if err != nil {
			return fmt.Errorf("attributes of resource %s: %w", r.ID, err)
		}
		// One string for all nodes of a type.
		typ, ok := types[r.Type]
		if !ok {
			typ = r.Type
			types[typ] = typ
		}
		nodes[i] = Resource{ID: r.ID, Type: typ, Code: r.Code, Path: r.Path, Attributes: attributes, IsActive: r.IsActive}
		if r.WorkflowEnabled {
			nodes[i].workflow = parseWorkflow(json.RawMessage(r.WorkflowConfig), l.snap.Graph)
		}
		l.snap.nodes[r.ID] = &nodes[i]
		l.snap.codes[typeCode{typ, r.Code}] = &nodes[i]
	}
	for i := range rows {
		if p := rows[i].ParentID; p != nil {
			nodes[i].Parent = l.snap.nodes[*p]
		}
	}
	return nil
}
