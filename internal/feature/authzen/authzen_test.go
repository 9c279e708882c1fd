package authzen

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/approval"
	"github.com/sentinel-access/sentinel/internal/engine/asking"
	"github.com/sentinel-access/sentinel/internal/engine/tenanttest"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// bench is a tenant with an enforcement point, and the section over it.
type bench struct {
	*tenanttest.World
	*Service
	tenant, gate uuid.UUID
	ctx          context.Context //nolint:containedctx // the enforcement point's
}

func normalise(s string) (string, bool) {
	return strings.ToLower(strings.TrimSpace(s)), strings.Contains(s, "@")
}

func setup(t *testing.T) *bench {
	t.Helper()
	w := tenanttest.New(t, dbtest.New(t), engine.Config{})
	b := &bench{World: w, Service: &Service{DB: w.DB, Engine: w.Engine, NormaliseEmail: normalise}, tenant: w.Tenant()}
	role := w.Role(b.tenant, "gate", 500, uuid.Nil)
	w.Permission(b.tenant, role, "api/decisions", "allow", "", "execute")
	w.Permission(b.tenant, role, "api/users", "allow", "", "read")
	b.gate = b.account("gate", role)
	b.ctx = w.As(b.tenant, b.gate)
	return b
}

func (b *bench) account(name string, roles ...uuid.UUID) uuid.UUID {
	id := b.User(b.tenant, name)
	for _, role := range roles {
		b.Assign(b.tenant, id, role)
	}
	return id
}

func (b *bench) found(t *testing.T, names ...string) map[string]uuid.UUID {
	t.Helper()
	got, err := b.accounts(b.ctx, b.tenant, names)
	require.NoError(t, err)
	return got
}

func TestAccounts_AreFoundByTheirNames(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ann, bob, cid := b.account("ann"), b.account("bob"), b.account("cid")
	b.SQL("UPDATE sentinel.users SET external_id = 'A-1' WHERE id = $1", ann)
	b.SQL("UPDATE sentinel.users SET email_verified_at = NULL WHERE id = $1", bob)
	elsewhere := b.Tenant()
	other := b.User(elsewhere, "dee")
	require.Equal(t, map[string]uuid.UUID{
		"A-1": ann, "ANN@example.com": ann, "ann@example.com": ann, ann.String(): ann, strings.ToUpper(bob.String()): bob, " cid@example.com": cid,
	}, b.found(t, "A-1", "a-1", "ANN@example.com", "ann@example.com", ann.String(), strings.ToUpper(bob.String()), " cid@example.com",
		"bob@example.com", "{"+cid.String()+"}", "", "dee@example.com", other.String(), uuid.Nil.String(), "ann"))

	// What the API keeps from coming about is nobody rather than the wrong one.
	b.SQL("UPDATE sentinel.users SET external_id = 'ann@example.com' WHERE id = $1", cid)
	require.Equal(t, uuid.Nil, b.found(t, "ann@example.com")["ann@example.com"])
	require.Equal(t, ann, b.found(t, "A-1")["A-1"])
}

// TestAccounts_AreFoundByIndexes explains the query in a tenant that has many.
func TestAccounts_AreFoundByIndexes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.SQL(`
INSERT INTO sentinel.users (id, tenant_id, email, email_verified_at, external_id)
SELECT sentinel.uuid_v7(), $1, 'u' || n || '@example.com', now(), 'e' || n
FROM generate_series(1, 3000) AS n`, b.tenant)
	b.SQL("ANALYZE sentinel.users")
	var plan []string
	require.NoError(t, b.DB.InReadTx(b.ctx, func(tx *db.Tx) error {
		name := []string{"e7", "u7@example.com"}
		rows, err := tx.Pgx.Query(b.ctx, "EXPLAIN "+byName, b.tenant, name, name, []*uuid.UUID{&b.gate, nil})
		if err != nil {
			return err
		}
		plan, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	}))
	text := strings.Join(plan, "\n")
	for _, index := range []string{"users_external_id_key", "users_email_key"} {
		require.Contains(t, text, index)
	}
	require.NotContains(t, text, "Seq Scan on users")
}

