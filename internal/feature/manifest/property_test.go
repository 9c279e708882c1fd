package manifest

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// odd are texts that files and other tenants are read wrongly by.
var odd = []string{
	"no", "yes", "on", "~", "null", "true", "1.0", "0755", "1e3", ".inf", "2026-01-02", "12:30", "a: b", "- a", "# a", "a #b", " a", "a ", "'", `"`, `\`,
	"é", "漢字", "🚢", "\u0085", "\u2028", "a\nb", "\ta", "*", "&a", "!x", "{}", "[]", "%", "@", "`", "00000000-0000-7000-8000-000000000001", "T1:x", "<<",
}

func text(t *rapid.T) string {
	return rapid.OneOf(rapid.SampledFrom(odd), rapid.StringMatching(`[a-z]{1,3}`)).Draw(t, "text")
}

func value(t *rapid.T, depth int) any {
	switch n := rapid.IntRange(0, 7).Draw(t, "value"); {
	case n == 0 && depth < 3:
		return map[string]any(object3(t, depth+1))
	case n == 1 && depth < 3:
		return []any{value(t, depth+1), value(t, depth+1)}
	case n == 2:
		return nil
	case n == 3:
		return rapid.Bool().Draw(t, "bool")
	case n <= 5:
		return json.Number(rapid.SampledFrom([]string{"0", "-0", "1", "1.0", "1.50", "-2e3", "1e300", "1e-300", "123456789012345678901234567890.123", "0.1"}).Draw(t, "number"))
	default:
		return text(t)
	}
}

func object3(t *rapid.T, depth int) httpapi.Object {
	o := httpapi.Object{}
	for range rapid.IntRange(0, 2).Draw(t, "members") {
		o[text(t)] = value(t, depth)
	}
	return o
}

func flag(t *rapid.T) *bool {
	switch rapid.IntRange(0, 2).Draw(t, "flag") {
	case 0:
		return nil
	case 1:
		yes := true
		return &yes
	default:
		no := false
		return &no
	}
}

// drawnWorkflow is one that the tenant can have.
func drawnWorkflow(t *rapid.T) map[string]any {
	return rapid.SampledFrom([]map[string]any{nil, {"states": []any{"a", "b"}, "state": "b"}, {"states": []any{"a"}, "initial": "a", "state_actions": map[string]any{"a": map[string]any{"read": []any{"*"}}}}}).Draw(t, "workflow")
}

// manifests draws a manifest that a tenant can have. Its permissions have names
// of a few, so that many share one; sets name those with a name of their own.
func manifests(t *rapid.T) Manifest {
	m := Manifest{Version: Version, Resources: []directory.NodeSpec{}, Permissions: []Permission{}, Roles: []directory.RoleSpec{}, Groups: []directory.GroupSpec{}, ApprovalChains: []ApprovalChain{}, Fields: []directory.FieldSpec{}, Menus: []MenuItem{}}
	for i := range rapid.IntRange(0, 4).Draw(t, "nodes") {
		s := directory.NodeSpec{Type: "t" + fmt.Sprint(i%2), Code: fmt.Sprintf("c%d é", i), Name: rapid.SampledFrom([]string{"", "no", "c0 é"}).Draw(t, "name"), Attributes: object3(t, 0), WorkflowConfig: drawnWorkflow(t), IsActive: flag(t)}
		if i > 0 && rapid.Bool().Draw(t, "below") {
			s.Parent = m.Resources[i-1].Ref().String()
		}
		m.Resources = append(m.Resources, s)
	}
	count := map[string]int{}
	for range rapid.IntRange(0, 5).Draw(t, "permissions") {
		s := Permission{PermissionSpec: directory.PermissionSpec{
			Name:         rapid.SampledFrom([]string{"no", "p", "00000000-0000-7000-8000-000000000001"}).Draw(t, "name"),
			ResourcePath: rapid.SampledFrom([]string{"*", "vessel/*", "page/a b/**"}).Draw(t, "path"),
			Actions:      rapid.SampledFrom([][]string{{"read"}, {"*"}, {"read", "write"}}).Draw(t, "actions"),
			Effect:       rapid.SampledFrom([]string{"", "allow", "deny"}).Draw(t, "effect"), IsActive: flag(t),
		}}
		if rapid.Bool().Draw(t, "conditional") {
			s.Conditions = httpapi.Object{"resource.attributes.a": rapid.SampledFrom([]any{"no", json.Number("1.0"), json.Number("1e20")}).Draw(t, "condition")}
		}
		if n := len(m.Resources); n > 0 && rapid.Bool().Draw(t, "on a node") {
			s.ResourcePath, s.Node = "", m.Resources[rapid.IntRange(0, n-1).Draw(t, "node")].Ref().String()
		}
		id := uuid.New()
		s.ID = &id
		count[s.Name]++
		m.Permissions = append(m.Permissions, s)
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "roles") {
		s := directory.RoleSpec{Name: fmt.Sprintf("%d%s", i, text(t)), DisplayName: text(t), Description: text(t), Priority: rapid.IntRange(0, 899).Draw(t, "priority"), IsAssignable: flag(t), IsActive: flag(t), Metadata: object3(t, 0), Permissions: []string{}}
		if i > 0 && rapid.Bool().Draw(t, "below") {
			s.Parent = m.Roles[i-1].Name
		}
		for _, p := range m.Permissions {
			if rapid.Bool().Draw(t, "owned") {
				s.Permissions = append(s.Permissions, p.ID.String())
			}
		}
		m.Roles = append(m.Roles, s)
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "groups") {
		s := directory.GroupSpec{Name: fmt.Sprintf("%d%s", i, text(t)), Description: text(t), IsActive: flag(t), Metadata: object3(t, 0), Roles: []string{}}
		if i > 0 && rapid.Bool().Draw(t, "below") {
			s.Parent = m.Groups[i-1].Name
		}
		for _, r := range m.Roles {
			if rapid.Bool().Draw(t, "has") {
				s.Roles = append(s.Roles, r.Name)
			}
		}
		m.Groups = append(m.Groups, s)
	}
	for i := range rapid.IntRange(0, min(2, len(m.Roles))).Draw(t, "chains") {
		m.ApprovalChains = append(m.ApprovalChains, drawnChain(t, i, m.Roles))
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "fields") {
		m.Fields = append(m.Fields, directory.FieldSpec{
			EntityType: "vessel", FieldName: fmt.Sprintf("f%d", i), FieldType: rapid.SampledFrom([]string{"core", "platform_dynamic", "tenant_specific"}).Draw(t, "tier"),
			DisplayName: text(t), DefaultVisibility: rapid.SampledFrom([]string{"", "read", "hidden"}).Draw(t, "visibility"), IsPII: rapid.Bool().Draw(t, "pii"), IsActive: flag(t),
		})
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "menus") {
		s := MenuItem{MenuSpec: directory.MenuSpec{Name: fmt.Sprintf("m%d", i), DisplayName: text(t), DisplayOrder: rapid.IntRange(-2, 2).Draw(t, "order"), IsVisible: flag(t), Metadata: object3(t, 0)}}
		if i > 0 && rapid.Bool().Draw(t, "below") {
			s.Parent = m.Menus[i-1].Name
		}
		if n := len(m.Resources); n > 0 && rapid.Bool().Draw(t, "on a node") {
			s.Node = m.Resources[rapid.IntRange(0, n-1).Draw(t, "node")].Ref().String()
		}
		m.Menus = append(m.Menus, s)
	}
	return m
}

