package granting_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/engine/tenanttest"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// random is a small tenant made at random, with actors of every strength.
type random struct {
	*world
	*rand.Rand
	roles, groups, permissions, users []uuid.UUID
}

func newRandom(t *testing.T, seed uint64) *random {
	w := &world{World: tenanttest.New(t, dbtest.New(t), engine.Config{}), t: t}
	r := &random{world: w, Rand: rand.New(rand.NewPCG(seed, 1))}
	w.tenant = w.Tenant()
	pick := func(list []uuid.UUID) (id uuid.UUID) {
		if len(list) > 0 && r.IntN(2) == 0 {
			id = one(r, list)
		}
		return id
	}
	for i := range 7 {
		id := w.Role(w.tenant, fmt.Sprint("role", i), r.IntN(10)*100, pick(r.roles))
		if r.IntN(4) == 0 {
			w.SQL(`UPDATE sentinel.roles SET is_assignable = false WHERE id = $1`, id)
		}
		r.roles = append(r.roles, id)
	}
	for i := range 3 {
		r.groups = append(r.groups, w.Group(w.tenant, fmt.Sprint("group", i), pick(r.groups)))
		w.GroupRole(w.tenant, r.groups[i], r.roles[i])
	}
	paths := []string{"api/roles", "api/audit", "vessel/*", "vessel/*", "invoice/*", "crane/*"}
	for i := range 12 {
		path, effect, conditions := paths[i%len(paths)], "allow", ""
		if path[:3] != "api" && r.IntN(4) == 0 {
			effect = "deny"
		}
		if r.IntN(4) == 0 {
			conditions = `{"context.ip": "10.0.0.1"}`
		}
		action := []string{"read", "update", "*"}[r.IntN(3)]
		r.permissions = append(r.permissions, w.Permission(w.tenant, one(r, r.roles), path, effect, conditions, action))
	}
	w.admin = w.User(w.tenant, "admin")
	w.Assign(w.tenant, w.admin, tenanttest.TenantAdmin)
	for i := range 6 {
		id := w.User(w.tenant, fmt.Sprint("user", i))
		r.users = append(r.users, id)
		w.Assign(w.tenant, id, r.roles[i])
		if i < 3 {
			w.Assign(w.tenant, id, tenanttest.UserManager)
		}
		w.Join(w.tenant, id, one(r, r.groups))
	}
	return r
}

func one(r *random, list []uuid.UUID) uuid.UUID { return list[r.IntN(len(list))] }

// next is a write as a feature would declare it. handed are the roles given or
// taken by it.
func (r *random) next() (name string, x write, handed []uuid.UUID) {
	user, role, group, permission := one(r, append(r.users, r.admin)), one(r, r.roles), one(r, r.groups), one(r, r.permissions)
	other := one(r, r.roles)
	switch r.IntN(10) {
	case 0, 1:
		name, x, handed = "assign", r.assign(user, role), []uuid.UUID{role}
		x.sql += ` ON CONFLICT DO NOTHING`
	case 2:
		name, x, handed = "unassign", r.unassign(user, role), []uuid.UUID{role}
	case 3:
		name, x, handed = "join", r.join(user, group), r.rolesOf(group)
		x.sql += ` ON CONFLICT DO NOTHING`
	case 4:
		name, x, handed = "leave", r.leave(user, group), r.rolesOf(group)
	case 5:
		name, x = "own", r.own(role, permission)
		x.sql += ` ON CONFLICT DO NOTHING`
	case 6:
		name, x = "disown", r.disown(role, permission)
	case 7:
		name, x = "parent", r.edit(role, fmt.Sprintf(`parent_role_id = '%s'`, other), other)
		var before *uuid.UUID
		r.Scan([]any{&before}, `SELECT parent_role_id FROM sentinel.roles WHERE id = $1`, role)
		if before != nil {
			x.change.Content = append(x.change.Content, rbac.Role(*before))
		}
	case 8:
		name, x = "priority", r.edit(role, fmt.Sprintf(`priority = %d, is_assignable = true`, r.IntN(900)))
	default:
		name, x, handed = "group role", r.groupRole(group, role), []uuid.UUID{role}
		x.sql += ` ON CONFLICT DO NOTHING`
	}
	return name, x, handed
}

