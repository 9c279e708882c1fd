package engine

import "github.com/sentinel-access/sentinel/internal/engine/grants"

// FoundPattern is what a subject may do with instances that are not registered.
type FoundPattern struct {
	// Type is "*" for every type but the API's.
	Type string
	// Pattern is a glob, as that of a permission: "*" is every id.
	Pattern string
	// Actions are those allowed, with "*" where that is every one.
	Actions []string
	// Conditional is set if it depends on the question: if it is not, every check of
	// such an instance, without attributes, is allowed. Because says on what.
	Conditional bool
	Because     []string
	// Permission is what gives it, nil for an approval or a policy. Path is how the
	// subject has it.
	Permission *grants.Grant
	Path       string
}

func (*resourceSearch) patterns([]int32) {}