// drawnChain is a chain whose approvers are some of the roles, in the short form
// or the long one.
func drawnChain(t *rapid.T, i int, roles []directory.RoleSpec) ApprovalChain {
	var names []string
	for _, r := range roles {
		names = append(names, r.Name)
	}
	s := ApprovalChain{
		Name: fmt.Sprintf("%d%s", i, text(t)), Description: text(t), ResourceType: rapid.SampledFrom([]string{"*", "vessel"}).Draw(t, "type"),
		ResourcePattern: rapid.SampledFrom([]string{"", "*", "a b/*"}).Draw(t, "pattern"), Mode: rapid.SampledFrom([]string{"", "gate", "escalation"}).Draw(t, "mode"),
		MaxDurationHours: rapid.IntRange(0, 2).Draw(t, "hours"), IsActive: flag(t),
	}
	if rapid.Bool().Draw(t, "auto") {
		s.AutoApproveConditions = httpapi.Object{"resource.attributes.a": rapid.SampledFrom([]any{"no", json.Number("1.0")}).Draw(t, "condition")}
	}
	n := rapid.IntRange(1, 3).Draw(t, "levels")
	for number := 1; number <= n; number++ {
		l := ChainLevel{Level: number, TimeoutHours: rapid.IntRange(0, 2).Draw(t, "timeout"), Final: rapid.Bool().Draw(t, "final")}
		if number < n && rapid.Bool().Draw(t, "escalates") {
			l.EscalateToLevel = n
		}
		if rapid.Bool().Draw(t, "short") {
			l.ApproverRole, l.MinApprovals = rapid.SampledFrom(names).Draw(t, "role"), rapid.IntRange(0, 2).Draw(t, "min")
		} else {
			var list []ChainApprover
			for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 1, min(2, len(names)), rapid.ID[string]).Draw(t, "approvers") {
				list = append(list, ChainApprover{Role: name, Min: rapid.IntRange(0, 2).Draw(t, "min")})
			}
			l.Approvers = &ChainApprovers{AnyOf: list}
			if rapid.Bool().Draw(t, "all") {
				l.Approvers = &ChainApprovers{AllOf: list}
			}
		}
		s.ApprovalLevels = append(s.ApprovalLevels, l)
	}
	return s
}

// TestManifest_RoundTrips applies random manifests to one tenant, each over the
// last: applied twice it changes nothing, and neither does what is exported.
func TestManifest_RoundTrips(t *testing.T) {
	t.Parallel()
	f := setup(t)
	rapid.Check(t, func(r *rapid.T) {
		m := manifests(r)
		_, err := f.as(f.admin, m, true)
		f.noError(err)
		require.Empty(t, f.planned(m, true).Changes, "applied twice")
		f.settled()
	})
}
