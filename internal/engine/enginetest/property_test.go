package enginetest_test

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/enginetest"
	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/engine/policy"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/models"
)

const (
	// Each check of rapid, of which it makes 100, is so many tenants.
	tenantsEach   = 2
	questionsEach = 10
	usersEach     = 3
	// agentsEach checks ask a stock OPA too, which has to be started for each.
	agentsEach = 25
)

// TestDecide_EngineAndRegoAgree asks both evaluators about random tenants, and
// of some of them a stock OPA. With SOAK_QUESTIONS it goes on until so many
// questions are asked.
func TestDecide_EngineAndRegoAgree(t *testing.T) {
	wanted := soak(t, "SOAK_QUESTIONS")
	c := &comparison{library: enginetest.Library(t), policies: map[string]*compiled{}, codes: map[engine.Code]int{}}
	for {
		c.round(t)
		t.Logf("%d questions, %v", c.questions, c.codes)
		if c.questions >= wanted || t.Failed() {
			break
		}
	}
	for _, code := range []engine.Code{
		engine.NotEvaluated, engine.SubjectUnknown, engine.SubjectInactive, engine.TenantInactive, engine.ExplicitDeny, engine.WorkflowState,
		engine.PolicyDeny, engine.NoMatchingPermission, engine.ConditionFailed, engine.ApprovalRequired, engine.Granted, engine.GrantedByApproval,
	} {
		require.Positive(t, c.codes[code], "%s never came: %v", code, c.codes)
	}
}

// soak is how often a random test is done at least, as a variable says: 0 without
// it.
func soak(t *testing.T, name string) int {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return 0
	}
	n, err := strconv.Atoi(s)
	require.NoError(t, err, name)
	return n
}

// comparison is of two evaluators, and what was asked so far.
type comparison struct {
	library *policy.Library
	// policies are those compiled so far, by the names of their modules: compiling
	// costs more than all else.
	policies map[string]*compiled
	codes    map[engine.Code]int
	checks   int
	// questions are those that were asked.
	questions int
	// stored makes the ids of each tenant its own, for those that are written to one
	// database; tenants counts them.
	stored  bool
	tenants uint32
}

// compiled are modules as each evaluator takes them.
type compiled struct {
	texts   map[string]string
	modules *policy.Modules
	library *policy.Library
}

// round makes the checks of rapid once.
func (c *comparison) round(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		c.checks++
		for i := range tenantsEach {
			x := c.draw(t, r)
			doc, err := x.snapshot.Document(x.subjects)
			require.NoError(r, err)
			graph, err := policy.NewGraph(doc)
			require.NoError(r, err)
			var stock *enginetest.Stock
			if i == 0 && c.checks%agentsEach == 1 && c.checks < 100 {
				stock, err = enginetest.Agent(t.Context(), t, c.library, doc, x.policies.texts)
				require.NoError(r, err)
			}
			for range questionsEach {
				c.ask(t, x, graph, stock)
			}
		}
	})
}

func (c *comparison) ask(t *testing.T, x *world, graph *policy.Graph, stock *enginetest.Stock) {
	subject := sample(x, "subject", slices.Concat(x.subjects, x.subjects, []*engine.Subject{nil}))
	q := x.question(subject)
	require.NoError(x.T, q.Validate(""))
	now := enginetest.Now().Add(sample(x, "now", moments()))
	want, err := enginetest.Ask(t.Context(), x.policies.library, graph, q, now)
	require.NoError(x.T, err)
	got := enginetest.Answer(x.snapshot.Decide(t.Context(), q, subject, now))
	c.codes[engine.Code(got.Code)]++
	c.questions++
	enginetest.Compare(x.T, want, got, "%+v at %s", q, now)
	if stock != nil {
		got, err := stock.Ask(t.Context(), q, now)
		require.NoError(x.T, err)
		enginetest.Compare(x.T, want, got, "stock opa: %+v at %s", q, now)
	}
}

