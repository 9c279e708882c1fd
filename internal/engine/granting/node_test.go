package granting_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

func (w *world) node(typ, code string, parent *uuid.UUID) uuid.UUID {
	id := uuid.New()
	w.SQL(`INSERT INTO sentinel.resources (id, tenant_id, type, name, code, parent_id, path) VALUES ($1, $2, $3, $4, $4, $5, '')`, id, w.tenant, typ, code, parent)
	return id
}

func TestNodeChange_IsWhatFlowsToTheNode(t *testing.T) {
	w := setup(t)
	top := w.node("service", "top", nil)
	middle := w.node("vessel", "middle", &top)
	bottom := w.node("page", "bottom", &middle)
	elsewhere := w.node("service", "elsewhere", nil)
	on := func(node uuid.UUID, typ string) uuid.UUID {
		id := uuid.New()
		w.SQL(`INSERT INTO sentinel.permissions (id, tenant_id, name, resource_type, resource_id, actions) VALUES ($1, $2, 'on', $3, $4, '{use}')`, id, w.tenant, typ, node)
		w.Own(w.tenant, w.owner, id)
		return id
	}
	above, own := on(top, "service"), on(middle, "vessel")
	on(bottom, "page")
	on(elsewhere, "service")
	reads := w.Permission(w.tenant, w.owner, "vessel/*", "allow", `{"region": "eu"}`, "read")

	err := w.DB.InTx(w.As(w.tenant, w.admin), func(tx *db.Tx) error {
		j, err := granting.Begin(w.As(w.tenant, w.admin), tx, time.Now())
		require.NoError(t, err)
		require.True(t, j.Admin())
		c, err := j.NodeChange(tx, middle)
		require.NoError(t, err)
		var ids []uuid.UUID
		var said []string
		for _, g := range c.Permissions {
			ids = append(ids, g.ID)
			said = append(said, granting.Describe(g)...)
		}
		require.ElementsMatch(t, []uuid.UUID{above, own, reads}, ids)
		require.Contains(t, said, "service#"+top.String()+":use")
		c, err = j.NodeChange(tx, uuid.New())
		require.NoError(t, err)
		require.Equal(t, granting.Change{}, c)
		require.Equal(t, "captain", j.Role(rbac.Role(w.captain)).Name)
		require.Nil(t, j.Role(rbac.Role(uuid.New())))
		return nil
	})
	require.NoError(t, err)
}

func TestGranting_WhatFlowsToANodeMustBeHeld(t *testing.T) {
	w := setup(t)
	top := w.node("service", "top", nil)
	permission := uuid.New()
	w.SQL(`INSERT INTO sentinel.permissions (id, tenant_id, name, resource_type, resource_id, actions) VALUES ($1, $2, 'on', 'service', $3, '{use}')`, permission, w.tenant, top)
	w.Own(w.tenant, w.owner, permission)
	below := write{
		sql: `INSERT INTO sentinel.resources (tenant_id, type, name, code, parent_id, path) VALUES ($1, 'page', 'n', gen_random_uuid()::text || 'x', $2, '')`, args: []any{w.tenant, top},
	}
	below.change.Permissions = []*grants.Grant{{
		ID: permission, TenantID: w.tenant, Effect: grants.Allow, Actions: []string{"use"}, ResourceType: "service", Node: top,
	}}
	w.refused(w.author, below, "a node below one that is not held")
	w.Own(w.tenant, w.captain, permission)
	w.accepted(w.author, below, "one that is")
	everything := w.Role(w.tenant, "everything", 1, uuid.UUID{})
	w.Permission(w.tenant, everything, "*/*", "allow", "", "*")
	w.Assign(w.tenant, w.ada, everything)
	w.accepted(w.ada, below, "by everything")
	w.Permission(w.tenant, everything, "page/*", "deny", "", "use")
	w.refused(w.ada, below, "with a deny in between")
}