// search makes the body of a search by JSON, as it arrives.
func search[T any](t *testing.T, text string) *T {
	t.Helper()
	var body T
	require.NoError(t, json.Unmarshal([]byte(text), &body))
	return &body
}

// TestSearches_ReadOnPageByPage reads all three to their ends with every size of
// page, and refuses tokens of other questions.
func TestSearches_ReadOnPageByPage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	role := b.Role(b.tenant, "crew", 100, uuid.Nil)
	b.Permission(b.tenant, role, "vessel/*", "allow", "", "read", "paint", "scrap", "sail")
	var last uuid.UUID
	for n := range 5 {
		last = b.account(fmt.Sprint("crew", n), role)
		b.SQL("INSERT INTO sentinel.resources (tenant_id, type, code, name) VALUES ($1, 'vessel', $2, $2)", b.tenant, fmt.Sprint("v", n))
	}
	b.account("ashore")
	type pager func(page string) (token string, names []string, err error)
	subject := func(body string) pager {
		return func(page string) (string, []string, error) {
			got, err := b.searchSubject(b.ctx, &SubjectSearchIn{Body: *search[SubjectSearchBody](t, body+`,"page":`+page+`}`)})
			if err != nil {
				return "", nil, err
			}
			return got.Body.Page.NextToken, namesOf(got.Body.Results), nil
		}
	}
	kinds := map[string]pager{
		"subject": subject(`{"subject":{"type":"user"},"action":{"name":"read"},"resource":{"type":"vessel","id":"v0"}`),
		"resource": func(page string) (string, []string, error) {
			got, err := b.searchResource(b.ctx, &ResourceSearchIn{Body: *search[ResourceSearchBody](t, `{"subject":{"type":"user","id":"`+last.String()+`"},"action":{"name":"read"},"resource":{"type":"vessel"},"page":`+page+`}`)})
			if err != nil {
				return "", nil, err
			}
			return got.Body.Page.NextToken, namesOf(got.Body.Results), nil
		},
		"action": func(page string) (string, []string, error) {
			got, err := b.searchAction(b.ctx, &ActionSearchIn{Body: *search[ActionSearchBody](t, `{"subject":{"type":"user","id":"`+last.String()+`"},"resource":{"type":"vessel","id":"v0"},"page":`+page+`}`)})
			if err != nil {
				return "", nil, err
			}
			var names []string
			for _, a := range got.Body.Results {
				names = append(names, a.Name)
			}
			return got.Body.Page.NextToken, names, nil
		},
	}
	tokens := map[string]string{}
	for kind, ask := range kinds {
		end, whole, err := ask(`{}`)
		require.NoError(t, err)
		require.Empty(t, end)
		require.Len(t, whole, map[string]int{"subject": 5, "resource": 5, "action": 4}[kind], kind)
		for limit := range 6 {
			var list []string
			page := fmt.Sprintf(`{"limit":%d}`, limit)
			token, names, err := ask(page)
			require.NoError(t, err)
			require.LessOrEqual(t, len(names), limit)
			if limit == 0 {
				require.NotEmpty(t, token, "it says where to begin")
			}
			for list = names; token != ""; list = append(list, names...) {
				tokens[kind] = token
				token, names, err = ask(fmt.Sprintf(`{"token":%q}`, token))
				require.NoError(t, err)
			}
			require.Equal(t, whole, list, "%s by %d", kind, limit)
		}
		token, _, err := ask(`{"limit":2}`)
		require.NoError(t, err)
		_, _, err = ask(fmt.Sprintf(`{"token":%q,"limit":2}`, token))
		require.NoError(t, err, "it may say again what it said")
		for _, changed := range []string{`,"limit":3`, `,"limit":0`, `,"properties":{"sort":"up"}`} {
			_, _, err = ask(fmt.Sprintf(`{"token":%q%s}`, token, changed))
			require.True(t, fault.Is(err, fault.Validation), "%s %s: %v", kind, changed, err)
		}
	}
	for kind, ask := range kinds {
		for other, token := range tokens {
			_, _, err := ask(fmt.Sprintf(`{"token":%q}`, token))
			require.Equal(t, kind == other, err == nil, "%s with the token of %s", kind, other)
		}
	}
	_, _, err := subject(`{"subject":{"type":"user"},"action":{"name":"paint"},"resource":{"type":"vessel","id":"v0"}`)(fmt.Sprintf(`{"token":%q}`, tokens["subject"]))
	require.True(t, fault.Is(err, fault.Validation), "another action")
}

