package pattern

// The classes of patterns, from the least specific. Permissions on nodes come
// between: see the conflict rule of package engine.
const (
	classAny   = 1
	classType  = 2
	classGlob  = 3
	classExact = 5
)

// Specificity says how near a pattern is to what it matches: its class, and
// within the class of globs and that of any type the number of literal segments.
func (p *Pattern) Specificity() (class, literals int) {
	switch {
	case p.typ == AnyType:
		return classAny, p.literals
	case p.kind == all:
		return classType, 0
	case p.kind == exact:
		return classExact, 0
	default:
		return classGlob, p.literals
	}
}
