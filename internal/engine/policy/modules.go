package policy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
)

// platformPath is where the platform's own modules stand in a library.
const platformPath = "sentinel/platform/"

// Modules are a tenant's policies and the platform's, compiled apart from the
// rest of the library: what the server needs of policies when it has resolved
// everything else. They never change and are safe for concurrent use.
type Modules struct {
	timeout  time.Duration
	compiler *ast.Compiler
	store    storage.Store
	modules  []module
}

// module is one with what the compiler found out.
type module struct {
	Module
	// rules are those of the asked rules that it has, and for each the query.
	rules []rule
	// readsClock is set when it could read the time.
	readsClock bool
	// readsResource is set when it could read more of the resource than its type.
	readsResource bool
}

type rule struct {
	name  string
	query ast.Body
}

// CompileModules compiles a tenant's modules, by path, such as "tenant/hours.rego",
// with the platform's modules of the library. It fails with [Violations] for what
// is wrong with a tenant's module.
func CompileModules(_ context.Context, lib *Library, texts map[string]string) (*Modules, error) {
	own, err := parseTenant(texts)
	if err != nil {
		return nil, err
	}
	platform := lib.below(platformPath)
	all, err := parse(platform)
	if err != nil {
		return nil, err
	}
	for path, m := range own {
		if _, ok := all[path]; ok {
			return nil, Violations{{File: path, Message: "the path is one of the library's"}}
		}
		all[path] = m
	}
	compiler := ast.NewCompiler().WithStrict(true).WithCapabilities(tenantCapabilities())
	if compiler.Compile(all); compiler.Failed() {
		return nil, violations(compiler.Errors)
	}
	var found Violations
	for path := range own {
		found.strays(compiler.Modules[path], path)
	}
	if err := found.err(); err != nil {
		return nil, err
	}
	m := &Modules{timeout: lib.cfg.Timeout, compiler: compiler, store: inmem.New()}
	for _, path := range slices.Sorted(maps.Keys(platform)) {
		if one, ok := platformModule(all[path]); ok {
			if err := m.add(one, path); err != nil {
				return nil, err
			}
		}
	}
	for _, path := range slices.Sorted(maps.Keys(own)) {
		one, _ := appliesTo(own[path])
		if err := m.add(one, path); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// below returns the library's modules in a folder.
func (l *Library) below(folder string) map[string]string {
	out := map[string]string{}
	for path, text := range l.modules {
		if strings.HasPrefix(path, folder) {
			out[path] = text
		}
	}
	return out
}

func union(sources ...map[string]string) map[string]string {
	out := map[string]string{}
	for _, s := range sources {
		maps.Copy(out, s)
	}
	return out
}

// platformModule reads what one of the platform's modules applies to: package
// sentinel.platform.<name>.
func platformModule(m *ast.Module) (Module, bool) {
	path := m.Package.Path
	if len(path) != 4 {
		return Module{}, false
	}
	one, _ := appliesTo(m)
	name, _ := path[3].Value.(ast.String)
	one.Root, one.Name = rootPlatform, string(name)
	return one, true
}

func (m *Modules) add(one Module, path string) error {
	c := module{Module: one, readsClock: readsAny(m.compiler, path, clockRefs()), readsResource: readsAny(m.compiler, path, resourceRefs())}
	of := m.compiler.Modules[path]
	for _, name := range askedRules() {
		has := slices.ContainsFunc(of.Rules, func(r *ast.Rule) bool { return r.Head.Ref()[0].Equal(ast.VarTerm(name)) })
		if !has || name == ruleAllow && one.Root != rootTenant {
			continue
		}
		query, err := m.compiler.QueryCompiler().Compile(ast.NewBody(ast.Equality.Expr(
			ast.NewTerm(of.Package.Path.Append(ast.StringTerm(name))), ast.NewTerm(saidVar),
		)))
		if err != nil {
			return fmt.Errorf("compile query for %s of %s: %w", name, path, err)
		}
		c.rules = append(c.rules, rule{name, query})
	}
	m.modules = append(m.modules, c)
	return nil
}

// readsAny reports whether a module, or one that it refers to, could read what is
// at one of places, by itself or with all around it.
func readsAny(compiler *ast.Compiler, path string, places []ast.Ref) bool {
	seen, queue := map[string]bool{path: true}, []string{path}
	for len(queue) > 0 {
		at := compiler.Modules[queue[0]]
		queue = queue[1:]
		found := false
		for _, rule := range at.Rules {
			ast.WalkRefs(rule, func(ref ast.Ref) bool {
				found = found || slices.ContainsFunc(places, func(place ast.Ref) bool { return reaches(ref, place) })
				for other, m := range compiler.Modules {
					if !seen[other] && reaches(ref, m.Package.Path) {
						seen[other] = true
						queue = append(queue, other)
					}
				}
				return false
			})
		}
		if found {
			return true
		}
	}
	return false
}

// clockRefs are where the time of the question is.
func clockRefs() []ast.Ref {
	return []ast.Ref{inputRef("context"), append(libRef(), ast.StringTerm("context"))}
}

// resourceRefs are what tells one resource of a type from another.
func resourceRefs() []ast.Ref {
	out := []ast.Ref{inputRef("resource", "id"), inputRef("resource", "attributes")}
	for _, name := range []string{"id", "path", "attributes"} {
		out = append(out, append(libRef(), ast.StringTerm("resource"), ast.StringTerm(name)))
	}
	return out
}

func inputRef(members ...string) ast.Ref {
	ref := ast.Ref{ast.InputRootDocument}
	for _, name := range members {
		ref = append(ref, ast.StringTerm(name))
	}
	return ref
}

// reaches reports whether a reference may lead into, or to something around, what
// is at path.
func reaches(ref, path ast.Ref) bool {
	for i := range min(len(ref), len(path)) {
		if i > 0 && !ref[i].IsGround() {
			continue
		}
		if !ref[i].Equal(path[i]) {
			return false
		}
	}
	return len(ref) > 0
}

// Index says which modules there are and when they matter, the platform's first.
// Those that are asked for nothing, since others only use them, are left out.
func (m *Modules) Index() []Module {
	out := []Module{}
	for i := range m.modules {
		if len(m.modules[i].rules) > 0 {
			out = append(out, m.modules[i].Module)
		}
	}
	return out
}

// Applies reports whether a module has a say about an action on a type. None has
// about the sections of the API, which are the platform's.
func (m *Modules) Applies(typ, action string) bool {
	return slices.ContainsFunc(m.modules, func(c module) bool { return c.applies(typ, action) })
}

// ReadsClock reports whether a module that has a say about an action on a type
// could read the time of the question.
func (m *Modules) ReadsClock(typ, action string) bool {
	return slices.ContainsFunc(m.modules, func(c module) bool { return c.readsClock && c.applies(typ, action) })
}

// ReadsResource returns what answers call a module that has a say about one of
// actions on a type and could tell one resource of the type from another, "" if
// there is none.
func (m *Modules) ReadsResource(typ string, actions ...string) string {
	for i := range m.modules {
		c := &m.modules[i]
		if c.readsResource && slices.ContainsFunc(actions, func(action string) bool { return c.applies(typ, action) }) {
			return c.policy()
		}
	}
	return ""
}

func (c *module) applies(typ, action string) bool {
	return len(c.rules) > 0 && typ != "api" && names(c.ResourceTypes, typ) && names(c.Actions, action)
}

// names reports whether a list has a word, or is empty, or has "*".
func names(list []string, word string) bool {
	return len(list) == 0 || slices.Contains(list, word) || slices.Contains(list, "*")
}

// With returns the whole library with a tenant's modules in it, which are held
// to the rules of [CompileModules].
func (l *Library) With(ctx context.Context, texts map[string]string) (*Library, error) {
	if _, err := CompileModules(ctx, l, texts); err != nil {
		return nil, err
	}
	out := &Library{cfg: l.cfg, modules: union(l.modules, texts), tests: l.tests}
	if len(out.modules) != len(l.modules)+len(texts) {
		return nil, errors.New("a tenant's module has the path of one of the library's")
	}
	parsed, err := parse(out.modules)
	if err != nil {
		return nil, err
	}
	out.compiler = newCompiler()
	if out.compiler.Compile(parsed); out.compiler.Failed() {
		return nil, violations(out.compiler.Errors)
	}
	return out, nil
}
