package policy

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

const (
	// MaxModules is how many modules a tenant may have.
	MaxModules = 500
	// MaxModuleBytes is how long the text of one may be.
	MaxModuleBytes = 256 << 10
)

// Root of a module.
const (
	rootPlatform = "platform"
	rootTenant   = "tenant"
)

// rules are what modules are asked for; allowRule only a tenant's, and only where
// the operator lets them.
const (
	ruleDeny     = "deny"
	ruleDuties   = "obligations"
	ruleApproval = "require_approval"
	ruleRestrict = "restrict_fields"
	ruleAllow    = "allow"
)

func askedRules() []string {
	return []string{ruleDeny, ruleDuties, ruleApproval, ruleRestrict, ruleAllow}
}

var (
	moduleName  = regexp.MustCompile(`^[a-z][a-z0-9_]{0,99}$`)
	typeOrAny   = regexp.MustCompile(`^([a-z][a-z0-9_]{0,99}|\*)$`)
	actionOrAny = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9_.:-]{0,99}|\*)$`)
	// wordAppliesTo finds what is meant as custom.applies_to in a comment.
	wordAppliesTo = regexp.MustCompile(`(?i)\bapplies[_-]?to["']?\s*:`)
	importSystem  = []string{"rego", "future"}
)

// parseTenant parses a tenant's modules, by path, and refuses what the text alone
// shows to be wrong.
func parseTenant(texts map[string]string) (map[string]*ast.Module, error) {
	var found Violations
	if len(texts) > MaxModules {
		found.add(nil, "a tenant has at most %d modules", MaxModules)
		return nil, found.err()
	}
	out := make(map[string]*ast.Module, len(texts))
	seen := map[string]string{}
	for _, path := range slices.Sorted(maps.Keys(texts)) {
		whole := &ast.Location{File: path}
		if len(texts[path]) > MaxModuleBytes {
			found.add(whole, "a module has at most %d bytes", MaxModuleBytes)
			continue
		}
		m, err := ast.ParseModuleWithOpts(path, texts[path], ast.ParserOptions{
			RegoVersion: ast.RegoV1, ProcessAnnotation: true, Capabilities: tenantCapabilities(),
		})
		if err != nil {
			more, ok := violations(err).(Violations) //nolint:errorlint // made by violations, never wrapped
			if !ok {
				return nil, fmt.Errorf("parse %s: %w", path, err)
			}
			found = append(found, more...)
			continue
		}
		out[path] = m
		found.module(m)
		found.strays(m, path)
		name := nameOf(m)
		if other, ok := seen[name]; ok {
			found.add(m.Package.Location, "the package tenant.%s is that of %s too", name, other)
		}
		seen[name] = path
	}
	return out, found.err()
}

// nameOf returns the name of a module in package tenant.<name>, "" for any other.
func nameOf(m *ast.Module) string {
	path := m.Package.Path
	if len(path) != 3 || !path[1].Equal(ast.StringTerm(rootTenant)) {
		return ""
	}
	name, _ := path[2].Value.(ast.String)
	if !moduleName.MatchString(string(name)) {
		return ""
	}
	return string(name)
}

// module refuses another package; "with", whose effects differ between what is
// resolved before and what is read from the graph; print; what runs on past the
// deadline; and what would be passed over.
func (v *Violations) module(m *ast.Module) {
	if nameOf(m) == "" {
		v.add(m.Package.Location, "must be package tenant.<name>, the name of small letters, digits and underscores")
	}
	for _, i := range m.Imports {
		path, _ := i.Path.Value.(ast.Ref)
		if len(path) > 0 && slices.ContainsFunc(importSystem, func(s string) bool { return path[0].Equal(ast.VarTerm(s)) }) {
			continue
		}
		if message := strayRef(path); message != "" {
			v.add(i.Location, "%s", message)
		}
	}
	ast.WalkWiths(m, func(w *ast.With) bool {
		v.add(w.Location, "with is for tests")
		return false
	})
	ast.WalkExprs(m, func(e *ast.Expr) bool {
		if e.IsCall() && e.Operator().Equal(ast.Print.Ref()) {
			v.add(e.Location, "print is for tests: an agent would write down what policies may read")
		}
		return false
	})
	v.ranges(m)
	_, more := appliesTo(m)
	*v = append(*v, more...)
	v.ignored(m)
}

// ignored refuses what OPA would pass over without a word, so that a module would
// be asked about more, or about less, than its author thinks.
func (v *Violations) ignored(m *ast.Module) {
	asked := false
	for _, r := range m.Rules {
		name := string(r.Head.Ref()[0].Value.(ast.Var))
		meant, ok := askedName(name)
		switch {
		case ok && meant != name:
			v.add(r.Location, "%s is never asked for: %s is", name, meant)
		case ok && len(r.Head.Args) > 0:
			v.add(r.Location, "%s must be a set, not a function", name)
		}
		asked = asked || ok
	}
	limited := slices.IndexFunc(m.Annotations, func(a *ast.Annotations) bool { return a.Custom["applies_to"] != nil })
	if limited < 0 {
		for _, c := range m.Comments {
			if wordAppliesTo.Match(c.Text) {
				v.add(c.Location, "applies_to is not read here: it belongs under custom, in a block that begins with # METADATA before the package")
			}
		}
	} else if !asked {
		v.add(m.Annotations[limited].Location, "has custom.applies_to and no rule that is asked for: %s", strings.Join(askedRules(), ", "))
	}
}

