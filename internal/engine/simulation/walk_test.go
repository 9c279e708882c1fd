package simulation_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/engine/simulation"
	"github.com/sentinel-access/sentinel/internal/engine/tenanttest"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// steps are those of the walk below.
const steps = 160

// TestApply_GivesWhatTheRealChangeGives goes from change to change: each is first
// supposed and then made in the database, and every answer has to be the one that
// was supposed.
func TestApply_GivesWhatTheRealChangeGives(t *testing.T) {
	w := setup(t)
	r := &walk{world: w, Rand: rand.New(rand.NewPCG(11, 7)), made: map[string]int{}}
	questions := w.questions()
	before := w.answers(questions)
	for n := range steps {
		moves := []move{r.draw()}
		if r.IntN(3) == 0 {
			moves = append(moves, r.draw())
		}
		var changes []simulation.Change
		for _, m := range moves {
			changes = append(changes, m.change)
		}
		said, _ := json.Marshal(changes)
		simulated, created, err := w.simulate(questions, changes)
		if err != nil {
			r.refused(t, moves, err)
			continue
		}
		same(t, questions, before, shown(simulated.Before), "step %d, before %s", n, said)
		require.NoError(t, r.make(moves, created), "step %d: %s", n, said)
		before = w.answers(questions)
		same(t, questions, before, shown(simulated.After), "step %d, after %s", n, said)
		for _, m := range moves {
			r.made[m.change.Op]++
		}
	}
	t.Log(r.made)
	for _, op := range []string{
		"assign_role", "remove_role", "add_to_group", "remove_from_group", "group_add_role", "group_remove_role", "role_add_permission",
		"role_remove_permission", "create_permission", "update_permission", "delete_permission", "set_role", "set_group", "set_user",
		"set_resource", "set_setting", "set_chain", "approve", "revoke_approval", "refused circle",
	} {
		require.Positive(t, r.made[op], op)
	}
}

// move is a change with the statements that make it.
type move struct {
	change simulation.Change
	sql    string
	args   []any
}

type walk struct {
	*world
	*rand.Rand
	made map[string]int
}

// refused makes sure that the database refuses the circles that were refused. Of
// what else is refused only the API would know.
func (r *walk) refused(t *testing.T, moves []move, err error) {
	require.NotEqual(t, fault.Internal, fault.KindOf(err), err)
	if fault.Is(err, fault.ConflictKind) && len(moves) == 1 && (moves[0].change.ParentRoleID.Set || moves[0].change.ParentGroupID.Set || moves[0].change.ParentID.Set) {
		require.ErrorContains(t, r.make(moves, nil), "its own ancestor")
		r.made["refused circle"]++
	}
}

// make makes the moves, as a feature does.
func (r *walk) make(moves []move, created []uuid.UUID) error {
	return r.Writer.Plain(identity.WithTenant(r.ctx, r.tenant), func(tx *change.Write) error {
		for _, m := range moves {
			args := m.args
			if m.change.Op == "create_permission" {
				args, created = append([]any{created[0]}, args...), created[1:]
			}
			if _, err := tx.Pgx.Exec(r.ctx, m.sql, append([]any{r.tenant}, args...)...); err != nil {
				return fmt.Errorf("%s: %w", m.change.Op, err)
			}
		}
		return nil
	})
}

func pick[T any](r *walk, from []T) *T { return &from[r.IntN(len(from))] }

// draw draws one of the changes that there are.
func (r *walk) draw() move {
	draws := []func() move{
		r.assign, r.assign, r.unassign, r.join, r.leave, r.give, r.take, r.own, r.disown, r.create, r.update, r.delete,
		r.role, r.role, r.group, r.group, r.user, r.resource, r.resource, r.resource, r.setting, r.switchChain, r.approve, r.approve, r.revoke,
	}
	return draws[r.IntN(len(draws))]()
}

func (r *walk) assign() move {
	user, role := pick(r, r.users), pick(r, append(r.roles, r.above, tenanttest.Viewer))
	m := move{change: simulation.Change{Op: "assign_role", UserID: user, RoleID: role}}
	if r.IntN(4) == 0 {
		at := time.Now().Add(time.Duration(1-2*r.IntN(2)) * time.Hour).Truncate(time.Second)
		m.change.ExpiresAt = &at
	}
	owner := r.tenant
	switch *role {
	case r.above:
		owner = r.parent
	case tenanttest.Viewer:
		owner = identity.PlatformTenant
	}
	m.sql = `INSERT INTO sentinel.user_roles (tenant_id, user_id, role_id, role_tenant_id, expires_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant_id, user_id, role_id) DO UPDATE SET expires_at = EXCLUDED.expires_at`
	m.args = []any{*user, *role, owner, m.change.ExpiresAt}
	return m
}