// world is a random tenant.
type world struct {
	*rapid.T
	rows     engine.Rows
	tenant   uuid.UUID
	snapshot *engine.Snapshot
	subjects []*engine.Subject
	policies *compiled
	n        byte
	// nth tells the ids of one tenant from another's.
	nth uint32
}

// id is the next of a row, the same in every run.
func (x *world) id() uuid.UUID {
	x.n++
	id := uuid.UUID{0: 0xab, 15: x.n}
	binary.BigEndian.PutUint32(id[4:], x.nth)
	return id
}

func moments() []time.Duration {
	return []time.Duration{-12 * time.Hour, -1, 0, 1, time.Minute, 9 * time.Hour, 24 * time.Hour}
}

func (c *comparison) draw(t *testing.T, r *rapid.T) *world {
	x := &world{T: r}
	if c.stored {
		c.tenants++
		x.nth = c.tenants
	}
	x.tenant = x.id()
	x.resources()
	x.holders()
	x.permissions()
	x.chains()
	x.fields()
	x.workflows()
	x.policies = c.compile(t, x)
	x.rows.Policies = x.policies.modules
	zone, err := time.LoadLocation(sample(x, "zone", []string{"UTC", "Asia/Kolkata", "America/New_York"}))
	require.NoError(r, err)
	x.snapshot, err = engine.NewSnapshot(engine.Tenant{
		ID: x.tenant, Code: "ACME", Name: "Acme", Active: x.mostly("tenant active"), Location: zone,
		Conflict:   sample(x, "conflict", []string{engine.DenyOverrides, engine.MostSpecific}),
		AllowRules: !x.mostly("no allow rules"), AutoApprove: rapid.Bool().Draw(r, "auto approve"),
	}, &x.rows)
	require.NoError(r, err)
	for range usersEach {
		x.subjects = append(x.subjects, x.subject())
	}
	return x
}

// mostly is true nine times of ten.
func (x *world) mostly(label string) bool { return rapid.IntRange(0, 9).Draw(x.T, label) < 9 }

// oneOf is an index below n, or -1 for none.
func (x *world) oneOf(n int, label string) int {
	if n == 0 {
		return -1
	}
	return rapid.IntRange(-1, n-1).Draw(x.T, label)
}

func (x *world) resources() {
	paths := map[uuid.UUID]string{}
	for i := range rapid.IntRange(0, 8).Draw(x.T, "nodes") {
		n := models.Resource{
			ID: x.id(), TenantID: x.tenant, Type: sample(x, "type", types()), Code: sample(x, "code", ids()),
			IsActive: x.mostly("node active"), Attributes: models.Object(x.attributes()),
		}
		if slices.ContainsFunc(x.rows.Resources, func(o models.Resource) bool { return o.Type == n.Type && o.Code == n.Code }) {
			continue
		}
		n.Path = n.Code
		if p := x.oneOf(min(i, len(x.rows.Resources)), "parent"); p >= 0 {
			parent := x.rows.Resources[p].ID
			n.ParentID, n.Path = &parent, paths[parent]+"/"+n.Code
		}
		paths[n.ID] = n.Path
		x.rows.Resources = append(x.rows.Resources, n)
	}
}

func (x *world) holders() {
	for i := range rapid.IntRange(1, 6).Draw(x.T, "roles") {
		r := models.Role{
			ID: x.id(), TenantID: x.tenant, Name: string(rune('a' + i)), IsActive: x.mostly("role active"),
			Priority: rapid.IntRange(0, 2).Draw(x.T, "priority"),
		}
		if p := x.oneOf(i, "parent role"); p >= 0 {
			r.ParentRoleID = &x.rows.Roles[p].ID
		}
		x.rows.Roles = append(x.rows.Roles, r)
	}
	for i := range rapid.IntRange(0, 4).Draw(x.T, "groups") {
		g := models.Group{ID: x.id(), TenantID: x.tenant, Name: string(rune('p' + i)), IsActive: x.mostly("group active")}
		if p := x.oneOf(i, "parent group"); p >= 0 {
			g.ParentGroupID = &x.rows.Groups[p].ID
		}
		x.rows.Groups = append(x.rows.Groups, g)
		if r := x.oneOf(len(x.rows.Roles), "group role"); r >= 0 {
			x.rows.GroupRoles = append(x.rows.GroupRoles, models.GroupRole{GroupID: g.ID, RoleID: x.rows.Roles[r].ID})
		}
	}
}

