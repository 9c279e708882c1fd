package engine_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/models"
)

// add gives a role a permission for reading any vessel, without looking names up.
func (g *ground) add(role, conditions string) {
	id, path := uuid.Must(uuid.NewV7()), "vessel/*"
	g.rows.Permissions = append(g.rows.Permissions, models.Permission{
		ID: id, TenantID: g.tenant.ID, Name: "p", Effect: "allow", Actions: []string{"read"}, ResourceType: "vessel", ResourcePath: &path, IsActive: true, Conditions: models.JSON(conditions),
	})
	g.rows.RolePermissions = append(g.rows.RolePermissions, models.RolePermission{TenantID: g.tenant.ID, RoleID: g.id(role), PermissionID: id})
}

// conjunction is a condition of many comparisons, each as form makes it of its
// number.
func conjunction(n int, form string) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = strings.ReplaceAll(form, "#", fmt.Sprint(i))
	}
	return `{"all_of": [` + strings.Join(parts, ",") + `]}`
}

// An explanation of what would take long to search says that it was cut.
func TestExplain_EndsInTime(t *testing.T) {
	t.Parallel()
	for name, build := range map[string]func(g *ground){
		"many roles that have nothing to do with the subject": func(g *ground) {
			for i := range 500 {
				role := fmt.Sprintf("role-%d", i)
				g.role(role, 1, false)
				for range 40 {
					g.add(role, fmt.Sprintf(`{"context.a": %d}`, i))
				}
			}
		},
		"conditions of many attributes": func(g *ground) {
			for range 30 {
				g.add("crew", conjunction(95, `{"context.a#": {"gt": 5}}`))
			}
		},
		"many conditions on few attributes": func(g *ground) {
			for range 30 {
				g.add("crew", conjunction(95, `{"context.a": {"between": [#, 2#]}}`))
			}
		},
		"alternatives of alternatives": func(g *ground) {
			for range 30 {
				g.add("crew", conjunction(10, `{"any_of": [{"context.a": {"in": [1,2,3,4,5,6,7,8,9,#]}}, {"context.b": {"in": [1,2,3,4,5,6,7,8,9,#]}}, {"context.c": {"in": [1,2,3,4,5,6,7,#]}}, {"context.d": {"gt": #}}, {"context.e": {"in": [1,2,3,4,5,6,7,#]}}]}`))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGround(t)
			build(g)
			s, err := engine.NewSnapshot(g.tenant, &g.rows)
			require.NoError(t, err)
			q := &engine.Question{TenantID: g.tenant.ID, UserID: g.subject.ID, Type: "vessel", ID: "v-1", Action: "read"}
			started := time.Now()
			x := s.Explain(t.Context(), q, &g.subject, g.now)
			took := time.Since(started)
			t.Logf("%s %d ways", took, len(x.Changes))
			require.False(t, x.Complete)
			require.Less(t, took, 20*time.Second)
		})
	}
}

func TestExplain_EndsInTimeWithSlowPolicies(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	g.policies(map[string]string{"slow": `deny contains {"reason": "n"} if {
	some i in numbers.range(1, 10000)
	some j in numbers.range(1, 24)
	i * j == -1
}`})
	for i := range 20 {
		role := fmt.Sprintf("role-%d", i)
		g.role(role, 1, false)
		g.add(role, fmt.Sprintf(`{"context.a": %d, "context.b": 1, "context.c": 2}`, i))
	}
	s, err := engine.NewSnapshot(g.tenant, &g.rows)
	require.NoError(t, err)
	q := &engine.Question{TenantID: g.tenant.ID, UserID: g.subject.ID, Type: "vessel", ID: "v-1", Action: "read"}
	started := time.Now()
	s.Decide(t.Context(), q, &g.subject, g.now)
	once := time.Since(started)
	x := s.Explain(t.Context(), q, &g.subject, g.now)
	took := time.Since(started) - once
	t.Logf("%s, one decision %s", took, once)
	require.Equal(t, engine.NoMatchingPermission, x.Decision().Code)
	require.False(t, x.Complete)
	// The search for changes alone would ask up to 300 times.
	require.Less(t, took, 10*time.Second+10*once)
}

// A value that may not be seen stays hidden where one change hands it to the next.
func TestExplain_HidesValuesThatAreHandedOn(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	g.node("vessel", "v-1", "", "")
	g.rows.Resources[len(g.rows.Resources)-1].Path = "/oslo-fjord/v-1"
	g.grant("crew", `allow read vessel/* ?{"context.berth": {"ref": "resource.path"}}`)
	g.grant("crew", `deny read vessel/* ?{"context.berth": {"prefix": "/o"}, "not": {"context.port": {"ref": "context.berth"}}}`)
	x := g.why("read vessel/v-1", engine.Question{Context: map[string]any{"berth": "quay-7"}})
	require.Len(t, x.Changes, 1)
	require.Len(t, x.Changes[0].Together, 2)
	require.Contains(t, ways(x)[0], "Have context.port be /oslo-fjord/v-1")
	x.Show(engine.Sight{Decisions: true, Permissions: true, Roles: true, Users: true})
	raw, err := json.Marshal(x)
	require.NoError(t, err)
	require.NotContains(t, string(raw), "oslo-fjord")
	require.Equal(t, []string{"api/resources:read"}, x.Missing)
}

// What a policy would oblige to may hold stored values. An answer that is refused
// does not have it, so that neither has its explanation.
func TestExplain_HidesObligationsOfWhatIsRefused(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	g.subject.Attributes["home"] = "oslo-fjord"
	g.policies(map[string]string{"mark": `import data.sentinel.lib

obligations contains {"mark": lib.subject.attributes.home}`})
	shown := func(sight engine.Sight) string {
		x := g.why("read vessel/v-1", engine.Question{})
		require.Equal(t, engine.NoMatchingPermission, x.Decision().Code)
		x.Show(sight)
		raw, err := json.Marshal(x)
		require.NoError(t, err)
		return string(raw)
	}
	require.Contains(t, shown(everything()), "oslo-fjord")
	for _, sight := range []engine.Sight{
		{Decisions: true, Permissions: true, Policies: true, Resources: true},
		{Decisions: true, Permissions: true, Policies: true, Users: true},
	} {
		require.NotContains(t, shown(sight), "oslo-fjord")
	}
}
