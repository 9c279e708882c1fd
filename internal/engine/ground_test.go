package engine_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/policy"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/models"
	"github.com/sentinel-access/sentinel/policies"
)

// ground is a tenant without a database, and an account with the role crew of
// priority 10. Whatever has a name can be asked about by it.
type ground struct {
	t       *testing.T
	tenant  engine.Tenant
	rows    engine.Rows
	subject engine.Subject
	now     time.Time
	names   map[string]uuid.UUID
}

func newGround(t *testing.T) *ground {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Oslo")
	require.NoError(t, err)
	g := &ground{
		t: t, now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), names: map[string]uuid.UUID{},
		tenant:  engine.Tenant{ID: uuid.New(), Code: "ACME", Name: "Acme", Active: true, Location: zone, Conflict: engine.DenyOverrides},
		subject: engine.Subject{ID: uuid.New(), IsActive: true, Attributes: map[string]any{"level": json.Number("3")}},
	}
	g.role("crew", 10, true)
	return g
}

func (g *ground) id(name string) uuid.UUID {
	id, ok := g.names[name]
	if !ok {
		id = uuid.Must(uuid.NewV7())
		g.names[name] = id
	}
	return id
}

func (g *ground) role(name string, priority int, held bool) {
	g.rows.Roles = append(g.rows.Roles, models.Role{ID: g.id(name), TenantID: g.tenant.ID, Name: name, Priority: priority, IsActive: true})
	if held {
		g.subject.Assignments = append(g.subject.Assignments, engine.Assignment{Node: rbac.Role(g.id(name))})
	}
}

// node makes a registered node, below parent if that has a name.
func (g *ground) node(typ, code, parent, config string) {
	n := models.Resource{ID: g.id(code), TenantID: g.tenant.ID, Type: typ, Code: code, Path: "/" + code, IsActive: true, Attributes: models.JSON(`{"flag": "NO"}`)}
	if parent != "" {
		id := g.id(parent)
		n.ParentID = &id
	}
	n.WorkflowEnabled, n.WorkflowConfig = config != "", models.JSON(config)
	g.rows.Resources = append(g.rows.Resources, n)
}

// grant makes a permission of a role: "allow read,update vessel/*", or on a node
// "deny read #node". What follows a "?" are conditions, a "!" fields.
func (g *ground) grant(role, text string) string {
	g.t.Helper()
	written, fields, _ := strings.Cut(text, " !")
	written, conditions, _ := strings.Cut(written, " ?")
	words := strings.Fields(written)
	require.Len(g.t, words, 3, text)
	p := models.Permission{
		ID: g.id(text), TenantID: g.tenant.ID, Name: text, Effect: words[0], Actions: strings.Split(words[1], ","), IsActive: true,
		Conditions: models.JSON(conditions), FieldPermissions: models.JSON(fields),
	}
	if node, ok := strings.CutPrefix(words[2], "#"); ok {
		id := g.id(node)
		p.ResourceID, p.ResourceType = &id, "node"
	} else {
		p.ResourcePath = &words[2]
		p.ResourceType, _, _ = strings.Cut(words[2], "/")
	}
	g.rows.Permissions = append(g.rows.Permissions, p)
	g.own(role, text)
	return text
}

func (g *ground) own(role, permission string) {
	g.rows.RolePermissions = append(g.rows.RolePermissions, models.RolePermission{TenantID: g.tenant.ID, RoleID: g.id(role), PermissionID: g.id(permission)})
}

// chain makes an approval chain, later than those before it.
func (g *ground) chain(name, mode, pattern, auto string) {
	typ, _, _ := strings.Cut(pattern, ":")
	g.rows.Chains = append(g.rows.Chains, models.ApprovalChain{
		ID: g.id(name), TenantID: g.tenant.ID, Name: name, ResourceType: typ, ResourcePattern: pattern, Mode: mode, IsActive: true,
		ApprovalLevels: models.JSON(`[{"level": 1}]`), AutoApproveConditions: models.JSON(auto),
		CreatedAt: g.now.Add(time.Duration(len(g.rows.Chains)) * time.Second),
	})
}

// request adds a request of the subject's for an instance, or for a node by "#".
func (g *ground) request(name, chain, typ, id, action string, approved bool, until *time.Time) {
	r := engine.Request{ID: g.id(name), Approved: approved, Chain: g.id(chain), Type: typ, ResourceID: id, Action: action, ExpiresAt: until}
	if node, ok := strings.CutPrefix(id, "#"); ok {
		r.ResourceID, r.Node = node, g.id(node)
	}
	g.subject.Requests = append(g.subject.Requests, r)
}

func (g *ground) field(typ, name, tier, ceiling string) {
	g.rows.Fields = append(g.rows.Fields, models.FieldDefinition{EntityType: typ, FieldName: name, FieldType: tier, DefaultVisibility: ceiling, IsActive: true})
}

// policies are modules of the tenant by name, each without its package.
func (g *ground) policies(bodies map[string]string) {
	g.t.Helper()
	library, err := policy.Load(g.t.Context(), policies.FS, policy.Config{Timeout: 10 * time.Second})
	require.NoError(g.t, err)
	g.rows.Policies, err = policy.CompileModules(g.t.Context(), library, modules(bodies))
	require.NoError(g.t, err)
}

// modules are the texts of modules by path. What stands above a line of dashes
// goes above the package.
func modules(bodies map[string]string) map[string]string {
	out := map[string]string{}
	for name, body := range maps.All(bodies) {
		head, rest, ok := strings.Cut(body, "---\n")
		if !ok {
			head, rest = "", body
		}
		out["tenant/"+name+".rego"] = head + "package tenant." + name + "\n\n" + rest + "\n"
	}
	return out
}

// ask asks about an instance, or about a type alone: "read vessel/v-1".
func (g *ground) ask(text string) *engine.Decision {
	return g.askWith(text, engine.Question{})
}

func (g *ground) askWith(text string, q engine.Question) *engine.Decision {
	g.t.Helper()
	s := g.pose(text, &q)
	d := s.Decide(g.t.Context(), &q, &g.subject, g.now)
	require.Equal(g.t, d.Code == engine.Granted || d.Code == engine.GrantedByApproval, d.Allowed)
	require.NotEmpty(g.t, d.Reason())
	return d
}

// pose makes the question of a text, and what it is asked of.
func (g *ground) pose(text string, q *engine.Question) *engine.Snapshot {
	g.t.Helper()
	action, resource, _ := strings.Cut(text, " ")
	q.TenantID, q.UserID, q.Action = g.tenant.ID, g.subject.ID, action
	q.Type, q.ID, _ = strings.Cut(resource, "/")
	require.NoError(g.t, q.Validate(""))
	s, err := engine.NewSnapshot(g.tenant, &g.rows)
	require.NoError(g.t, err)
	return s
}

// matched are the names of the permissions that decided.
func (g *ground) matched(d *engine.Decision) []string {
	var out []string
	for _, m := range d.Matched {
		out = append(out, m.Name)
	}
	return out
}
