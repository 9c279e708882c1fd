package user

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/tenanttest"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// crew is a tenant made at random, with actors of every strength.
type crew struct {
	*tenanttest.World
	*Service
	*rand.Rand
	tenant               uuid.UUID
	users, roles, groups []uuid.UUID
}

func newCrew(t *testing.T, seed uint64) *crew {
	t.Helper()
	w := tenanttest.New(t, dbtest.New(t), engine.Config{})
	c := &crew{World: w, Service: &Service{Write: w.Writer, Passwords: crypto.NewPasswords()}, Rand: rand.New(rand.NewPCG(seed, 2)), tenant: w.Tenant()}
	for n := range 6 {
		var parent uuid.UUID
		if n > 0 && c.IntN(3) == 0 {
			parent = c.roles[c.IntN(n)]
		}
		role := w.Role(c.tenant, fmt.Sprint("role", n), c.IntN(6)*100, parent)
		c.roles = append(c.roles, role)
		w.Permission(c.tenant, role, []string{"vessel/*", "api/roles", "api/users", "invoice/*"}[c.IntN(4)], []string{"allow", "allow", "deny"}[c.IntN(3)], "", "read")
		w.SQL(`UPDATE sentinel.roles SET is_assignable = $2, is_active = $3 WHERE id = $1`, role, c.IntN(4) > 0, c.IntN(6) > 0)
	}
	w.SQL(`UPDATE sentinel.permissions SET effect = 'allow' WHERE resource_type = 'api' AND tenant_id = $1`, c.tenant)
	for n := range 3 {
		var parent uuid.UUID
		if n > 0 && c.IntN(2) == 0 {
			parent = c.groups[c.IntN(n)]
		}
		group := w.Group(c.tenant, fmt.Sprint("group", n), parent)
		c.groups = append(c.groups, group)
		w.GroupRole(c.tenant, group, c.roles[c.IntN(len(c.roles))])
		w.SQL(`UPDATE sentinel.groups SET is_active = $2 WHERE id = $1`, group, c.IntN(6) > 0)
	}
	w.GroupRole(c.tenant, c.groups[2], []uuid.UUID{tenanttest.TenantAdmin, tenanttest.Viewer}[c.IntN(2)])
	c.roles = append(c.roles, tenanttest.TenantAdmin, tenanttest.UserManager)
	for n := range 12 {
		user := w.User(c.tenant, fmt.Sprint("user", n))
		c.users = append(c.users, user)
		switch {
		case n < 2:
			w.Assign(c.tenant, user, tenanttest.TenantAdmin)
		case n < 6:
			w.Assign(c.tenant, user, tenanttest.UserManager)
		}
		for range c.IntN(3) {
			w.SQL(`INSERT INTO sentinel.user_roles (tenant_id, user_id, role_id, role_tenant_id)
SELECT $1, $2, id, tenant_id FROM sentinel.roles WHERE id = $3 ON CONFLICT DO NOTHING`, c.tenant, user, c.roles[c.IntN(6)])
		}
		if c.IntN(3) == 0 {
			w.Join(c.tenant, user, c.groups[c.IntN(3)])
		}
		if n > 1 && c.IntN(4) == 0 {
			w.SQL(`UPDATE sentinel.users SET is_active = false WHERE id = $1`, user)
		}
	}
	return c
}

// single makes the call for one account that the bulk operation stands for, and
// returns the status and code that it should have there.
func (c *crew) single(ctx context.Context, in *BulkIn, id uuid.UUID) (status, code string) {
	var err error
	d := &in.Body.Data
	switch in.Body.Operation {
	case Activate, Deactivate:
		var active bool
		c.Scan([]any{&active}, `SELECT is_active FROM sentinel.users WHERE id = $1`, id)
		want := in.Body.Operation == Activate
		if active == want {
			return skipped, ""
		}
		x := &UpdateIn{IDIn: IDIn{ID: id}}
		x.Body.IsActive = &want
		_, err = c.update(ctx, x)
	case Delete:
		err = c.delete(ctx, &DeleteIn{IDIn: IDIn{ID: id}})
	case AssignRole:
		x := &AssignIn{IDIn: IDIn{ID: id}}
		x.Body.RoleID, x.Body.ExpiresAt = *d.RoleID, d.ExpiresAt
		_, err = c.assign(ctx, x)
	case RemoveRole:
		if c.Count(`SELECT count(*) FROM sentinel.user_roles WHERE user_id = $1 AND role_id = $2`, id, *d.RoleID) == 0 {
			return skipped, ""
		}
		err = c.unassign(ctx, &UnassignIn{IDIn: IDIn{ID: id}, RoleID: *d.RoleID})
	default:
		err = fault.New(fault.Internal, "there is no such call for one account")
	}
	if err != nil {
		return failed, string(fault.KindOf(err))
	}
	return succeeded, ""
}

