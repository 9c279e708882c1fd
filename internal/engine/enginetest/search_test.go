package enginetest_test

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/enginetest"
	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/engine/pattern"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
	"github.com/sentinel-access/sentinel/models"
)

// searchesEach is how many questions are asked about a random tenant.
const searchesEach = 4

func actions() []string { return []string{"read", "update", "create", "shred"} }

// searches ask about random tenants in a database, page by page, and compare with
// single decisions.
type searches struct {
	*world
	t      *testing.T
	db     *db.DB
	engine *engine.Engine
	now    time.Time
}

// forRandomTenants calls fn with tenants that are all in one database.
func forRandomTenants(t *testing.T, fn func(*searches)) {
	t.Helper()
	d := dbtest.New(t)
	c := &comparison{library: enginetest.Library(t), policies: map[string]*compiled{}, codes: map[engine.Code]int{}, stored: true}
	clock := &enginetest.Clock{}
	engines := map[bool]*engine.Engine{}
	for _, auto := range []bool{true, false} {
		engines[auto] = engine.New(engine.Config{DB: d.DB, Library: c.library, AutoApprove: auto, MaxStaleness: time.Hour, Now: clock.Now})
	}
	rapid.Check(t, func(r *rapid.T) {
		// Writing one takes longer than all else.
		if rapid.IntRange(0, 4).Draw(r, "asked") == 0 {
			return
		}
		x := c.draw(t, r)
		if sample(x, "generous", []bool{true, true, false}) {
			x.open()
		}
		x.store(t, d.DB)
		s := &searches{world: x, t: t, db: d.DB, engine: engines[x.snapshot.Tenant.AutoApprove], now: enginetest.Now().Add(sample(x, "now", moments()))}
		clock.Set(s.now)
		fn(s)
		s.engine.Forget(x.tenant)
	})
	t.Logf("%d tenants", c.tenants)
}

// open takes away most of what stands against anybody in a random tenant, so that
// there is something to find.
func (x *world) open() {
	all := "page/*"
	x.rows.Permissions = append(x.rows.Permissions, models.Permission{
		ID: x.id(), TenantID: x.tenant, Name: "all", IsActive: true, ResourceType: "page", ResourcePath: &all, Actions: models.Strings{"read", "shred"}, Effect: "allow",
	})
	for i := range x.rows.Permissions {
		p := &x.rows.Permissions[i]
		if p.Effect == "deny" && x.mostly("turned") {
			p.Effect = "allow"
		}
		if p.Conditions != nil && rapid.Bool().Draw(x.T, "unconditional") {
			p.Conditions = nil
		}
		x.rows.RolePermissions = append(x.rows.RolePermissions, models.RolePermission{RoleID: sample(x, "owner", x.rows.Roles).ID, PermissionID: p.ID})
	}
	x.rows.RolePermissions = slices.Compact(slices.SortedFunc(slices.Values(x.rows.RolePermissions), func(a, b models.RolePermission) int {
		return cmp.Or(slices.Compare(a.RoleID[:], b.RoleID[:]), slices.Compare(a.PermissionID[:], b.PermissionID[:]))
	}))
	for i := range x.rows.Roles {
		x.rows.Roles[i].IsActive = true
	}
	for i := range x.rows.Resources {
		x.rows.Resources[i].WorkflowEnabled = false
	}
	for _, s := range x.subjects {
		s.IsActive, s.LockedUntil = true, nil
	}
	if x.mostly("no policies") {
		x.policies, x.rows.Policies = &compiled{}, nil
	}
	if rapid.Bool().Draw(x.T, "no gates") {
		for i := range x.rows.Chains {
			x.rows.Chains[i].Mode = "escalation"
		}
	}
	tenant := x.snapshot.Tenant
	tenant.Active = true
	var err error
	x.snapshot, err = engine.NewSnapshot(tenant, &x.rows)
	require.NoError(x.T, err)
}

func (s *searches) ctx() context.Context { return s.t.Context() }

// single answers a question about one subject.
func (s *searches) single(q engine.Question, user uuid.UUID) *engine.Decision {
	q.UserID = user
	return s.engine.Decide(s.ctx(), &q)
}

