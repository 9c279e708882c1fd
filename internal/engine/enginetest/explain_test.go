package enginetest_test

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/condition"
	"github.com/sentinel-access/sentinel/internal/engine/enginetest"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/models"
)

// explained counts what explanations held.
type explained struct {
	mu sync.Mutex
	// files is how many files of cases were explained.
	files        int
	codes, kinds map[string]int
	// untold are refusals without a change, by code.
	untold map[string]int
}

func newExplained() *explained {
	return &explained{codes: map[string]int{}, kinds: map[string]int{}, untold: map[string]int{}}
}

// matrix explains every case of a file.
func (e *explained) matrix(t *testing.T, d *db.DB, f *enginetest.File) {
	t.Helper()
	on := engine.New(engine.Config{DB: d, Library: enginetest.Library(t), AutoApprove: !f.World.NoAutoApprove, MaxStaleness: time.Hour})
	for _, c := range f.Cases {
		q := c.Question()
		if q.Validate("") != nil {
			continue
		}
		s, err := on.Snapshot(t.Context(), c.TenantID())
		if err != nil {
			continue // a tenant that is not there
		}
		var subject *engine.Subject
		require.NoError(t, d.InReadTx(identity.WithTenant(t.Context(), c.TenantID()), func(tx *db.Tx) (err error) {
			subject, err = engine.LoadSubject(tx, c.TenantID(), q.UserID)
			return err
		}))
		e.check(t, c.Name, s, q, subject, c.Now, nil)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.files++
}

// everyKind fails if a kind of change never came in so many files: in fewer, as
// -run leaves them, it need not.
func (e *explained) everyKind(t *testing.T, files int) {
	t.Helper()
	t.Logf("%v, changes %v, without any %v", e.codes, e.kinds, e.untold)
	if t.Failed() || e.files < files {
		return
	}
	for _, kind := range []string{"assign_role", "remove_role", "leave_group", "set_attribute", "activate", "workflow_state", "approval", "revoke_approval", "policy"} {
		require.Positive(t, e.kinds[kind], "%s never came", kind)
	}
}

// TestExplain_OfRandomTenants explains answers in random tenants.
func TestExplain_OfRandomTenants(t *testing.T) {
	t.Parallel()
	c := &comparison{library: enginetest.Library(t), policies: map[string]*compiled{}, codes: map[engine.Code]int{}}
	seen := newExplained()
	rapid.Check(t, func(r *rapid.T) {
		x := c.draw(t, r)
		for range 4 {
			subject := sample(x, "subject", x.subjects)
			q := x.question(subject)
			now := enginetest.Now().Add(sample(x, "now", moments()))
			seen.check(r, "random", x.snapshot, q, subject, now, x.with)
		}
	})
	t.Logf("%v\n%v\nuntold %v", seen.codes, seen.kinds, seen.untold)
}

// with returns the tenant with another node.
func (x *world) with(node uuid.UUID, edits []func(*models.Resource)) *engine.Snapshot {
	rows := x.rows
	rows.Resources = slices.Clone(rows.Resources)
	at := slices.IndexFunc(rows.Resources, func(r models.Resource) bool { return r.ID == node })
	for _, edit := range edits {
		edit(&rows.Resources[at])
	}
	s, err := engine.NewSnapshot(x.snapshot.Tenant, &rows)
	require.NoError(x.T, err)
	return s
}

type editing func(node uuid.UUID, edits []func(*models.Resource)) *engine.Snapshot

type failing interface {
	require.TestingT
	Helper()
}

// check explains one answer and holds the explanation to it.
func (e *explained) check(t failing, name string, s *engine.Snapshot, q *engine.Question, subject *engine.Subject, now time.Time, with editing) {
	t.Helper()
	ctx := context.Background()
	e.mu.Lock()
	defer e.mu.Unlock()
	want := s.Decide(ctx, q, subject, now)
	x := s.Explain(ctx, q, subject, now)
	e.codes[string(want.Code)]++
	enginetest.Compare(t, enginetest.Answer(want), enginetest.Answer(x.Decision()), "%s: the answer that is explained", name)
	require.Len(t, x.Steps, 8, name)
	require.NotEmpty(t, x.Summary, name)
	raw, err := json.Marshal(x)
	require.NoError(t, err, name)
	for _, list := range []string{"roles", "groups", "not_counting", "permissions", "policies", "fields", "changes"} {
		require.NotContains(t, string(raw), `"`+list+`":null`, name)
	}
	e.permissions(t, name, want, x)
	e.steps(t, name, want, x)
	for _, w := range x.Changes {
		require.NotEmpty(t, w.Summary, name)
		for _, c := range w.Together {
			e.kinds[c.Kind]++
		}
		if !w.Verified {
			require.Equal(t, engine.PolicyDeny, want.Code, name)
			continue
		}
		if s2, q2, subject2, ok := under(t, s, q, subject, w.Together, with); ok {
			got := s2.Decide(ctx, q2, subject2, now)
			require.NotEqual(t, want.Allowed, got.Allowed, "%s: %s: %s under %+v", name, want.Reason(), got.Reason(), w)
			require.Equal(t, w.Code, string(got.Code), "%s: %+v", name, w)
		}
	}
	if len(x.Changes) == 0 {
		e.untold[string(want.Code)]++
		require.False(t, x.Complete, name)
	}
	if x.Until != nil {
		require.NotEqual(t, want.Allowed, s.Decide(ctx, q, subject, *x.Until).Allowed, "%s: until %s", name, x.Until)
	}
}

func (e *explained) permissions(t failing, name string, want *engine.Decision, x *engine.Explanation) {
	t.Helper()
	counts, failed := []string{}, []string{}
	for _, p := range x.Permissions {
		require.Equal(t, p.Why == engine.WhyCounts, p.Counts, name)
		require.NotEmpty(t, p.Detail, name)
		if p.Counts {
			counts = append(counts, p.ID.String())
		}
		if p.Why == engine.WhyCondition {
			failed = append(failed, p.ID.String())
			require.NotNil(t, p.Conditions, name)
		}
	}
	slices.Sort(counts)
	slices.Sort(failed)
	switch want.Code { //nolint:exhaustive // of the others nothing matched
	case engine.Granted, engine.GrantedByApproval, engine.ApprovalRequired, engine.ExplicitDeny:
		require.Equal(t, want.MatchedIDs(), counts, "%s: %s", name, want.Reason())
	case engine.ConditionFailed:
		require.Equal(t, want.MatchedIDs(), failed, "%s: %s", name, want.Reason())
	}
}

func (e *explained) steps(t failing, name string, want *engine.Decision, x *engine.Explanation) {
	t.Helper()
	refused := []string{}
	for _, s := range x.Steps {
		if s.Outcome == engine.StepRefused {
			refused = append(refused, s.Step)
		}
	}
	refuses := map[engine.Code]string{
		engine.SubjectUnknown: "subject", engine.SubjectInactive: "subject", engine.TenantInactive: "subject", engine.ExplicitDeny: "conflict",
		engine.WorkflowState: "workflow", engine.PolicyDeny: "policies", engine.NotEvaluated: "policies", engine.NoMatchingPermission: "permissions",
		engine.ConditionFailed: "permissions", engine.ApprovalRequired: "approval",
	}[want.Code]
	if refuses == "" {
		require.Empty(t, refused, "%s: %s", name, want.Reason())
		return
	}
	require.Contains(t, refused, refuses, "%s: %s", name, want.Reason())
}

// under makes changes of an explanation by what they say of themselves. ok is
// false where a node would have to be another and none can be made.
func under(t failing, s *engine.Snapshot, q *engine.Question, subject *engine.Subject, changes []engine.ExplainedChange, with editing) (*engine.Snapshot, *engine.Question, *engine.Subject, bool) {
	t.Helper()
	raw, err := json.Marshal(changes)
	require.NoError(t, err)
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.UseNumber()
	var list []engine.ExplainedChange
	require.NoError(t, dec.Decode(&list))
	again := *q
	q = &again
	subject = other(subject)
	var edits []func(*models.Resource)
	for _, c := range list {
		lose := func(node string) {
			subject.Assignments = slices.DeleteFunc(slices.Clone(subject.Assignments), func(a engine.Assignment) bool { return a.Node == node })
		}
		switch c.Kind {
		case engine.ChangeAssignRole:
			subject.Assignments = append(slices.Clone(subject.Assignments), engine.Assignment{Node: rbac.Role(*c.RoleID)})
		case engine.ChangeRemoveRole:
			lose(rbac.Role(*c.RoleID))
		case engine.ChangeLeaveGroup:
			lose(rbac.Group(*c.GroupID))
		case engine.ChangeActivate:
			if c.Target == "tenant" {
				active := *s
				active.Tenant.Active = true
				s = &active
			} else {
				subject.IsActive, subject.LockedUntil = true, nil
			}
		case engine.ChangeApproval:
			r := engine.Request{ID: uuid.New(), Approved: true, Chain: *c.ChainID, Type: q.Type, ResourceID: q.ID, Action: q.Action}
			if n := s.Find(q.Type, q.ID); n != nil {
				r.Node, r.ResourceID = n.ID, n.Code
			}
			subject.Requests = append(slices.Clone(subject.Requests), r)
		case engine.ChangeRevoke:
			subject.Requests = slices.DeleteFunc(slices.Clone(subject.Requests), func(r engine.Request) bool { return r.ID == *c.RequestID })
		case engine.ChangeState:
			if c.SuppliedBy == engine.ByCaller {
				q.Context = put(q.Context, "workflow_state", c.State)
				continue
			}
			edits = append(edits, func(r *models.Resource) {
				config := map[string]any{}
				require.NoError(t, json.Unmarshal(r.WorkflowConfig, &config))
				config["state"] = c.State
				r.WorkflowConfig = models.Object(config)
			})
		case engine.ChangeAttribute:
			if c.SuppliedBy == engine.ByResource {
				edits = append(edits, func(r *models.Resource) {
					attributes := map[string]any{}
					dec := json.NewDecoder(strings.NewReader(string(r.Attributes)))
					dec.UseNumber()
					require.NoError(t, dec.Decode(&attributes))
					r.Attributes = models.Object(put(attributes, strings.TrimPrefix(c.Attribute, "resource.attributes."), c.Value.Value))
				})
				continue
			}
			attribute(t, q, subject, &c)
		default:
			require.Fail(t, "an unknown kind of change", c.Kind)
		}
	}
	if edits == nil {
		return s, q, subject, true
	}
	if with == nil {
		return nil, nil, nil, false
	}
	active := s.Tenant.Active
	s = with(s.Find(q.Type, q.ID).ID, edits)
	s.Tenant.Active = active
	return s, q, subject, true
}

func attribute(t failing, q *engine.Question, subject *engine.Subject, c *engine.ExplainedChange) {
	t.Helper()
	text, _ := c.Value.Value.(string)
	root, key, _ := strings.Cut(c.Attribute, ".")
	key = strings.TrimPrefix(key, "attributes.")
	switch {
	case c.Attribute == "subject.email":
		subject.Email, subject.EmailVerified = text, true
	case c.Attribute == "subject.username":
		subject.Username = text
	case c.Attribute == "subject.external_id":
		subject.ExternalID = text
	case root == "subject" && c.SuppliedBy == engine.BySubject:
		subject.Attributes = put(subject.Attributes, key, c.Value.Value)
	case root == "subject" && overrides(q, key):
		q.SubjectOverrides = put(q.SubjectOverrides, key, c.Value.Value)
	case root == "subject":
		q.SubjectAttributes = put(q.SubjectAttributes, key, c.Value.Value)
	case root == "resource":
		q.Attributes = put(q.Attributes, key, c.Value.Value)
	case root == "context":
		q.Context = put(q.Context, key, c.Value.Value)
	default:
		q.ActionProperties = put(q.ActionProperties, key, c.Value.Value)
	}
}

// overrides reports whether the caller's word replaces what is stored at a key.
func overrides(q *engine.Question, key string) bool {
	_, given := condition.Find(q.SubjectOverrides, key)
	return given
}

// put sets a member; "a.b" within "a" where that is an object and no member is
// named "a.b".
func put(m map[string]any, key string, v any) map[string]any {
	out := maps.Clone(m)
	if out == nil {
		out = map[string]any{}
	}
	head, rest, dotted := strings.Cut(key, ".")
	inner, isObject := out[head].(map[string]any)
	if _, whole := out[key]; dotted && isObject && !whole {
		out[head] = put(inner, rest, v)
		return out
	}
	out[key] = v
	return out
}

// other is a subject that can be changed.
func other(s *engine.Subject) *engine.Subject {
	return &engine.Subject{
		ID: s.ID, TenantID: s.TenantID, Email: s.Email, EmailVerified: s.EmailVerified, Username: s.Username, ExternalID: s.ExternalID,
		IsServiceAccount: s.IsServiceAccount, IsActive: s.IsActive, LockedUntil: s.LockedUntil, Attributes: s.Attributes,
		Assignments: s.Assignments, Requests: s.Requests,
	}
}
