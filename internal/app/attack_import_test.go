package app_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fileHeader is the header of a call that sends a file.
func fileHeader(path string) map[string]string {
	if strings.HasPrefix(path, "/imports") {
		return map[string]string{"Content-Type": jsonLines}
	}
	return nil
}

// settle waits until every import is written.
func (a *attack) settle(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		return len(a.column(t, "SELECT id::text FROM sentinel.imports WHERE status IN ('pending', 'running')")) == 0
	}, 30*time.Second, 10*time.Millisecond)
	// What failed would be kept, and bounds how many more there may be.
	_, err := a.owner.Exec(t.Context(), "UPDATE sentinel.imports SET status = 'cancelled' WHERE status = 'failed'")
	require.NoError(t, err)
}

// named is what an object of the tenant is called, or a system role.
func (a *attack) named(table string) string {
	names := a.column(a.t.(*testing.T), "SELECT name FROM sentinel."+table+" WHERE tenant_id = $1 ORDER BY id", a.ids["alpha"])
	if table == "roles" {
		names = append(names, "tenant_admin", "user_manager", "auditor", "super_admin")
	}
	if len(names) == 0 {
		return "nobody"
	}
	return pick(a, names)
}

// importMove is a file of some lines, each of which could be an attack.
func (a *attack) importMove() (path, body string) {
	line := func() string {
		switch a.IntN(9) {
		case 0:
			return fmt.Sprintf(`{"kind":"user","email":"%s@alpha.example","roles":[%q]}`, a.name(), a.named("roles"))
		case 1:
			return fmt.Sprintf(`{"kind":"user","email":"%s@alpha.example","groups":[%q]}`, a.name(), a.named("groups"))
		case 2:
			return fmt.Sprintf(`{"kind":"assignment","user":%q,"group":%q}`, a.any("users"), a.named("groups"))
		case 3:
			return fmt.Sprintf(`{"kind":"role","name":%q,"parent":%q}`, pick(a, []string{a.name(), a.named("roles")}), a.named("roles"))
		case 4:
			return fmt.Sprintf(`{"kind":"role","name":%q,"permissions":[%q],"is_active":%v}`, a.named("roles"), a.named("permissions"), a.IntN(2) == 0)
		case 5:
			return fmt.Sprintf(`{"kind":"permission","name":%q,"resource_path":%q,"actions":["*"],"roles":[%q]}`, pick(a, []string{a.name(), a.named("permissions")}),
				pick(a, []string{"*/*", "api/*", "api/users", "vessel/*"}), a.named("roles"))
		case 6:
			return fmt.Sprintf(`{"kind":"group","name":%q,"parent":%q}`, pick(a, []string{a.name(), a.named("groups")}), a.named("groups"))
		case 7:
			return fmt.Sprintf(`{"kind":"group","name":%q,"roles":[%q]}`, a.named("groups"), a.named("roles"))
		default:
			return fmt.Sprintf(`{"kind":"assignment","user":%q,"role":%q}`, a.any("users"), a.named("roles"))
		}
	}
	lines := make([]string, 1+a.IntN(4))
	for i := range lines {
		lines[i] = line()
	}
	return "/imports", strings.Join(lines, "\n")
}
