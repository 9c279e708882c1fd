package manifest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// large is a manifest of 10,000 nodes, 5,000 permissions, a part of them with
// conditions or on nodes, 1,000 roles in chains and 100 groups.
func large() Manifest {
	m := Manifest{Version: Version}
	for i := range 10_000 {
		s := directory.NodeSpec{Type: "site", Code: fmt.Sprintf("s%d", i), Name: fmt.Sprintf("Site %d", i), Attributes: httpapi.Object{"region": fmt.Sprint("r", i%50)}}
		if i > 0 {
			s.Parent = fmt.Sprintf("site:s%d", (i-1)/10)
		}
		m.Resources = append(m.Resources, s)
	}
	for i := range 5_000 {
		p := directory.PermissionSpec{Name: fmt.Sprintf("Permission %d", i), ResourcePath: fmt.Sprintf("site/s%d*", i), Actions: []string{"read", "update"}}
		switch i % 5 {
		case 0:
			p.ResourcePath, p.Node = "", fmt.Sprintf("site:s%d", i)
		case 1:
			p.Conditions = httpapi.Object{"resource.attributes.region": fmt.Sprint("r", i%50)}
		}
		m.Permissions = append(m.Permissions, Permission{PermissionSpec: p})
	}
	for i := range 1_000 {
		s := directory.RoleSpec{Name: fmt.Sprintf("role-%d", i), Priority: i % 900}
		if i%10 > 0 {
			s.Parent = fmt.Sprintf("role-%d", i-1)
		}
		for n := range 5 {
			s.Permissions = append(s.Permissions, fmt.Sprintf("Permission %d", i*5+n))
		}
		m.Roles = append(m.Roles, s)
	}
	for i := range 100 {
		m.Groups = append(m.Groups, directory.GroupSpec{Name: fmt.Sprintf("group-%d", i), Roles: []string{fmt.Sprintf("role-%d", i*10)}})
	}
	return m
}

// BenchmarkApply applies a large manifest to an empty tenant, then again, then
// with a change in every node, and exports it.
func BenchmarkApply(b *testing.B) {
	for b.Loop() {
		f := setup(b)
		m := large()
		apply := func(what string, changes int) {
			begin := time.Now()
			done, err := f.as(f.admin, m, true)
			f.noError(err)
			require.Len(b, done.Changes, changes)
			b.ReportMetric(time.Since(begin).Seconds(), what)
		}
		apply("s/first", 16_100)
		apply("s/again", 0)
		for i := range m.Resources {
			m.Resources[i].Attributes["region"] = "r0"
		}
		apply("s/nodes", 9_800)
		begin := time.Now()
		f.exported()
		b.ReportMetric(time.Since(begin).Seconds(), "s/export")
	}
}