// digest is everything that the operations change.
func (c *crew) digest() (text string) {
	c.Scan([]any{&text}, `SELECT COALESCE(string_agg(x, ',' ORDER BY x), '') FROM (
  SELECT 'u' || id || is_active || token_epoch AS x FROM sentinel.users
  UNION ALL SELECT 'r' || user_id || role_id || COALESCE(expires_at::text, '') || is_active FROM sentinel.user_roles
  UNION ALL SELECT 'g' || user_id || group_id FROM sentinel.user_groups) x`)
	return text
}

// TestBulk_IsAsManySingleCalls lets one tenant go through bulk calls and its twin
// through the same calls one by one, and compares answers and rows.
func TestBulk_IsAsManySingleCalls(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			c := newCrew(t, seed)
			outcomes := map[string]int{}
			for range 60 {
				in := &BulkIn{}
				in.Body.Operation = []Operation{Activate, Deactivate, Delete, AssignRole, AssignRole, RemoveRole, RemoveRole}[c.IntN(7)]
				if in.Body.Operation == AssignRole || in.Body.Operation == RemoveRole {
					role := c.roles[c.IntN(len(c.roles))]
					in.Body.Data.RoleID = &role
				}
				if in.Body.Operation == AssignRole && c.IntN(3) == 0 {
					until := time.Now().Add(time.Hour).Truncate(time.Microsecond)
					in.Body.Data.ExpiresAt = &until
				}
				for _, i := range c.Perm(len(c.users))[:6] {
					in.Body.UserIDs = append(in.Body.UserIDs, c.users[i])
				}
				actor := c.users[c.IntN(6)]
				ctx := identity.WithTenant(c.As(c.tenant, actor), c.tenant)
				c.compare(t, ctx, in, outcomes)
			}
			require.Greater(t, outcomes[succeeded], 10)
			require.Greater(t, outcomes["PERMISSION_DENIED"], 10)
			t.Log(outcomes)
		})
	}
}

// compare runs the call both ways from the same state. What an account could do
// is fixed at the beginning of a bulk call: the actor comes last where the call
// could change the actor.
func (c *crew) compare(t *testing.T, ctx context.Context, in *BulkIn, outcomes map[string]int) {
	t.Helper()
	caller, _ := identity.PrincipalFrom(ctx)
	if at := slices.Index(in.Body.UserIDs, caller.UserID); at >= 0 {
		in.Body.UserIDs = append(slices.Delete(in.Body.UserIDs, at, at+1), caller.UserID)
	}
	for _, table := range []string{"users", "user_roles", "user_groups"} {
		c.SQL(`DROP TABLE IF EXISTS saved_` + table)
		c.SQL(`CREATE TABLE saved_` + table + ` AS SELECT * FROM sentinel.` + table)
	}
	out, err := c.bulk(ctx, in)
	if err != nil {
		require.True(t, fault.Is(err, fault.NotFoundKind) || fault.Is(err, fault.TokenRevoked) || fault.Is(err, fault.Denied), "%v", err)
		return
	}
	after := c.digest()
	c.restore()
	for n, id := range in.Body.UserIDs {
		got := out.Results[n]
		if c.Count(`SELECT count(*) FROM sentinel.users WHERE id = $1`, id) == 0 {
			require.Equal(t, string(fault.NotFoundKind), got.Code)
			continue
		}
		status, code := c.single(ctx, in, id)
		require.Equal(t, [2]string{status, code}, [2]string{got.Status, got.Code}, "%s of %s by %s: %s", in.Body.Operation, id, caller.UserID, got.Message)
		outcomes[status]++
		outcomes[code]++
	}
	require.Equal(t, c.digest(), after, "%+v", in.Body)
	if c.IntN(4) > 0 { // or soon nobody is left to act
		c.restore()
	}
}

func (c *crew) restore() {
	c.SQL(`DELETE FROM sentinel.users`)
	for _, table := range []string{"users", "user_roles", "user_groups"} {
		c.SQL(`INSERT INTO sentinel.` + table + ` SELECT * FROM saved_` + table)
	}
}