func (x *world) permissions() {
	for range rapid.IntRange(3, 8).Draw(x.T, "permissions") {
		p := models.Permission{
			ID: x.id(), TenantID: x.tenant, Name: "p", IsActive: x.mostly("permission active"),
			Actions: sample(x, "actions", [][]string{{"*"}, {"read"}, {"read", "update"}, {"create"}, {"*", "read"}}),
			Effect:  sample(x, "effect", []string{"allow", "allow", "deny"}),
		}
		if p.Effect == "allow" && rapid.Bool().Draw(x.T, "names fields") {
			p.FieldPermissions = models.JSON(sample(x, "field permissions", fieldPermissions()))
		}
		if c := sample(x, "conditions", append([]string{"{}", "{}", "{}"}, conditions()...)); c != "{}" {
			p.Conditions = models.JSON(c)
		}
		if n := x.oneOf(len(x.rows.Resources), "node"); n >= 0 {
			p.ResourceID, p.ResourceType = &x.rows.Resources[n].ID, x.rows.Resources[n].Type
		} else {
			path := sample(x, "path type", append([]string{"*"}, types()...)) + "/" + sample(x, "glob", append(globs(), ids()...))
			p.ResourcePath = &path
			p.ResourceType, _, _ = strings.Cut(path, "/")
		}
		x.rows.Permissions = append(x.rows.Permissions, p)
		for _, r := range x.rows.Roles {
			if rapid.IntRange(0, 3).Draw(x.T, "owned") < 2 {
				x.rows.RolePermissions = append(x.rows.RolePermissions, models.RolePermission{RoleID: r.ID, PermissionID: p.ID})
			}
		}
	}
}

func (x *world) subject() *engine.Subject {
	s := &engine.Subject{
		ID: x.id(), TenantID: x.tenant, Email: "ann@acme.example", EmailVerified: x.mostly("verified"), IsActive: x.mostly("active"),
		IsServiceAccount: !x.mostly("person"), Attributes: x.attributes(),
	}
	if !x.mostly("unlocked") {
		s.LockedUntil = x.moment()
	}
	for range rapid.IntRange(1, 3).Draw(x.T, "assignments") {
		var a engine.Assignment
		if g := x.oneOf(len(x.rows.Groups), "group"); g >= 0 {
			a.Node = rbac.Group(x.rows.Groups[g].ID)
		} else {
			a.Node = rbac.Role(sample(x, "role", x.rows.Roles).ID)
		}
		if !x.mostly("from the beginning") {
			a.ValidFrom = x.moment()
		}
		if !x.mostly("without end") {
			a.ExpiresAt = x.moment()
		}
		s.Assignments = append(s.Assignments, a)
	}
	x.requests(s)
	return s
}

func (x *world) moment() *time.Time {
	t := enginetest.Now().Add(sample(x, "moment", moments()))
	if !x.mostly("near") {
		t = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
	}
	return &t
}

