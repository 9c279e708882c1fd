// Package condition compiles and evaluates the conditions of permissions and
// approval chains: a JSON object in which each member must hold. It owns the
// condition language and its three-valued logic; it performs no I/O and knows
// neither permissions nor where attributes come from. The package
// sentinel.conditions in policies/ is the same language in Rego and gives the
// same answers.
//
// A comparison whose attribute or ref is missing, or of another kind than the
// comparison needs, is [Unknown], never an error.
package condition

import (
	"encoding/json"
	"fmt"
	"sort"
)

// Truth is a value of three-valued logic. The zero value is [False].
type Truth int8

// The truth values, ordered so that "and" is the least and "or" the greatest.
const (
	False Truth = iota
	Unknown
	True
)

// Not returns the negation; that of [Unknown] is [Unknown].
func (t Truth) Not() Truth { return True - t }

func (t Truth) String() string {
	switch t {
	case False:
		return "false"
	case True:
		return "true"
	default:
		return "unknown"
	}
}

func truth(b bool) Truth {
	if b {
		return True
	}
	return False
}

// The limits of one conditions object.
const (
	// MaxDepth is how deep any_of, all_of and not may nest, the outermost
	// object being 1.
	MaxDepth = 10
	// MaxMembers is the greatest number of comparisons and combinators.
	MaxMembers = 100
	// MaxList is the greatest number of values in a list.
	MaxList = 1000
	// MaxSize is the greatest size of the JSON text in bytes.
	MaxSize = 64 << 10
)

// Violation is one reason why conditions are refused.
type Violation struct {
	// Path leads to the offence inside the conditions object, such as
	// "amount.between[1]"; empty for the object as a whole.
	Path    string `json:"path"`
	Message string `json:"message"`
}

func (v Violation) String() string { return fmt.Sprintf("%s: %s", v.Path, v.Message) }

// Program is a compiled conditions object. It never changes and is safe for
// concurrent use. The nil Program holds always.
type Program struct {
	root *node
	// paths are the canonical paths that any comparison or ref reads, sorted.
	paths []string
	clock bool
}

// Compile reads a conditions object; null, nothing and {} hold always. It
// returns every violation. With violations the program is one that is always
// [Unknown], so that a caller who goes on regardless neither grants nor lifts a
// restraint.
func Compile(raw json.RawMessage) (*Program, []Violation) { return CompileFor(raw, nil) }

// CompileFor is [Compile] of conditions that may not read everything: forbidden
// says what is wrong with reading a canonical path, under a key or in a ref, ""
// if nothing is.
func CompileFor(raw json.RawMessage, forbidden func(path string) string) (*Program, []Violation) {
	c := compiler{seen: map[string]struct{}{}, forbidden: forbidden}
	root := c.document(raw)
	if len(c.violations) > 0 {
		return &Program{root: &node{op: opUnknown}}, c.violations
	}
	if root == nil {
		return nil, nil
	}
	p := &Program{root: root}
	for path := range c.seen {
		p.paths = append(p.paths, path)
		p.clock = p.clock || path == clockPath
	}
	sort.Strings(p.paths)
	return p, nil
}

// Eval returns the truth of the conditions. It allocates nothing for plain
// comparisons of strings and whole numbers.
func (p *Program) Eval(env *Env) Truth {
	if p == nil {
		return True
	}
	return p.root.eval(env)
}

// Matched returns the comparisons by which the conditions hold: the value found
// under each key, as the key is written. What stands under "not" is left out,
// since nothing in it holds. It is empty unless Eval is [True].
func (p *Program) Matched(env *Env) map[string]any {
	out := map[string]any{}
	if p != nil {
		p.root.matched(env, out)
	}
	return out
}

// ReadsClock reports whether any comparison reads context.time, so that the
// answer may change without a write.
func (p *Program) ReadsClock() bool { return p != nil && p.clock }

// Paths returns the canonical paths that the conditions read, sorted, such as
// "resource.attributes.amount". Not to be changed.
func (p *Program) Paths() []string {
	if p == nil {
		return nil
	}
	return p.paths
}