func (r *walk) unassign() move {
	user, role := pick(r, r.users), pick(r, r.roles)
	return move{
		simulation.Change{Op: "remove_role", UserID: user, RoleID: role},
		`DELETE FROM sentinel.user_roles WHERE tenant_id = $1 AND user_id = $2 AND role_id = $3`, []any{*user, *role},
	}
}

func (r *walk) join() move {
	user, group := pick(r, r.users), pick(r, r.groups)
	return move{
		simulation.Change{Op: "add_to_group", UserID: user, GroupID: group},
		`INSERT INTO sentinel.user_groups (tenant_id, user_id, group_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, []any{*user, *group},
	}
}

func (r *walk) leave() move {
	user, group := pick(r, r.users), pick(r, r.groups)
	return move{
		simulation.Change{Op: "remove_from_group", UserID: user, GroupID: group},
		`DELETE FROM sentinel.user_groups WHERE tenant_id = $1 AND user_id = $2 AND group_id = $3`, []any{*user, *group},
	}
}

func (r *walk) give() move {
	group, role := pick(r, r.groups), pick(r, r.roles)
	return move{
		simulation.Change{Op: "group_add_role", GroupID: group, RoleID: role},
		`INSERT INTO sentinel.group_roles (tenant_id, group_id, role_id, role_tenant_id) VALUES ($1, $2, $3, $1) ON CONFLICT DO NOTHING`, []any{*group, *role},
	}
}

func (r *walk) take() move {
	group, role := pick(r, r.groups), pick(r, r.roles)
	return move{
		simulation.Change{Op: "group_remove_role", GroupID: group, RoleID: role},
		`DELETE FROM sentinel.group_roles WHERE tenant_id = $1 AND group_id = $2 AND role_id = $3`, []any{*group, *role},
	}
}

func (r *walk) own() move {
	role, permission := pick(r, r.roles), pick(r, r.permissions)
	return move{
		simulation.Change{Op: "role_add_permission", RoleID: role, PermissionID: permission},
		`INSERT INTO sentinel.role_permissions (tenant_id, role_id, permission_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, []any{*role, *permission},
	}
}

func (r *walk) disown() move {
	role, permission := pick(r, r.roles), pick(r, r.permissions)
	return move{
		simulation.Change{Op: "role_remove_permission", RoleID: role, PermissionID: permission},
		`DELETE FROM sentinel.role_permissions WHERE tenant_id = $1 AND role_id = $2 AND permission_id = $3`, []any{*role, *permission},
	}
}

func (r *walk) create() move {
	role, path, name, effect := pick(r, r.roles), *pick(r, []string{"vessel/v-*", "page/*", "vessel/ship"}), "made", *pick(r, []string{"allow", "allow", "deny"})
	typ, actions := path[:len(path)-len(path[indexSlash(path):])], []string{"read"}
	return move{
		simulation.Change{Op: "create_permission", RoleIDs: []uuid.UUID{*role}, Permission: &directory.PermissionPatch{
			Name: &name, ResourceType: &typ, ResourcePath: httpapi.Some(path), Actions: &actions, Effect: &effect,
		}},
		`WITH made AS (
  INSERT INTO sentinel.permissions (tenant_id, id, name, resource_type, resource_path, actions, effect)
  VALUES ($1, $2, 'made', split_part($3, '/', 1), $3, '{read}', $4)
)
INSERT INTO sentinel.role_permissions (tenant_id, role_id, permission_id) VALUES ($1, $5, $2)`, []any{path, effect, *role},
	}
}

func indexSlash(path string) int {
	for i := range path {
		if path[i] == '/' {
			return i
		}
	}
	return len(path)
}

func (r *walk) update() move {
	permission, effect, active := pick(r, r.permissions), *pick(r, []string{"allow", "deny"}), r.IntN(5) > 0
	conditions := *pick(r, []string{`{}`, `{"subject.attributes.a": "x"}`, `{"a": "x"}`, `{"not": {"a": "y"}}`, `{"resource.path": {"suffix": "ship"}}`})
	object, _ := engine.DecodeObject([]byte(conditions))
	return move{
		simulation.Change{Op: "update_permission", PermissionID: permission, Permission: &directory.PermissionPatch{
			Effect: &effect, IsActive: &active, Conditions: httpapi.Some(httpapi.Object(object)),
		}},
		`UPDATE sentinel.permissions SET effect = $3, is_active = $4, conditions = $5 WHERE tenant_id = $1 AND id = $2`,
		[]any{*permission, effect, active, conditions},
	}
}

func (r *walk) delete() move {
	permission := pick(r, r.permissions)
	if r.IntN(3) > 0 {
		return r.update()
	}
	return move{
		simulation.Change{Op: "delete_permission", PermissionID: permission},
		`DELETE FROM sentinel.permissions WHERE tenant_id = $1 AND id = $2`, []any{*permission},
	}
}