func (x *world) question(s *engine.Subject) *engine.Question {
	q := &engine.Question{
		TenantID: x.tenant, UserID: x.id(), Type: sample(x, "question type", append([]string{"page", "vessel", "page", "vessel"}, types()...)), ID: sample(x, "id", append(ids(), "", "other", "a/b/c")),
		Action: sample(x, "action", []string{"read", "update", "create", "shred"}), Attributes: x.attributes(),
	}
	if s != nil {
		q.UserID = s.ID
	}
	if n := x.oneOf(len(x.rows.Resources), "asked node"); n >= 0 {
		q.Type, q.ID = x.rows.Resources[n].Type, x.rows.Resources[n].Code
		if rapid.Bool().Draw(x.T, "by uuid") {
			q.ID = strings.ToUpper(x.rows.Resources[n].ID.String())
		}
	}
	if s != nil && len(s.Requests) > 0 && rapid.Bool().Draw(x.T, "as requested") {
		r := sample(x, "request", s.Requests)
		q.Type, q.ID = r.Type, r.ResourceID
		if r.Action != grants.AnyAction {
			q.Action = r.Action
		}
	}
	if rapid.Bool().Draw(x.T, "says something of the subject") {
		q.SubjectAttributes = x.attributes()
	}
	if rapid.Bool().Draw(x.T, "replaces something of the subject") {
		q.SubjectOverrides = x.attributes()
	}
	if rapid.Bool().Draw(x.T, "context") {
		q.Context = map[string]any{"ip": sample(x, "ip", []any{"10.1.2.3", "192.0.2.1", nil, json.Number("7")})}
		if rapid.Bool().Draw(x.T, "time given") {
			q.Context["time"] = sample(x, "time", []string{"2026-03-02T03:30:00Z", "2026-03-08T23:00:00-05:00"})
		}
		if rapid.Bool().Draw(x.T, "state given") {
			q.Context["workflow_state"] = sample(x, "state", []any{"s", "t", "u", "", nil, json.Number("1")})
		}
	}
	return q
}

func (x *world) attributes() map[string]any {
	values := []any{"x", "y", json.Number("1"), json.Number("1.0"), json.Number("9007199254740993"), true, nil, []any{"x", json.Number("1")}, map[string]any{"b": "x"}}
	return rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "a.b"}), rapid.SampledFrom(values), 0, 3).Draw(x.T, "attributes")
}

func types() []string { return []string{"page", "vessel", "entity", "api"} }

func ids() []string { return []string{"a", "b", "a/b", "vessel", "page", "api", "{a}"} }

func globs() []string { return []string{"*", "**", "a*", "a/*", "a**", "a/**", "*/b", "**/b", "{*"} }

func conditions() []string {
	return []string{
		`{"a": "x"}`, `{"a": {"ne": "x"}}`, `{"a": 1}`, `{"a": {"gt": 9007199254740992}}`, `{"a": null}`, `{"a": {"exists": true}}`, `{"a.b": "x"}`,
		`{"a": {"ref": "subject.attributes.a"}}`, `{"subject.attributes.a": "x"}`, `{"user_attributes.a.b": {"ne": "x"}}`, `{"b": {"in": {"ref": "subject.attributes.a"}}}`, `{"not": {"a": "x"}}`,
		`{"any_of": [{"a": "x"}, {"b": {"contains": "x"}}]}`, `{"all_of": [{"a": {"nin": ["x"]}}, {"not": {"b": 1}}]}`,
		`{"context.ip": {"cidr": "10.0.0.0/8"}}`, `{"time_range": ["22:00", "09:00"]}`, `{"context.time": {"weekday": ["mon"]}}`,
		`{"subject.email": {"suffix": "acme.example"}}`, `{"subject.is_service_account": false, "resource.path": {"exists": true}}`,
		`{"resource.id": {"in": ["a", "b"]}, "action.name": "read"}`, `{"a": {"matches": "^x"}}`, `{"resource.id": {"ref": "resource.attributes.b"}}`,
		`{"any_of": [{"subject.attributes.b": {"exists": true}}, {"resource.id": {"prefix": "a"}, "b": {"exists": false}}]}`, `{"tenant.code": "ACME", "resource.type": {"prefix": "p"}}`,
	}
}

func sample[T any](x *world, label string, from []T) T {
	return rapid.SampledFrom(from).Draw(x.T, label)
}
