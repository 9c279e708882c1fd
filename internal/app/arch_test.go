package app_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/sentinel-access/sentinel/"

// mayImport says which parts of the module each part may import, as in the
// architecture: app -> feature -> engine, ai -> platform -> identity, models.
var mayImport = map[string][]string{
	"cmd":        {"app"},
	"app":        {"feature", "engine", "ai", "platform", "identity", "models", "migrations", "policies"},
	"feature":    {"engine", "ai", "platform", "identity", "models"},
	"engine":     {"engine", "platform", "identity", "models"},
	"ai":         {"ai", "platform", "identity", "models"},
	"platform":   {"platform", "identity", "models"},
	"identity":   {},
	"models":     {},
	"migrations": {},
	"policies":   {},
}

// forTests are packages that only tests import, free to set up what they need.
var forTests = []string{
	"internal/platform/db/dbtest", "internal/platform/httpapi/httpapitest", "internal/platform/limit/limittest",
	"internal/engine/enginetest", "internal/engine/tenanttest",
}

// owners are the only parts that may know a library.
var owners = map[string][]string{
	"github.com/gofiber/":             {"platform"},
	"github.com/danielgtaylor/huma/":  {"platform"},
	"github.com/valyala/fasthttp":     {"platform"},
	"github.com/spf13/cobra":          {"cmd"},
	"github.com/casbin/":              {"engine"},
	"github.com/open-policy-agent/":   {"engine"},
	"github.com/golang-jwt/":          {"platform"},
	"github.com/stretchr/testify":     {},
	"github.com/fergusstrange/":       {"platform"},
	"github.com/pressly/goose/":       {"migrations"},
	"github.com/alexedwards/argon2id": {"platform"},
	"github.com/wneessen/go-mail":     {"platform"},
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

func goList(t *testing.T, args ...string) []goPackage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-json=ImportPath,Imports"}, args...)...)
	cmd.Dir = filepath.Join("..", "..")
	out, err := cmd.Output()
	require.NoError(t, err)
	var packages []goPackage
	for decoder := json.NewDecoder(strings.NewReader(string(out))); decoder.More(); {
		var p goPackage
		require.NoError(t, decoder.Decode(&p))
		packages = append(packages, p)
	}
	return packages
}

// part names the part that a package of the module belongs to, and the folder
// within it.
func part(importPath string) (name, folder string) {
	path := strings.TrimPrefix(strings.TrimPrefix(importPath, module), "internal/")
	name, rest, _ := strings.Cut(path, "/")
	folder, _, _ = strings.Cut(rest, "/")
	return name, folder
}

func TestArch_PartsImportDownwardsOnly(t *testing.T) {
	t.Parallel()
	packages := goList(t, "./...")
	require.Greater(t, len(packages), 25)
	for _, p := range packages {
		from, fromFolder := part(p.ImportPath)
		if slices.Contains(forTests, strings.TrimPrefix(p.ImportPath, module)) {
			continue
		}
		allowed, known := mayImport[from]
		require.True(t, known, "%s is of no part that the architecture names", p.ImportPath)
		for _, imported := range p.Imports {
			for library, parts := range owners {
				if strings.HasPrefix(imported, library) {
					require.Contains(t, parts, from, "%s imports %s", p.ImportPath, imported)
				}
			}
			if !strings.HasPrefix(imported, module) {
				continue
			}
			require.NotContains(t, forTests, strings.TrimPrefix(imported, module), "%s imports a package for tests", p.ImportPath)
			to, toFolder := part(imported)
			if from == "feature" && to == "feature" {
				require.Equal(t, fromFolder, toFolder, "%s imports %s: features never import each other", p.ImportPath, imported)
				continue
			}
			require.Contains(t, allowed, to, "%s imports %s", p.ImportPath, imported)
		}
	}
}

// TestArch_DecidingKnowsNoHTTP looks at all that the engine is linked with.
func TestArch_DecidingKnowsNoHTTP(t *testing.T) {
	t.Parallel()
	for _, p := range goList(t, "-deps", "./internal/engine", "./internal/engine/change", "./internal/engine/granting", "./internal/engine/audit") {
		for _, library := range []string{"github.com/gofiber/", "github.com/danielgtaylor/huma/", module + "internal/platform/httpapi", module + "internal/feature"} {
			require.False(t, strings.HasPrefix(p.ImportPath, library), "the engine depends on %s", p.ImportPath)
		}
	}
}

