package policy

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// capabilities returns what policies may call: an allow-list, since every
// release of OPA brings new built-ins. There is no network, no runtime, no
// randomness and no parsing of modules, and nothing whose cost is out of
// proportion to its arguments. The one thing that is no function of its
// arguments is time.now_ns, by which assignments are judged.
func capabilities() *ast.Capabilities {
	c := ast.CapabilitiesForThisVersion()
	c.Builtins = slices.DeleteFunc(c.Builtins, func(b *ast.Builtin) bool {
		return !slices.Contains(allowed(), b.Name)
	})
	c.AllowNet = []string{}
	return c
}

func allowed() []string {
	return []string{
		// comparison, assignment, arithmetic
		"abs", "assign", "ceil", "div", "eq", "equal", "floor", "gt", "gte", "lt", "lte", "minus", "mul", "neq", "plus", "rem", "round",
		// aggregates and membership
		"count", "internal.member_2", "internal.member_3", "max", "min", "product", "sort", "sum",
		// collections
		"and", "array.concat", "array.flatten", "array.reverse", "array.slice", "intersection", "numbers.range", "object.filter", "object.get", "object.keys",
		"object.remove", "object.subset", "object.union", "object.union_n", "or", "union",
		// graphs
		"graph.reachable",
		// text
		"concat", "contains", "endswith", "format_int", "glob.match", "glob.quote_meta", "indexof", "indexof_n", "lower", "regex.is_valid", "regex.match",
		"replace", "split", "sprintf", "startswith", "strings.any_prefix_match", "strings.any_suffix_match", "strings.count", "strings.reverse", "substring",
		"trim", "trim_left", "trim_prefix", "trim_right", "trim_space", "trim_suffix", "upper",
		// kinds
		"is_array", "is_boolean", "is_null", "is_number", "is_object", "is_set", "is_string", "to_number", "type_name",
		// addresses
		"net.cidr_contains", "net.cidr_intersects", "net.cidr_is_valid",
		// time
		"time.add_date", "time.clock", "time.date", "time.diff", "time.format", "time.now_ns", "time.parse_rfc3339_ns", "time.weekday",
		// test cases
		"internal.test_case",
	}
}

// tenantCapabilities are those of tenants' modules: the time is context.time,
// which the caller can set, so that a decision is a function of its input.
func tenantCapabilities() *ast.Capabilities {
	c := capabilities()
	c.Builtins = slices.DeleteFunc(c.Builtins, func(b *ast.Builtin) bool {
		return slices.Contains([]string{"time.now_ns", "internal.test_case"}, b.Name)
	})
	return c
}