// askedName returns the rule that is asked for whose name is given, or is given
// but for capitals and underscores.
func askedName(name string) (string, bool) {
	plain := func(s string) string { return strings.ToLower(strings.ReplaceAll(s, "_", "")) }
	i := slices.IndexFunc(askedRules(), func(rule string) bool { return plain(rule) == plain(name) })
	if i < 0 {
		return "", false
	}
	return askedRules()[i], true
}

// maxRange is how many numbers one numbers.range may make.
const maxRange = 10_000

// ranges refuses numbers.range where the module does not show how many numbers it
// makes: OPA makes them all before it looks at the deadline.
func (v *Violations) ranges(m *ast.Module) {
	check := func(at *ast.Location, operator *ast.Term, operands []*ast.Term) {
		if !operator.Equal(ast.NewTerm(ast.NumbersRange.Ref())) || len(operands) >= 2 && isShort(operands[0], operands[1]) {
			return
		}
		v.add(at, "numbers.range must be of two whole numbers that are written out, for at most %d numbers", maxRange)
	}
	ast.WalkExprs(m, func(e *ast.Expr) bool {
		if e.IsCall() {
			check(e.Location, e.OperatorTerm(), e.Operands())
		}
		return false
	})
	ast.WalkTerms(m, func(t *ast.Term) bool {
		if call, ok := t.Value.(ast.Call); ok {
			check(t.Location, call[0], call[1:])
		}
		return false
	})
}

// isShort reports whether the numbers from one to another are few.
func isShort(from, to *ast.Term) bool {
	a, isNumber := from.Value.(ast.Number)
	b, areNumbers := to.Value.(ast.Number)
	if !isNumber || !areNumbers {
		return false
	}
	first, ok := a.Int64()
	last, both := b.Int64()
	// What is too big a difference for its kind is no small number without a sign.
	return ok && both && uint64(max(first, last))-uint64(min(first, last)) < maxRange //nolint:gosec // meant to wrap
}

// strays refuses references to what tenants' modules may not read. Those through
// an import show in a compiled module only.
func (v *Violations) strays(m *ast.Module, path string) {
	for _, rule := range m.Rules {
		ast.WalkTerms(rule, func(t *ast.Term) bool {
			if ref, ok := t.Value.(ast.Ref); ok {
				if message := strayRef(ref); message != "" {
					at := t.Location
					if at == nil || at.Row == 0 {
						at = rule.Location
					}
					v.add(&ast.Location{File: path, Row: at.Row, Col: at.Col}, "%s", message)
				}
			}
			return false
		})
	}
}

// strayRef says what is wrong with a reference, "" if nothing is.
func strayRef(ref ast.Ref) string {
	if len(ref) == 0 {
		return ""
	}
	switch {
	case ref[0].Equal(ast.InputRootDocument):
		if len(ref) > 1 && ref[1].Equal(ast.StringTerm("resolved")) {
			return "must not read input.resolved"
		}
	case ref[0].Equal(ast.DefaultRootDocument):
		if ref.HasPrefix(libRef()) || len(ref) > 1 && ref[1].Equal(ast.StringTerm(rootTenant)) {
			return ""
		}
		return "must read nothing but input, data.tenant and data.sentinel.lib, not " + ref.String()
	}
	return ""
}

func libRef() ast.Ref {
	return ast.Ref{ast.DefaultRootDocument, ast.StringTerm("sentinel"), ast.StringTerm("lib")}
}

// appliesTo reads custom.applies_to of the package's annotations.
func appliesTo(m *ast.Module) (Module, Violations) {
	out := Module{Root: rootTenant, Name: nameOf(m), ResourceTypes: []string{}, Actions: []string{}}
	var found Violations
	for _, a := range m.Annotations {
		given, ok := a.Custom["applies_to"]
		if !ok {
			continue
		}
		if a.Scope != "package" {
			found.add(a.Location, "custom.applies_to must be of the package")
			continue
		}
		members, ok := given.(map[string]any)
		if !ok {
			found.add(a.Location, "custom.applies_to must hold resource_types, actions or both")
		}
		for _, name := range slices.Sorted(maps.Keys(members)) {
			switch name {
			case "resource_types":
				out.ResourceTypes = found.names(a.Location, name, members[name], typeOrAny)
				if slices.Contains(out.ResourceTypes, "api") {
					found.add(a.Location, "custom.applies_to.resource_types names api: policies have no say about the sections of this API")
				}
			case "actions":
				out.Actions = found.names(a.Location, name, members[name], actionOrAny)
			default:
				found.add(a.Location, "custom.applies_to.%s is unknown: resource_types and actions are known", name)
			}
		}
	}
	return out, found
}

func (v *Violations) names(at *ast.Location, name string, given any, each *regexp.Regexp) []string {
	list, ok := given.([]any)
	out := []string{}
	for _, one := range list {
		text, isText := one.(string)
		ok = ok && isText && each.MatchString(text)
		out = append(out, text)
	}
	if !ok {
		v.add(at, "custom.applies_to.%s must be a list of names, or of \"*\"", name)
	}
	return out
}