func namesOf(list []Found) (names []string) {
	for _, f := range list {
		names = append(names, f.ID)
	}
	return names
}

func TestPage_BoundsItsLimit(t *testing.T) {
	t.Parallel()
	for given, want := range map[int]int{0: 0, 1: 1, 1000: 1000, 1001: 1000, 1 << 40: 1000} {
		got, err := (&Page{Limit: &given}).part("question")
		require.NoError(t, err)
		require.Equal(t, want, got.limit)
	}
	got, err := (&Page{}).part("question")
	require.NoError(t, err)
	require.Equal(t, 50, got.limit)
	for _, position := range []string{"x y", "-1 y", "1001 y", " y"} { // tokens can be forged: they give no right
		_, err := (&Page{Token: must(asking.NewCursor("question", httpapi.Object(nil))).Token(position)}).part("question")
		require.True(t, fault.Is(err, fault.Validation), position)
	}
	b := setup(t)
	body := search[SubjectSearchBody](t, `{"subject":{"type":"user"},"action":{"name":"read"},"resource":{"type":"vessel","id":"v0"}}`)
	body.Page.Token = must(asking.NewCursor(searchSubjectPath, body.Subject, body.Action, body.Resource, body.Context, b.tenant, body.Page.Properties)).Token("5 nobody")
	_, err = b.searchSubject(b.ctx, &SubjectSearchIn{Body: *body})
	require.True(t, fault.Is(err, fault.Validation), "%v", err)
}

func must(c *asking.Cursor, _ error) *asking.Cursor { return c }

// TestSearchSubject_NamesAccountsSoThatTheyAreFound evaluates every result.
func TestSearchSubject_NamesAccountsSoThatTheyAreFound(t *testing.T) {
	t.Parallel()
	b := setup(t)
	role := b.Role(b.tenant, "crew", 100, uuid.Nil)
	b.Permission(b.tenant, role, "vessel/*", "allow", "", "read")
	b.SQL("UPDATE sentinel.users SET external_id = 'badge 1' WHERE id = $1", b.account("ann", role))
	b.account("bob", role)
	cid := b.account("cid", role)
	b.SQL("UPDATE sentinel.users SET email_verified_at = NULL WHERE id = $1", cid)
	got, err := b.searchSubject(b.ctx, &SubjectSearchIn{Body: *search[SubjectSearchBody](t, `{"subject":{"type":"user"},"action":{"name":"read"},"resource":{"type":"vessel","id":"v0"}}`)})
	require.NoError(t, err)
	require.Equal(t, []string{"badge 1", "bob@example.com", cid.String()}, namesOf(got.Body.Results))
	for _, f := range got.Body.Results {
		d, err := b.evaluation(b.ctx, &EvaluationIn{Body: *search[EvaluationBody](t, `{"subject":{"type":"user","id":"`+f.ID+`"},"action":{"name":"read"},"resource":{"type":"vessel","id":"v0"}}`)})
		require.NoError(t, err)
		require.True(t, d.Body.Decision, f.ID)
	}
}

func TestView_SaysNothingThatWasNotAskedFor(t *testing.T) {
	t.Parallel()
	trusted := &asking.Caller{Trusted: true}
	text := func(c *asking.Caller, d *engine.Decision, explain bool) string {
		raw, err := json.Marshal(view(c, d, explain))
		require.NoError(t, err)
		return string(raw)
	}
	chain := &approval.Chain{ID: uuid.Max}
	for want, d := range map[string]*engine.Decision{
		`{"decision":true}`:  {Allowed: true, Code: engine.GrantedByApproval, Chain: chain, RequestID: &uuid.Max, Revision: "7", TTL: 30},
		`{"decision":false}`: {Code: engine.NotEvaluated, Revision: "7"},
		`{"decision":false,"context":{"approval":{"chain":"` + uuid.Max.String() + `","request":"` + uuid.Max.String() + `"}}}`: {Code: engine.ApprovalRequired, Chain: chain, RequestID: &uuid.Max},
	} {
		require.Equal(t, want, text(trusted, d, false))
		require.Equal(t, want, text(&asking.Caller{}, d, true), "only trusted callers are told why")
	}
	d := &engine.Decision{ID: uuid.Max, Allowed: true, Code: engine.Granted, Obligations: []map[string]any{{"type": "log", "policy": "tenant.watch"}}}
	require.JSONEq(t, `{"decision":true,"context":{"obligations":[{"type":"log"}]}}`, text(&asking.Caller{}, d, false))
	require.JSONEq(t, `{"decision":true,"context":{"obligations":[{"policy":"tenant.watch","type":"log"}]}}`, text(trusted, d, false))
}

