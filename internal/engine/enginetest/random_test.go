package enginetest_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/enginetest"
	"github.com/sentinel-access/sentinel/internal/engine/policy"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/models"
)

func (x *world) chains() {
	levels := models.JSON(`[{"level":1,"approvers":{"any_of":[{"role":"00000000-0000-0000-0000-000000000011","min":1}]},"timeout_hours":48,"final":true}]`)
	for i := range rapid.IntRange(0, 4).Draw(x.T, "chains") {
		c := models.ApprovalChain{
			ID: x.id(), TenantID: x.tenant, Name: chainName(i), ResourceType: sample(x, "chain type", []string{"page", "vessel", "entity", "*", "role"}),
			ResourcePattern: sample(x, "chain pattern", append(globs(), ids()...)), Mode: sample(x, "mode", []string{"gate", "escalation"}),
			ApprovalLevels: levels, IsActive: x.mostly("chain active"),
			CreatedAt: enginetest.Now().Add(sample(x, "chain created", []time.Duration{0, time.Minute})),
		}
		if rapid.Bool().Draw(x.T, "auto") {
			c.AutoApproveConditions = models.JSON(sample(x, "auto conditions", conditions()))
		}
		x.rows.Chains = append(x.rows.Chains, c)
	}
}

func chainName(i int) string { return fmt.Sprintf("chain-%d", i) }

func (x *world) fields() {
	for _, typ := range []string{"page", "vessel"} {
		for i, name := range fieldNames()[:rapid.IntRange(0, 3).Draw(x.T, "fields")] {
			x.rows.Fields = append(x.rows.Fields, models.FieldDefinition{
				EntityType: typ, FieldName: name, FieldType: []string{"core", "platform_dynamic", "tenant_specific"}[i],
				DataType: "string", DefaultVisibility: sample(x, "default", []string{"read", "write", "hidden"}), IsActive: x.mostly("field active"),
			})
		}
		if rapid.Bool().Draw(x.T, "b in a column") {
			column := bColumn
			x.rows.Fields = append(x.rows.Fields, models.FieldDefinition{
				EntityType: typ, FieldName: "b", FieldType: "core", DataType: "string", StorageColumn: &column, DefaultVisibility: "read", IsActive: x.mostly("b active"),
			})
		}
	}
}

// bColumn is where rows hold b, if the type has a definition of it.
const bColumn = "b_column"

func fieldNames() []string { return []string{"f", "g", "h"} }

func fieldPermissions() []string {
	return []string{`{"f": "read"}`, `{"f": "write", "g": "read"}`, `{"g": "hidden"}`, `{"g": "write", "h": "write"}`, `{"h": "read", "nothing": "write"}`}
}

func (x *world) workflows() {
	for i := range x.rows.Resources {
		if !rapid.Bool().Draw(x.T, "workflow") {
			continue
		}
		role := func(label string) string { return rbac.Role(sample(x, label, x.rows.Roles).ID) }
		config := map[string]any{
			"states": []string{"s", "t"}, "state": sample(x, "state", []string{"s", "s", "t", "u"}),
			"state_actions": map[string]any{
				"s": map[string]any{"read": []string{role("reader"), sample(x, "other", []string{"*", role("second")})}, "*": []string{role("every")}},
			},
		}
		if !x.mostly("state known") {
			delete(config, "state")
		}
		x.rows.Resources[i].WorkflowEnabled, x.rows.Resources[i].WorkflowConfig = x.mostly("workflow enabled"), models.Object(config)
	}
}

func (x *world) requests(s *engine.Subject) {
	for range rapid.IntRange(0, 5).Draw(x.T, "requests") {
		r := engine.Request{
			ID: x.id(), Approved: x.mostly("approved"), Chain: x.id(), Type: sample(x, "request type", types()),
			ResourceID: sample(x, "request id", append(ids(), "", "other", "a/b/c")), Action: sample(x, "request action", []string{"read", "update", "create", "*", "*"}),
		}
		if c := x.oneOf(len(x.rows.Chains), "request chain"); c >= 0 {
			r.Chain = x.rows.Chains[c].ID
			if typ := x.rows.Chains[c].ResourceType; typ != "*" && x.mostly("chain's type") {
				r.Type = typ
			}
		}
		if n := x.oneOf(len(x.rows.Resources), "request node"); n >= 0 {
			r.Node, r.Type, r.ResourceID = x.rows.Resources[n].ID, x.rows.Resources[n].Type, x.rows.Resources[n].Code
		}
		if !x.mostly("request without end") {
			r.ExpiresAt = x.moment()
		}
		s.Requests = append(s.Requests, r)
	}
}

