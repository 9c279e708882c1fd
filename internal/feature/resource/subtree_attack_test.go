package resource

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// move puts a node below another, or at the top for nil.
func (a *attack) move(id uuid.UUID, parent *uuid.UUID) func() error {
	return func() error {
		in := &MoveIn{}
		in.ID = id
		in.Body.ParentID = httpapi.Opt[uuid.UUID]{Set: true, Null: parent == nil}
		if parent != nil {
			in.Body.ParentID.Value = *parent
		}
		_, err := a.service.move(a.ctx, in)
		return err
	}
}

func (a *attack) remove(id uuid.UUID) func() error {
	return func() error {
		in := &DeleteIn{Recursive: true}
		in.ID = id
		return a.service.delete(a.ctx, in)
	}
}

// Each case is a subtree box > middle > deep, and what mal would gain by moving
// or deleting it.
func TestAttack_NobodyGainsByASubtree(t *testing.T) {
	for name, run := range map[string]func(a *attack, box, middle, deep uuid.UUID){
		"brought under an own permission": func(a *attack, box, _, _ uuid.UUID) {
			own := a.node("service", "own", nil)
			a.onNode(a.librarian, own, "service", "allow", "use")
			a.keeps(a.mal, "page", "deep", "use", engine.NoMatchingPermission, a.move(box, &own))
		},
		"brought below a node under an own permission": func(a *attack, box, _, _ uuid.UUID) {
			own := a.node("service", "own", nil)
			shelf := a.node("shelf", "shelf", &own)
			a.onNode(a.librarian, own, "service", "allow", "use")
			a.keeps(a.mal, "page", "deep", "use", engine.NoMatchingPermission, a.move(box, &shelf))
		},
		"taken out of a deny": func(a *attack, box, _, _ uuid.UUID) {
			locked := a.node("folder", "locked", nil)
			a.SQL(`UPDATE sentinel.resources SET parent_id = $2 WHERE id = $1`, box, locked)
			a.onNode(a.librarian, locked, "folder", "deny", "use")
			a.Permission(a.tenant, a.librarian, "page/*", "allow", "", "use")
			a.keeps(a.mal, "page", "deep", "use", engine.ExplicitDeny, a.move(box, nil))
		},
		"with the instances of an entity node in it": func(a *attack, box, middle, _ uuid.UUID) {
			a.node("entity", "crane", &middle)
			own := a.node("service", "own", nil)
			a.onNode(a.librarian, own, "service", "allow", "lift")
			a.keeps(a.mal, "crane", "c1", "lift", engine.NoMatchingPermission, a.move(box, &own))
		},
		"to a path that another's condition reads": func(a *attack, box, _, _ uuid.UUID) {
			a.Permission(a.tenant, a.readerRole, "page/*", "allow", `{"resource.path": {"prefix": "public/"}}`, "use")
			public := a.node("folder", "public", nil)
			a.keeps(a.eve, "page", "deep", "use", engine.ConditionFailed, a.move(box, &public))
		},
		"from a path that an own deny reads": func(a *attack, box, _, _ uuid.UUID) {
			a.Permission(a.tenant, a.librarian, "page/*", "allow", "", "use")
			a.Permission(a.tenant, a.librarian, "page/*", "deny", `{"resource.path": {"prefix": "box/"}}`, "use")
			shelf := a.node("shelf", "shelf", nil)
			a.keeps(a.mal, "page", "deep", "use", engine.ExplicitDeny, a.move(box, &shelf))
		},
		"deleted with a deny inside it": func(a *attack, box, middle, _ uuid.UUID) {
			a.onNode(a.librarian, middle, "folder", "deny", "use")
			a.Permission(a.tenant, a.librarian, "page/*", "allow", "", "use")
			a.keeps(a.mal, "page", "deep", "use", engine.ExplicitDeny, a.remove(box))
		},
		"deleted with an entity node that denies inside it": func(a *attack, box, middle, _ uuid.UUID) {
			crane := a.node("entity", "crane", &middle)
			a.onNode(a.librarian, crane, "entity", "deny", "lift")
			a.Permission(a.tenant, a.librarian, "crane/*", "allow", "", "lift")
			a.keeps(a.mal, "crane", "c1", "lift", engine.ExplicitDeny, a.remove(box))
		},
		"deleted, so that its nodes are instances of an own entity node": func(a *attack, box, _, _ uuid.UUID) {
			pages := a.node("entity", "page", nil)
			a.onNode(a.librarian, pages, "entity", "allow", "use")
			a.keeps(a.mal, "page", "deep", "use", engine.NoMatchingPermission, a.remove(box))
		},
		"deleted with what a condition reads of it": func(a *attack, box, _, deep uuid.UUID) {
			a.SQL(`UPDATE sentinel.resources SET attributes = '{"secret": true}' WHERE id = $1`, deep)
			a.Permission(a.tenant, a.librarian, "page/*", "allow", "", "use")
			a.Permission(a.tenant, a.librarian, "page/*", "deny", `{"secret": true}`, "use")
			a.keeps(a.mal, "page", "deep", "use", engine.ExplicitDeny, a.remove(box))
		},
		"deleted with a workflow inside it": func(a *attack, box, _, deep uuid.UUID) {
			a.withWorkflow(deep)
			a.Permission(a.tenant, a.librarian, "page/*", "allow", "", "use")
			a.keeps(a.mal, "page", "deep", "use", engine.WorkflowState, a.remove(box))
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := attackers(t)
			box := a.node("folder", "box", nil)
			middle := a.node("folder", "middle", &box)
			deep := a.node("page", "deep", &middle)
			run(a, box, middle, deep)
		})
	}
}