// TestEvaluations_AssertSubjectsWhereTheAccountMay says properties of a subject by
// an account that may, and by one that may not.
func TestEvaluations_AssertSubjectsWhereTheAccountMay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	role := b.Role(b.tenant, "crew", 100, uuid.Nil)
	b.Permission(b.tenant, role, "vessel/*", "allow", `{"subject.attributes.level":{"gte":3}}`, "read")
	b.account("ann", role)
	body := search[EvaluationBody](t, `{"subject":{"type":"user","id":"ann@example.com","properties":{"level":3}},"action":{"name":"read"},"resource":{"type":"vessel","id":"v0"}}`)
	_, err := b.evaluation(b.ctx, &EvaluationIn{Body: *body})
	require.True(t, fault.Is(err, fault.Denied), "%v", err)
	require.ErrorContains(t, err, "subject.properties")
	b.SQL("UPDATE sentinel.users SET assert_subject = true WHERE id = $1", b.gate)
	require.NoError(t, b.World.Engine.Refresh(b.ctx, b.tenant))
	got, err := b.evaluation(b.ctx, &EvaluationIn{Body: *body})
	require.NoError(t, err)
	require.True(t, got.Body.Decision)
	found, err := b.searchSubject(b.ctx, &SubjectSearchIn{Body: *search[SubjectSearchBody](t, `{"subject":{"type":"user","properties":{"level":3}},"action":{"name":"read"},"resource":{"type":"vessel","id":"v0"}}`)})
	require.NoError(t, err)
	require.Equal(t, []string{"ann@example.com"}, namesOf(found.Body.Results))
}

func TestMetadata_RefusesAStrangeHost(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"", "a/b", "a b", "u:p@host", "host?x", "host#x"} {
		_, err := (&Service{}).metadata(t.Context(), &MetadataIn{Host: host})
		require.True(t, fault.Is(err, fault.Validation), host)
	}
	got, err := (&Service{}).metadata(t.Context(), &MetadataIn{Host: "[::1]:8080"})
	require.NoError(t, err)
	require.Equal(t, "http://[::1]:8080/access/v1/evaluation", got.Body.AccessEvaluationEndpoint)
}

// BenchmarkEvaluation is one decision with the look-up of its subject.
func BenchmarkEvaluation(b *testing.B) {
	w := tenanttest.New(b, dbtest.New(b), engine.Config{})
	s, tenant := &Service{DB: w.DB, Engine: w.Engine, NormaliseEmail: normalise}, w.Tenant()
	role := w.Role(tenant, "gate", 500, uuid.Nil)
	w.Permission(tenant, role, "api/decisions", "allow", "", "execute")
	gate := w.User(tenant, "gate")
	w.Assign(tenant, gate, role)
	ctx := w.As(tenant, gate)
	in := &EvaluationIn{Body: EvaluationBody{
		Subject: Subject{Type: "user", ID: "gate@example.com"}, Action: Action{Name: "read"}, Resource: Resource{Type: "vessel", ID: "v0"},
	}}
	for b.Loop() {
		if _, err := s.evaluation(ctx, in); err != nil {
			b.Fatal(err)
		}
	}
}

func TestSearchContext_IsThereWhereThereIsSomethingToSay(t *testing.T) {
	t.Parallel()
	require.Nil(t, beside(&SearchContext{Patterns: []Pattern{}}))
	for _, c := range []SearchContext{{DependsOn: []string{"context.ip"}}, {NotEvaluated: 1}, {Patterns: []Pattern{{}}}, {PatternsCut: true}} {
		require.Equal(t, &c, beside(&c))
	}
}