// compile draws modules and compiles them unless they came before.
func (c *comparison) compile(t *testing.T, x *world) *compiled {
	n := rapid.IntRange(-2, len(policySets())-1).Draw(x.T, "policies")
	if p := c.policies[strconv.Itoa(max(n, -1))]; p != nil {
		return p
	}
	p := &compiled{texts: map[string]string{}}
	if n >= 0 {
		for _, m := range policySets()[n] {
			p.texts["tenant/"+m.Name+".rego"] = m.Text()
		}
	}
	var err error
	p.modules, err = policy.CompileModules(t.Context(), c.library, p.texts)
	require.NoError(x.T, err)
	p.library, err = c.library.With(t.Context(), p.texts)
	require.NoError(x.T, err)
	c.policies[strconv.Itoa(max(n, -1))] = p
	return p
}

// policySets are what random tenants publish. What they say depends on the
// question, so that few of them, each compiled once, make many answers.
func policySets() [][]enginetest.Policy {
	const attributes = "data.sentinel.lib.resource.attributes"
	deny := enginetest.Policy{Name: "deny", Rego: `deny contains {"reason": sprintf("%s: %v", [input.action, ` + attributes + `.a])} if ` + attributes + `.a in ["x", 1]

deny contains {"reason": "ends in b"} if endswith(data.sentinel.lib.resource.id, "b")`}
	stored := enginetest.Policy{Name: "stored", Types: []string{"vessel", "page"}, Rego: `deny contains {"note": k} if some k, "y" in ` + attributes + `

obligations contains {"type": "see", "tenant": data.sentinel.lib.tenant, "path": data.sentinel.lib.resource.path}`}
	duties := enginetest.Policy{Name: "duties", Actions: []string{"read", "update"}, Rego: `obligations contains {"type": "log", "roles": data.sentinel.lib.subject.roles}

obligations contains {"type": "mask", "of": k} if some k, _ in ` + attributes}
	broken := enginetest.Policy{Name: "broken", Types: []string{"page", "entity"}, Actions: []string{"update", "shred"}, Rego: `obligations contains ` + attributes + `.a

deny contains {"reason": "robots"} if data.sentinel.lib.subject.is_service_account`}
	shapes := enginetest.Policy{Name: "shapes", Actions: []string{"create", "shred"}, Rego: `deny := ` + attributes + `.b`}
	chains := enginetest.Policy{Name: "chains", Actions: []string{"read", "create"}, Rego: `require_approval contains {"chain": "chain-0"} if startswith(data.sentinel.lib.resource.id, "a")

require_approval contains {"chain": sprintf("chain-%d", [n])} if { some n in [1, 2]; ` + attributes + `.a == true }`}
	fields := enginetest.Policy{Name: "fields", Types: []string{"page", "vessel"}, Rego: `restrict_fields contains {"field": "f"} if { input.action == "read"; ` + attributes + `.a }

restrict_fields contains {"field": "g", "to": "read"} if input.action == "update"

restrict_fields contains {"field": ` + attributes + `.b} if input.action == "create"`}
	allow := enginetest.Policy{Name: "allow", Actions: []string{"read", "update"}, Rego: `allow contains input.user_id if not ` + attributes + `.a`}
	clock := enginetest.Policy{Name: "clock", Rego: `deny contains {"reason": "night"} if time.clock(time.parse_rfc3339_ns(data.sentinel.lib.context.time))[0] < 4

obligations contains {"context": data.sentinel.lib.context, "asked": object.get(input, "context", null)}`}
	everyone := enginetest.Policy{Name: "person", Rego: `obligations contains {"subject": data.sentinel.lib.subject, "action": data.sentinel.lib.action}`}
	alike := enginetest.Policy{Name: "alike", Actions: []string{"read", "update"}, Rego: `deny contains {"reason": "robots"} if data.sentinel.lib.subject.is_service_account

require_approval contains {"chain": "chain-0"} if data.sentinel.lib.subject.attributes.a == "x"

allow contains 1 if data.sentinel.lib.subject.attributes.b == "x"

obligations contains {"type": "log", "of": input.resource.type}`}
	return [][]enginetest.Policy{
		{alike},
		{deny},
		{stored},
		{duties},
		{broken},
		{shapes},
		{chains},
		{fields},
		{allow},
		{clock},
		{everyone},
		{fields, chains},
		{duties, deny, allow},
		{allow, broken, chains},
		{clock, fields, stored},
		{everyone, fields, shapes, chains},
	}
}
