// Package policy evaluates the decision library in Rego with an embedded OPA,
// tests it and packs it as a bundle. It owns the sandbox and the deadline of an
// evaluation; it knows neither the database nor what the library decides.
package policy

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

// DefaultTimeout is the deadline of one evaluation when the configuration names
// none.
const DefaultTimeout = 50 * time.Millisecond

const (
	moduleSuffix = ".rego"
	testSuffix   = "_test.rego"
)

// Config says how a library evaluates.
type Config struct {
	// Timeout is the deadline of one evaluation; default [DefaultTimeout]. OPA
	// has no limit on steps or memory, so this alone ends a costly policy.
	Timeout time.Duration
}

// Library is a compiled decision library. It never changes and is safe for
// concurrent use.
type Library struct {
	cfg      Config
	compiler *ast.Compiler
	// modules and tests are the texts by path, such as
	// "sentinel/authz/authz.rego".
	modules map[string]string
	tests   map[string]string
}

// Load compiles every .rego file below fsys, strictly and inside the sandbox.
// Files that end in _test.rego are kept for [Library.SelfTest] only.
func Load(_ context.Context, fsys fs.FS, cfg Config) (*Library, error) {
	if cfg.Timeout <= 0 {
		cfg.Timeout = DefaultTimeout
	}
	l := &Library{cfg: cfg, modules: map[string]string{}, tests: map[string]string{}}
	err := fs.WalkDir(fsys, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, moduleSuffix) {
			return err
		}
		text, err := fs.ReadFile(fsys, path)
		if err != nil {
			return err
		}
		if strings.HasSuffix(path, testSuffix) {
			l.tests[path] = string(text)
		} else {
			l.modules[path] = string(text)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read policy library: %w", err)
	}
	if len(l.modules) == 0 {
		return nil, fmt.Errorf("read policy library: no %s files", moduleSuffix)
	}
	parsed, err := parse(l.modules)
	if err != nil {
		return nil, err
	}
	l.compiler = newCompiler()
	if l.compiler.Compile(parsed); l.compiler.Failed() {
		return nil, fmt.Errorf("compile policy library: %w", l.compiler.Errors)
	}
	return l, nil
}

func newCompiler() *ast.Compiler {
	return ast.NewCompiler().WithStrict(true).WithCapabilities(capabilities())
}

func parse(texts map[string]string) (map[string]*ast.Module, error) {
	out := make(map[string]*ast.Module, len(texts))
	for _, path := range slices.Sorted(maps.Keys(texts)) {
		m, err := ast.ParseModuleWithOpts(path, texts[path], ast.ParserOptions{
			RegoVersion:       ast.RegoV1,
			ProcessAnnotation: true,
			Capabilities:      capabilities(),
		})
		if err != nil {
			return nil, fmt.Errorf("parse policy library: %w", err)
		}
		out[path] = m
	}
	return out, nil
}
