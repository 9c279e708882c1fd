package directory_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/engine/tenanttest"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

func workflow(t *testing.T, text string) directory.Workflow {
	t.Helper()
	var w directory.Workflow
	require.NoError(t, json.Unmarshal([]byte(text), &w))
	return w
}

func TestWorkflow_NamesEveryOffendingMember(t *testing.T) {
	t.Parallel()
	many := func(item string) string {
		return strings.TrimSuffix(strings.Repeat(item+",", 101), ",")
	}
	var actions []string
	for i := range 101 {
		actions = append(actions, fmt.Sprintf(`"a%d":[]`, i))
	}
	for name, c := range map[string]struct {
		text   string
		off    bool
		fields []string
	}{
		"a whole one": {text: `{"states":["draft","done"],"initial":"draft","state":"done","state_actions":{"draft":{"update":["role:0198c0de-0000-7000-8000-000000000001"],"*":["*"]},"done":{}}}`},
		"none":        {text: `{}`, off: true},
		"no rules":    {text: `{"states":["a"],"state":"a"}`},
		"no state":    {text: `{"states":["a"]}`, fields: []string{"p.state"}},
		"not yet":     {text: `{"states":["a"]}`, off: true},
		"a null":      {text: `{"states":null,"state":null}`, fields: []string{"p.state", "p.state"}},
		"no list":     {text: `{"states":"a","state":"a"}`, fields: []string{"p.states", "p.state"}},
		"too many":    {text: `{"states":[` + many(`"a"`) + `]}`, off: true, fields: []string{"p.states"}},
		"no rules at all": {
			text: `{"states":["a"],"state":"a","state_actions":[]}`, fields: []string{"p.state_actions"},
		},
		"too many actions": {text: `{"states":["a"],"state":"a","state_actions":{"a":{` + strings.Join(actions, ",") + `}}}`, fields: []string{"p.state_actions.a"}},
		"too many roles":   {text: `{"states":["a"],"state":"a","state_actions":{"a":{"read":[` + many(`"*"`) + `]}}}`, fields: []string{"p.state_actions.a.read"}},
		"roles of no form": {
			text:   `{"states":["a"],"state":"a","state_actions":{"a":{"read":["role:0198C0DE-0000-7000-8000-000000000001","role:","group:0198c0de-0000-7000-8000-000000000001",7,"role:{0198c0de-0000-7000-8000-000000000001}"]}}}`,
			fields: []string{"p.state_actions.a.read[0]", "p.state_actions.a.read[1]", "p.state_actions.a.read[2]", "p.state_actions.a.read[3]", "p.state_actions.a.read[4]"},
		},
		"strangers": {text: `{"states":["a"],"state":"b","start":"a","state_actions":{"b":{},"a":{"1":[]}}}`, fields: []string{"p.start", "p.state", "p.state_actions.a.1", "p.state_actions.b"}},
	} {
		var paths []string
		for _, f := range workflow(t, c.text).Validate(!c.off, "p.") {
			require.NotEmpty(t, f.Message)
			paths = append(paths, f.Path)
		}
		require.Equal(t, c.fields, paths, name)
	}
}

func TestWorkflow_BeginsInItsInitialState(t *testing.T) {
	t.Parallel()
	w := workflow(t, `{"states":["a","b"],"initial":"b"}`)
	w.Settle()
	require.Equal(t, "b", w["state"])
	w["state"] = "a"
	w.Settle()
	require.Equal(t, "a", w["state"])
	directory.Workflow(nil).Settle()
}

func TestWorkflow_NamesRolesThatTheTenantCanUse(t *testing.T) {
	t.Parallel()
	w := tenanttest.New(t, dbtest.New(t), engine.Config{})
	parent := w.Tenant()
	tenant, other := w.Child(parent, true), w.Tenant()
	own, inherited := w.Role(tenant, "own", 1, uuid.UUID{}), w.Role(parent, "inherited", 1, uuid.UUID{})
	foreign, none := w.Role(other, "foreign", 1, uuid.UUID{}), uuid.New()
	check := func(ids ...uuid.UUID) error {
		var roles []any
		for _, id := range ids {
			roles = append(roles, "role:"+id.String())
		}
		config := directory.Workflow{"states": []any{"a"}, "state_actions": map[string]any{"a": map[string]any{"read": append(roles, "*")}}}
		return w.DB.InTx(identity.WithTenant(t.Context(), tenant), func(tx *db.Tx) error {
			return config.CheckRoles(tx, "workflow_config.")
		})
	}
	require.NoError(t, check())
	require.NoError(t, check(own, inherited, tenanttest.Auditor))
	var f *fault.Error
	require.ErrorAs(t, check(own, foreign, none, tenanttest.SuperAdmin), &f)
	require.Equal(t, fault.NotFoundKind, f.Kind)
	var paths []string
	for _, field := range f.Fields {
		paths = append(paths, field.Path)
	}
	require.Equal(t, []string{"workflow_config.state_actions.a.read[1]", "workflow_config.state_actions.a.read[2]", "workflow_config.state_actions.a.read[3]"}, paths)
	w.SQL(`REVOKE EXECUTE ON FUNCTION sentinel.usable_roles() FROM sentinel_app`)
	err := check(own)
	require.Error(t, err)
	require.False(t, fault.Is(err, fault.NotFoundKind))
}
