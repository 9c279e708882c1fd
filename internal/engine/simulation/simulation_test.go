package simulation_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/simulation"
	"github.com/sentinel-access/sentinel/internal/engine/tenanttest"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// world is a tenant that inherits from another, with something of everything.
type world struct {
	*tenanttest.World
	t                   *testing.T
	ctx                 context.Context //nolint:containedctx // a test's
	parent, tenant      uuid.UUID
	above               uuid.UUID
	users, roles        []uuid.UUID
	groups, permissions []uuid.UUID
	nodes, chains       []uuid.UUID
	ship                uuid.UUID
}

func setup(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	w := &world{World: tenanttest.New(t, dbtest.New(t), engine.Config{AutoApprove: true}), t: t, ctx: t.Context()}
	w.parent = w.Tenant()
	w.tenant = w.Child(w.parent, true)
	none := uuid.UUID{}
	w.above = w.Role(w.parent, "above", 5, none)
	w.Permission(w.parent, w.above, "vessel/v-*", "allow", `{"subject.attributes.a": "x"}`, "update")
	for i := range 4 {
		w.users = append(w.users, w.User(w.tenant, fmt.Sprintf("user%d", i)))
		w.roles = append(w.roles, w.Role(w.tenant, fmt.Sprintf("role%d", i), 10*i, none))
	}
	for i := range 3 {
		w.groups = append(w.groups, w.Group(w.tenant, fmt.Sprintf("group%d", i), none))
	}
	for i, path := range []string{"vessel/*", "page/**", "vessel/v-1", "*/*", "vessel/ship", "page/plan"} {
		effect := "allow"
		if i == 2 {
			effect = "deny"
		}
		w.permissions = append(w.permissions, w.Permission(w.tenant, w.roles[i%4], path, effect, "", []string{"read", "update"}[i%2], "read"))
	}
	w.ship = w.node("vessel", "ship")
	w.nodes = []uuid.UUID{w.node("entity", "vessel"), w.ship, w.node("page", "plan"), w.node("page", "part")}
	for _, n := range []int{0, 2} {
		w.permissions = append(w.permissions, w.onNode(w.nodes[n], w.roles[n]))
	}
	w.SQL(`UPDATE sentinel.resources SET workflow_enabled = true, workflow_config = $2 WHERE id = $1`, w.ship,
		fmt.Sprintf(`{"states": ["open", "shut"], "state": "open", "state_actions": {"shut": {"read": ["role:%s"], "update": ["*"]}}}`, w.roles[1]))
	w.SQL(`INSERT INTO sentinel.field_definitions (tenant_id, entity_type, field_name, field_type, default_visibility) VALUES ($1, 'vessel', 'name', 'core', 'write')`, w.tenant)
	w.chains = []uuid.UUID{w.chain("ships", "vessel:v-*", "gate", "{}"), w.chain("more", "vessel:ship", "escalation", `{"subject.attributes.a": "y"}`)}
	w.Assign(w.tenant, w.users[0], w.roles[0])
	w.Join(w.tenant, w.users[1], w.groups[0])
	w.GroupRole(w.tenant, w.groups[0], w.roles[1])
	return w
}

func (w *world) node(typ, code string) uuid.UUID {
	id := uuid.Must(uuid.NewV7())
	w.SQL(`INSERT INTO sentinel.resources (id, tenant_id, type, name, code) VALUES ($1, $2, $3, $4, $4)`, id, w.tenant, typ, code)
	return id
}

func (w *world) onNode(node, role uuid.UUID) uuid.UUID {
	id := uuid.Must(uuid.NewV7())
	w.SQL(`INSERT INTO sentinel.permissions (id, tenant_id, name, resource_type, resource_id, actions)
SELECT $1, $2, 'on ' || code, type, id, '{read,update}' FROM sentinel.resources WHERE id = $3`, id, w.tenant, node)
	w.Own(w.tenant, role, id)
	return id
}

func (w *world) chain(name, pattern, mode, auto string) uuid.UUID {
	id := uuid.Must(uuid.NewV7())
	w.SQL(`INSERT INTO sentinel.approval_chains (id, tenant_id, name, resource_type, resource_pattern, mode, approval_levels, auto_approve_conditions)
VALUES ($1, $2, $3, 'vessel', $4, $5, '[{"level": 1, "approvers": {"any_of": [{"role": "00000000-0000-0000-0000-000000000011", "min": 1}]}, "timeout_hours": 48, "final": true}]', $6)`,
		id, w.tenant, name, pattern, mode, auto)
	return id
}

// questions are of every user about something of everything.
func (w *world) questions() (list []*engine.Question) {
	for _, user := range w.users {
		for _, about := range [][2]string{{"vessel", "v-1"}, {"vessel", "v-2"}, {"vessel", "ship"}, {"vessel", ""}, {"page", "plan"}, {"page", "part"}, {"page", "other"}, {"api", "users"}} {
			for _, action := range []string{"read", "update"} {
				list = append(list, &engine.Question{
					TenantID: w.tenant, UserID: user, Type: about[0], ID: about[1], Action: action, Attributes: map[string]any{"a": "x"},
				})
			}
		}
	}
	return list
}

// same compares answers one by one, so that a difference can be read.
func same(t *testing.T, questions []*engine.Question, want, got []answer, format string, args ...any) {
	t.Helper()
	require.Len(t, got, len(want))
	for i, q := range questions {
		require.Equal(t, want[i], got[i], fmt.Sprintf(format, args...)+": %+v", q)
	}
}

func (w *world) simulate(questions []*engine.Question, changes []simulation.Change) (*engine.Simulation, []uuid.UUID, error) {
	w.t.Helper()
	require.Empty(w.t, simulation.Validate(changes, "changes"))
	var created []uuid.UUID
	out, err := w.Engine.Simulate(w.ctx, w.tenant, questions, func(s *engine.State) (err error) {
		created, err = simulation.Apply(s, changes, "changes")
		return err
	})
	return out, created, err
}

// answer is what of an answer does not depend on when it was given.
type answer struct {
	reason          string
	code            engine.Code
	roles           []engine.MatchedRole
	permissions     []string
	conditions      map[string]any
	fields          map[string]map[string]string
	chain           string
	requested, auto bool
}

// answers are the engine's.
func (w *world) answers(questions []*engine.Question) (list []answer) {
	w.t.Helper()
	require.NoError(w.t, w.Engine.Refresh(w.ctx, w.tenant))
	for _, q := range questions {
		list = append(list, show(w.Engine.Decide(w.ctx, q)))
	}
	return list
}

func shown(decisions []*engine.Decision) (list []answer) {
	for _, d := range decisions {
		list = append(list, show(d))
	}
	return list
}

func show(d *engine.Decision) answer {
	a := answer{
		reason: d.Reason(), code: d.Code, roles: d.MatchedRoles(), permissions: d.MatchedIDs(), conditions: d.MatchedConditions(), fields: d.Fields,
		requested: d.RequestID != nil, auto: d.AutoApproved,
	}
	if d.Chain != nil {
		a.chain = d.Chain.Name
	}
	if d.RequestID != nil { // made up where it is supposed
		a.reason = strings.Replace(a.reason, d.RequestID.String(), "", 1)
	}
	return a
}