func (r *random) rolesOf(group uuid.UUID) (roles []uuid.UUID) {
	r.Scan([]any{&roles}, `WITH RECURSIVE up AS (
  SELECT id, parent_group_id FROM sentinel.groups WHERE id = $1
  UNION SELECT g.id, g.parent_group_id FROM sentinel.groups g JOIN up ON g.id = up.parent_group_id
) SELECT COALESCE(array_agg(role_id), '{}') FROM sentinel.group_roles WHERE group_id IN (SELECT id FROM up)`, group)
	return roles
}

// lower are the permissions of those of roles that are assignable and of a lower
// priority than the highest of names.
func (r *random) lower(roles []uuid.UUID, names []string) (permissions []uuid.UUID) {
	r.Scan([]any{&permissions}, `WITH RECURSIVE up AS (
  SELECT id, parent_role_id FROM sentinel.roles
  WHERE id = ANY($1) AND is_assignable AND priority < (SELECT COALESCE(max(priority), 0) FROM sentinel.roles WHERE name = ANY($2))
  UNION SELECT r.id, r.parent_role_id FROM sentinel.roles r JOIN up ON r.id = up.parent_role_id
) SELECT COALESCE(array_agg(permission_id), '{}') FROM sentinel.role_permissions WHERE role_id IN (SELECT id FROM up)`, roles, names)
	return permissions
}

// effective is what every account may do now.
func (r *random) effective() map[uuid.UUID]map[uuid.UUID]*grants.Grant {
	out := map[uuid.UUID]map[uuid.UUID]*grants.Grant{}
	for _, user := range append(r.users, r.admin) {
		list, ok, err := r.Engine.Effective(r.t.Context(), r.tenant, user)
		require.NoError(r.t, err)
		require.True(r.t, ok)
		out[user] = map[uuid.UUID]*grants.Grant{}
		for _, p := range list {
			out[user][p.Grant.ID] = p.Grant
		}
	}
	return out
}

// has reports whether the holder of list may give g: by the rule's own words,
// for permissions that are all of the form type/* or one api section.
func has(list map[uuid.UUID]*grants.Grant, g *grants.Grant) bool {
	allowed := func(action string) bool {
		for _, h := range list {
			if h.Effect == grants.Allow && h.HasAction(action) && h.Path == g.Path &&
				(h.Unconditional() || h.ID == g.ID && !g.IsAPI()) {
				return true
			}
		}
		return false
	}
	for _, action := range g.Actions {
		if !allowed(action) {
			return false
		}
	}
	for _, h := range list {
		if h.Effect == grants.Deny && h.Path == g.Path && (h.HasAction(g.Actions[0]) || g.Actions[0] == grants.AnyAction) {
			return false
		}
	}
	return true
}

func TestGranting_NobodyGainsWhatTheActorMayNotGive(t *testing.T) {
	var gains atomic.Int64
	t.Cleanup(func() { require.Positive(t, gains.Load(), "or nothing was proven") })
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := newRandom(t, seed)
			accepted, gained := 0, 0
			for range 100 {
				actor := one(r, r.users)
				if r.IntN(8) == 0 {
					actor = r.admin
				}
				before := r.effective()
				names, err := r.Engine.RoleNames(t.Context(), r.tenant, actor)
				require.NoError(t, err)
				name, x, handed := r.next()
				given := r.lower(handed, names)
				if err := r.try(r.As(r.tenant, actor), x); err != nil {
					// The database refuses cycles; a feature says so in its own words.
					require.True(t, fault.Is(err, fault.Denied) || fault.Is(err, fault.ConflictKind) || name == "parent", "%s: %v", name, err)
					continue
				}
				accepted++
				if actor == r.admin {
					continue
				}
				for user, after := range r.effective() {
					for id, g := range moved(before[user], after) {
						gained++
						require.NotEqual(t, actor, user, "%s: own gain of %s %s %v", name, g.Effect, g.Path, g.Actions)
						lower := slices.Contains(given, id) && !g.IsAPI()
						require.True(t, lower || has(before[actor], g), "%s: %s %s %v", name, g.Effect, g.Path, g.Actions)
					}
				}
			}
			require.Greater(t, accepted, 10)
			gains.Add(int64(gained))
		})
	}
}

// moved are the allows that after has more and the denies that it has less.
func moved(before, after map[uuid.UUID]*grants.Grant) map[uuid.UUID]*grants.Grant {
	out := map[uuid.UUID]*grants.Grant{}
	for id, g := range after {
		if before[id] == nil && g.Effect == grants.Allow {
			out[id] = g
		}
	}
	for id, g := range before {
		if after[id] == nil && g.Effect == grants.Deny {
			out[id] = g
		}
	}
	return out
}