// users are the tenant's, in the order of their ids.
func (s *searches) users() []uuid.UUID {
	var out []uuid.UUID
	for _, u := range s.subjects {
		out = append(out, u.ID)
	}
	slices.SortFunc(out, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	return out
}

func TestSearches_AgreeWithSingleDecisions(t *testing.T) {
	t.Parallel()
	var n counts
	forRandomTenants(t, func(s *searches) {
		s.whoCanAgrees(&n)
		s.whatCanAgrees(&n)
		s.patternsAgree(&n)
		s.writesBetweenPages()
	})
	t.Logf("%+v", n)
	require.Greater(t, min(n.found, n.refused, n.nodes, n.covered, n.promised), 20, "%+v", n)
}

// counts say that there was something to agree about.
type counts struct{ found, refused, nodes, covered, promised int }

func (s *searches) whoCanAgrees(n *counts) {
	for range searchesEach {
		q := *s.question(sample(s.world, "whose request", s.subjects))
		q.TenantID = s.tenant
		var want []*engine.Decision
		for _, user := range s.users() {
			if d := s.single(q, user); d.Allowed {
				want = append(want, d)
			}
		}
		n.found, n.refused = n.found+len(want), n.refused+len(s.subjects)-len(want)
		search := &engine.SubjectSearch{Question: q, Limit: rapid.IntRange(1, 3).Draw(s.T, "limit")}
		var got []engine.FoundSubject
		for {
			page, err := s.engine.WhoCan(s.ctx(), search)
			require.NoError(s.T, err)
			require.LessOrEqual(s.T, len(page.Found), search.Limit)
			got = append(got, page.Found...)
			if page.Next == uuid.Nil {
				break
			}
			require.Positive(s.T, slices.Compare(page.Next[:], search.After[:]))
			search.After = page.Next
		}
		require.Len(s.T, got, len(want), "%+v", q)
		for i, d := range want {
			require.Equal(s.T, d.Code, got[i].Decision.Code)
			require.Equal(s.T, d.MatchedRoles(), got[i].Decision.MatchedRoles(), "of %s", got[i].Subject.ID)
			require.Equal(s.T, d.RequestID, got[i].Decision.RequestID)
			require.NotEmpty(s.T, got[i].Name)
		}
	}
}

// writesBetweenPages returns nobody twice, and misses nobody who could all along.
func (s *searches) writesBetweenPages() {
	q := *s.question(nil)
	q.TenantID = s.tenant
	could := func() (out []uuid.UUID) {
		for _, user := range s.users() {
			if s.single(q, user).Allowed {
				out = append(out, user)
			}
		}
		return out
	}
	throughout := could()
	search := &engine.SubjectSearch{Question: q, Limit: 1}
	var got []uuid.UUID
	for {
		page, err := s.engine.WhoCan(s.ctx(), search)
		require.NoError(s.T, err)
		for _, f := range page.Found {
			got = append(got, f.Subject.ID)
		}
		if page.Next == uuid.Nil {
			break
		}
		search.After = page.Next
		s.write(`UPDATE sentinel.user_roles SET is_active = NOT is_active WHERE tenant_id = ? AND user_id = ?`, s.tenant, sample(s.world, "changed", s.subjects).ID)
		s.write(`UPDATE sentinel.permissions SET is_active = NOT is_active WHERE tenant_id = ? AND id = ?`, s.tenant, sample(s.world, "permission", s.rows.Permissions).ID)
		now := could()
		throughout = slices.DeleteFunc(throughout, func(id uuid.UUID) bool { return !slices.Contains(now, id) })
	}
	require.True(s.T, slices.IsSortedFunc(got, func(a, b uuid.UUID) int { return cmp.Or(slices.Compare(a[:], b[:]), 1) }), "each once, in order: %v", got)
	for _, id := range throughout {
		require.Contains(s.T, got, id)
	}
}

func (s *searches) write(sql string, args ...any) {
	err := s.db.InSystemTx(s.ctx(), db.Bootstrap, func(tx *db.Tx) error { return tx.Exec(sql, args...).Error })
	require.NoError(s.T, err)
	require.NoError(s.T, s.engine.Refresh(s.ctx(), s.tenant))
}

// whatCan reads an answer page by page, by node and action.
func (s *searches) whatCan(user uuid.UUID, typ, action string) (allowed map[string][]string, patterns []engine.FoundPattern) {
	search := &engine.ResourceSearch{
		Question: engine.Question{TenantID: s.tenant, UserID: user, Type: typ, Action: action}, Limit: rapid.IntRange(1, 3).Draw(s.T, "limit"),
	}
	allowed = map[string][]string{}
	last := ""
	for first := true; ; first = false {
		page, err := s.engine.WhatCan(s.ctx(), search)
		require.NoError(s.T, err)
		require.LessOrEqual(s.T, len(page.Found), search.Limit)
		require.False(s.T, page.Unknown || page.PatternsCut || !first && page.Patterns != nil)
		patterns = append(patterns, page.Patterns...)
		for _, f := range page.Found {
			key := f.Node.Type + "/" + f.Node.Code
			if f.Node.Type != "api" {
				require.Equal(s.T, f.Node.Code, f.Name, "as it is written")
			}
			require.Less(s.T, strings.Replace(last, "/", "\x00", 1), strings.Replace(key, "/", "\x00", 1))
			last = key
			for _, d := range f.Decisions {
				require.True(s.T, d.Allowed)
				allowed[key] = append(allowed[key], d.Question().Action)
			}
		}
		if page.Next == "" {
			return allowed, patterns
		}
		search.After = page.Next
	}
}

func (s *searches) whatCanAgrees(n *counts) {
	user := sample(s.world, "subject", s.subjects).ID
	typ := sample(s.world, "only", []string{"", "", "page", "vessel"})
	want, known := map[string][]string{}, map[string][]string{}
	for i := range s.rows.Resources {
		r := &s.rows.Resources[i]
		if r.Type == "api" || typ != "" && r.Type != typ {
			continue
		}
		key, q := r.Type+"/"+r.Code, engine.Question{TenantID: s.tenant, UserID: user, Type: r.Type, ID: r.Code}
		for _, action := range actions() {
			q.Action = action
			if s.single(q, user).Allowed {
				want[action] = append(want[action], key)
			}
		}
		decisions, err := s.engine.Actions(s.ctx(), &q)
		require.NoError(s.T, err)
		for _, d := range decisions {
			known[key] = append(known[key], d.Question().Action)
			require.True(s.T, s.single(*d.Question(), user).Allowed)
			n.nodes++
		}
	}
	for _, action := range actions() {
		got, _ := s.whatCan(user, typ, action)
		require.ElementsMatch(s.T, want[action], slices.Collect(maps.Keys(got)), "%s by %s", action, user)
	}
	all, _ := s.whatCan(user, typ, "")
	require.Equal(s.T, known, all)
	for i := range s.rows.Permissions {
		p := &s.rows.Permissions[i]
		// What a permission names by the type is known of it.
		for _, action := range p.Actions {
			for _, key := range want[action] {
				if typ, _, _ := strings.Cut(key, "/"); p.ResourceType == typ && p.ResourcePath != nil && s.counts(p.ID) {
					require.Contains(s.T, all[key], action)
				}
			}
		}
	}
}

// patternsAgree holds the patterns to what they promise: whatever is allowed is
// covered, and what is not conditional is allowed.
func (s *searches) patternsAgree(n *counts) {
	subject := sample(s.world, "pattern subject", s.subjects)
	asked := sample(s.world, "pattern action", []string{"", "", "read", "shred"})
	typ := sample(s.world, "pattern type", []string{"", "", "page", "api"})
	_, patterns := s.whatCan(subject.ID, typ, asked)
	for range 8 * searchesEach {
		q := *s.question(subject)
		// The answer is about the subject as it is stored.
		q.TenantID, q.SubjectAttributes, q.SubjectOverrides = s.tenant, nil, nil
		if q.ID == "" || typ == "" && q.Type == "api" || typ != "" && q.Type != typ || asked != "" && q.Action != asked || s.snapshot.Find(q.Type, q.ID) != nil {
			continue
		}
		covering := covering(s.T, patterns, &q)
		if s.single(q, subject.ID).Allowed {
			n.covered++
			require.NotEmpty(s.T, covering, "%+v is allowed: %+v", q, patterns)
		}
		plain := engine.Question{TenantID: s.tenant, Type: q.Type, ID: q.ID, Action: q.Action}
		for _, p := range covering {
			require.Equal(s.T, len(p.Because) > 0, p.Conditional)
			if !p.Conditional {
				n.promised++
				d := s.single(plain, subject.ID)
				require.True(s.T, d.Allowed, "%+v is %s: %+v", plain, d.Code, p)
			}
		}
	}
}

// covering are the patterns that a question falls under.
func covering(t require.TestingT, patterns []engine.FoundPattern, q *engine.Question) (out []engine.FoundPattern) {
	for _, found := range patterns {
		p, err := pattern.Compile(found.Type+"/"+found.Pattern, false)
		require.NoError(t, err)
		if p.Match(q.Type, q.ID) && (slices.Contains(found.Actions, "*") || slices.Contains(found.Actions, q.Action)) {
			out = append(out, found)
		}
	}
	return out
}

// counts reports whether a permission is active and of a role that is.
func (s *searches) counts(permission uuid.UUID) bool {
	return slices.ContainsFunc(s.snapshot.Grants.All(), func(g *grants.Grant) bool { return g.ID == permission })
}
