package pattern

import "strings"

// plain returns the glob without the escapes of OPA's syntax, in which a star is
// always a wildcard.
func (p *Pattern) plain() string { return strings.ReplaceAll(p.norm, `\`, "") }

// Glob returns the glob as one writes it in a permission that allows: "*" for
// every id.
func (p *Pattern) Glob() string {
	if p.kind == all {
		return "*"
	}
	return p.plain()
}

// Of returns the pattern as one of a single type.
func (p *Pattern) Of(typ string) *Pattern {
	of := *p
	of.typ = typ
	return &of
}

// Every returns the pattern of every id of a type, or with [AnyType] of every type.
func Every(typ string) *Pattern { return &Pattern{typ: typ, norm: everything, kind: all} }

// One returns the pattern of a single id.
func One(typ, id string) *Pattern {
	return &Pattern{typ: typ, norm: quote(id), kind: exact, text: id, literals: literalSegments(id)}
}

// Overlaps reports whether an instance could match both. It may say so where none
// does: it compares how globs begin and end.
func (p *Pattern) Overlaps(o *Pattern) bool {
	if p.typ != o.typ && (p.typ != AnyType || o.typ == APIType) && (o.typ != AnyType || p.typ == APIType) {
		return false
	}
	switch {
	case p.kind == all || o.kind == all:
		return true
	case p.kind == exact:
		return o.MatchID(p.text)
	case o.kind == exact:
		return p.MatchID(o.text)
	}
	a, b := p.plain(), o.plain()
	prefixA, prefixB := a[:strings.IndexByte(a, '*')], b[:strings.IndexByte(b, '*')]
	suffixA, suffixB := a[strings.LastIndexByte(a, '*')+1:], b[strings.LastIndexByte(b, '*')+1:]
	return (strings.HasPrefix(prefixA, prefixB) || strings.HasPrefix(prefixB, prefixA)) &&
		(strings.HasSuffix(suffixA, suffixB) || strings.HasSuffix(suffixB, suffixA))
}