// withWorkflow makes a node one that a workflow limits.
func (a *attack) withWorkflow(id uuid.UUID) {
	a.SQL(`UPDATE sentinel.resources SET workflow_enabled = true, workflow_config = '{"states": ["a", "b"], "state": "a", "state_actions": {"a": {}}}' WHERE id = $1`, id)
}

func TestAttack_NobodySlipsOutOfAWorkflow(t *testing.T) {
	off, other := false, "page-2"
	for name, set := range map[string]func(*UpdateIn){
		"by switching it off": func(in *UpdateIn) { in.Body.WorkflowEnabled = &off },
		"by another state":    func(in *UpdateIn) { in.Body.WorkflowConfig = httpapi.Some(httpapi.Object{"state": "b"}) },
		"by other rules": func(in *UpdateIn) {
			in.Body.WorkflowConfig = httpapi.Some(httpapi.Object{"state_actions": map[string]any{"a": map[string]any{"use": []any{"*"}}}})
		},
		"by another code": func(in *UpdateIn) { in.Body.Code = &other },
	} {
		t.Run(name, func(t *testing.T) {
			a := attackers(t)
			page := a.node("page", "page-1", nil)
			a.withWorkflow(page)
			a.Permission(a.tenant, a.librarian, "page/*", "allow", "", "use")
			a.keeps(a.mal, "page", "page-1", "use", engine.WorkflowState, a.update(page, set))
		})
	}
	t.Run("of an entity node", func(t *testing.T) {
		a := attackers(t)
		crane := a.node("entity", "crane", nil)
		a.withWorkflow(crane)
		a.Permission(a.tenant, a.readerRole, "crane/c1", "allow", "", "lift")
		err := a.update(crane, func(in *UpdateIn) { in.Body.WorkflowEnabled = &off })()
		require.True(t, fault.Is(err, fault.Denied), "%v", err)
	})
}

// What is on a node inside goes with it, so that a move changes it for nobody.
func TestMove_IsFreeWhereOnlyTheInsideIsGranted(t *testing.T) {
	a := attackers(t)
	box := a.node("folder", "box", nil)
	middle := a.node("folder", "middle", &box)
	a.node("page", "deep", &middle)
	a.onNode(a.readerRole, middle, "folder", "allow", "use")
	shelf := a.node("shelf", "shelf", nil)
	require.NoError(t, a.Engine.Refresh(a.ctx, a.tenant))
	require.True(t, a.Allowed(a.tenant, a.eve, "page", "deep", "use"))
	require.NoError(t, a.move(box, &shelf)())
	require.True(t, a.Allowed(a.tenant, a.eve, "page", "deep", "use"))
	require.NoError(t, a.move(box, nil)())
	require.True(t, a.Allowed(a.tenant, a.eve, "page", "deep", "use"))
	require.Error(t, a.remove(box)(), "by which eve would lose what mal does not hold")
}