func TestGranting_FailsWithTheDatabase(t *testing.T) {
	w := setup(t)
	x := w.edit(w.sailor, `description = 'x'`)
	x.change.Accounts = []uuid.UUID{w.ada}
	for _, table := range []string{"roles", "users", "user_roles", "user_groups", "policy_revision", "casbin_rule"} {
		w.SQL(`REVOKE SELECT ON sentinel.` + table + ` FROM sentinel_app`)
		err := w.try(w.As(w.tenant, w.admin), x)
		require.Error(t, err, table)
		require.False(t, fault.Is(err, fault.Denied), "%s: %v", table, err)
		w.SQL(`GRANT SELECT ON sentinel.` + table + ` TO sentinel_app`)
	}
	// And half-way through a write.
	for _, table := range []string{"policy_revision", "users", "user_roles"} {
		err := w.Writer.DB.InTx(w.As(w.tenant, w.admin), func(tx *db.Tx) error {
			j, err := granting.Begin(w.As(w.tenant, w.admin), tx, time.Now())
			require.NoError(t, err)
			w.SQL(`REVOKE SELECT ON sentinel.` + table + ` FROM sentinel_app`)
			defer w.SQL(`GRANT SELECT ON sentinel.` + table + ` TO sentinel_app`)
			return j.Check(tx, time.Now(), x.change)
		})
		require.Error(t, err, table)
	}
	require.Error(t, w.DB.InTx(identity.WithTenant(t.Context(), w.tenant), func(tx *db.Tx) error {
		w.SQL(`REVOKE SELECT ON sentinel.resources FROM sentinel_app`)
		_, err := (&granting.Judge{}).NodeChange(tx, uuid.New())
		return err
	}))
}

// What a chain guards by its code, or opens by what it is, is let go by another
// code or another attribute.
func TestGranting_NodesThatChainsGuard(t *testing.T) {
	w := setup(t)
	w.Permission(w.tenant, w.owner, "vessel/*", "allow", "", "read")
	node := w.node("vessel", "secret-1", nil)
	chain := func(typ, glob, mode, auto string, active bool) uuid.UUID {
		id := uuid.New()
		w.SQL(`INSERT INTO sentinel.approval_chains (id, tenant_id, name, resource_type, resource_pattern, mode, approval_levels, auto_approve_conditions, is_active)
			VALUES ($1, $2, 'c', $3, $4, $5, '[]', $6, $7)`, id, w.tenant, typ, glob, mode, auto, active)
		return id
	}
	judged := func(user uuid.UUID) (granting.Change, error) {
		var c granting.Change
		err := w.DB.InTx(w.As(w.tenant, user), func(tx *db.Tx) error {
			j, err := granting.Begin(w.As(w.tenant, user), tx, time.Now())
			require.NoError(t, err)
			c, err = j.NodeChange(tx, node)
			return err
		})
		return c, err
	}
	for name, c := range map[string]struct {
		typ, glob, mode, auto string
		active, concerned     bool
		denied                bool
	}{
		"by its code":                       {"vessel", "secret-*", "gate", "{}", true, true, false},
		"by the code of any type":           {"*", "secret-*", "escalation", "{}", true, true, false},
		"of another code":                   {"vessel", "open-*", "gate", "{}", true, false, false},
		"of another type":                   {"page", "secret-*", "gate", "{}", true, false, false},
		"whatever its code":                 {"vessel", "*", "gate", `{"subject.id": {"exists": true}}`, true, false, false},
		"inactive":                          {"vessel", "secret-*", "gate", "{}", false, false, false},
		"open by what it is":                {"vessel", "*", "gate", `{"level": 1}`, true, true, false},
		"open by what it is, to all":        {"vessel", "*", "escalation", `{"level": 1}`, true, true, true},
		"open to all, and of another code":  {"vessel", "open-*", "escalation", `{"level": 1}`, true, false, false},
		"open to all by what they are, not": {"vessel", "*", "escalation", `{"subject.attributes.level": 1}`, true, false, false},
	} {
		id := chain(c.typ, c.glob, c.mode, c.auto, c.active)
		got, err := judged(w.admin)
		require.NoError(t, err, name)
		require.Equal(t, c.concerned, len(got.Permissions) > 0, name)
		_, err = judged(w.author)
		require.Equal(t, c.denied, fault.Is(err, fault.Denied), "%s: %v", name, err)
		w.SQL(`DELETE FROM sentinel.approval_chains WHERE id = $1`, id)
	}
	chain("vessel", `a\b`, "gate", "{}", true)
	_, err := judged(w.admin)
	require.ErrorContains(t, err, "resource_pattern", "one that does not compile is not passed over")
	w.SQL(`REVOKE SELECT ON sentinel.approval_chains FROM sentinel_app`)
	_, err = judged(w.admin)
	require.Error(t, err)
}