// systemScope lists who may leave the caller's tenant: the declared reason, or
// Act, and why it is the right one. A new caller is added here, or asks in the
// tenant it works for.
var systemScope = map[string]string{
	"internal/app/maintain.go Maintain":             "Retention: partitions and old change records are of all tenants",
	"internal/app/maintain.go purge":                "Retention: what is past its time is deleted in all tenants",
	"internal/app/bootstrap.go requireAdmin":        "Bootstrap: there is no account yet that could ask",
	"internal/app/bootstrap.go makeAdmin":           "Bootstrap: the first account of the platform",
	"internal/app/demo.go SeedDemo":                 "Bootstrap: the demo tenant and platform-wide fields",
	"internal/engine/freshness.go poll":             "RevisionPoll: the counters of every tenant in memory, in one query",
	"internal/engine/load.go LoadSnapshot":          "Act: goes back to the tenant it began with",
	"internal/engine/load.go tenant":                "Act: the tenant and its ancestors",
	"internal/engine/load.go roles":                 "Act: roles of the ancestors from which the tenant inherits",
	"internal/engine/load.go groups":                "Act: back to the tenant, whose groups alone count",
	"internal/engine/load.go graph":                 "Act: hands it on, to read the groupings of the same tenants",
	"internal/engine/load.go permissions":           "Act: permissions of inherited and system roles",
	"internal/engine/state.go readShared":           "Act: roles and permissions of the tenants whose roles can be used, as load.go reads them",
	"internal/engine/tree.go readNodes":             "Act: back to the tenant, whose nodes alone count",
	"internal/engine/directory/platform.go Within":  "PlatformRows: field definitions and menu items of the platform, written by operators",
	"internal/engine/granting/touched.go below":     "SnapshotGraph: which tenants below use a role of this one; and Act back to it",
	"internal/feature/tenant/tenant.go list":        "OperatorListing: an operator in the platform's tenant lists all",
	"internal/feature/tenant/hierarchy.go idOf":     "OperatorListing: an operator finds any tenant by its code",
	"internal/feature/tenant/write.go insert":       "TenantTree: a tenant that is not there cannot be written in itself",
	"internal/feature/tenant/write.go delete":       "TenantTree: all rows of a tenant go with it",
	"internal/feature/session/client.go byKey":      "LoginTenant: a key names its account before the tenant is known",
	"internal/feature/session/login.go tenant":      "LoginTenant: whoever logs in has no tenant yet",
	"internal/feature/credential/forgot.go tenant":  "LoginTenant: whoever forgot a password has no tenant yet",
	"internal/app/keys.go chainKey":                 "Bootstrap: a secret of the installation belongs to no tenant",
	"internal/app/keys.go recordMaster":             "MasterKey: the event is the platform's",
	"internal/feature/session/keys.go read":         "SigningKeys: keys belong to no tenant",
	"internal/feature/session/rotate.go List":       "SigningKeys: keys belong to no tenant",
	"internal/feature/session/rotate.go Rotate":     "SigningKeys: keys belong to no tenant",
	"internal/platform/reseal/reseal.go run":        "MasterKey: what is encrypted at rest, of all tenants",
	"internal/platform/reseal/reseal.go attributes": "MasterKey: what is encrypted at rest, of all tenants",
}

func TestArch_SystemScopeHasListedCallersOnly(t *testing.T) {
	t.Parallel()
	found := map[string]string{}
	root := filepath.Join("..", "..")
	for _, dir := range []string{"internal", "cmd"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			name, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			name = filepath.ToSlash(name)
			if slices.Contains(forTests, filepath.ToSlash(filepath.Dir(name))) || strings.HasPrefix(name, "internal/platform/db/") {
				return nil
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			for caller, reason := range leavers(file) {
				found[name+" "+caller] = reason
			}
			return nil
		})
		require.NoError(t, err)
	}
	for caller, reason := range found {
		require.Contains(t, systemScope, caller, "a new caller of the system scope or of Act: list it with its reason")
		require.True(t, strings.HasPrefix(systemScope[caller], reason+": "), "%s says %s", caller, reason)
	}
	for caller := range systemScope {
		require.Contains(t, found, caller, "it leaves its tenant no longer: take it from the list")
	}
}

// leavers are the functions of a file that call InSystemTx, InSystemReadTx,
// Tx.Widened or Tx.Act, with the reason that they give. One that is passed on as a value has
// none, and so fits no list.
func leavers(file *ast.File) map[string]string {
	callers := map[string]string{}
	for _, decl := range file.Decls {
		name := "(package)"
		if f, ok := decl.(*ast.FuncDecl); ok {
			name = f.Name.Name
		}
		ast.Inspect(decl, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				s, ok := n.Fun.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				switch s.Sel.Name {
				case "Act":
					if callers[name] == "" {
						callers[name] = "Act"
					}
				case "InSystemTx", "InSystemReadTx", "Widened":
					for _, arg := range n.Args {
						if reason, ok := arg.(*ast.SelectorExpr); ok {
							callers[name] = reason.Sel.Name
						}
					}
				}
			case *ast.SelectorExpr:
				_, known := callers[name]
				switch {
				case known:
				case n.Sel.Name == "Act":
					callers[name] = "Act"
				case n.Sel.Name == "InSystemTx" || n.Sel.Name == "InSystemReadTx" || n.Sel.Name == "Widened":
					callers[name] = "no reason"
				}
			}
			return true
		})
	}
	return callers
}
