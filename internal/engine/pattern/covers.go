package pattern

import "strings"

// Covers reports whether p matches everything that other matches. Where that
// cannot be seen at once the answer is no: two globs are not compared beyond
// equality and literal prefixes.
func (p *Pattern) Covers(other *Pattern) bool {
	if p.typ != other.typ && (p.typ != AnyType || other.typ == APIType) {
		return false
	}
	switch {
	case p.kind == all:
		return true
	case other.kind == all:
		return false
	case p.norm == other.norm:
		return true
	case other.kind == exact:
		return p.Match(other.typ, other.text)
	case p.kind == prefix && other.kind == prefix:
		return strings.HasPrefix(other.text, p.text)
	default:
		return false
	}
}

// Literal returns the single id that the pattern matches, "" and false if it can
// match several.
func (p *Pattern) Literal() (id string, ok bool) {
	if p.kind != exact {
		return "", false
	}
	return p.text, true
}

// Prefix returns the text with which every id that the pattern matches begins,
// if beginning with it is all that the pattern asks; "" and false for others.
func (p *Pattern) Prefix() (text string, ok bool) {
	if p.kind != prefix {
		return "", false
	}
	return p.text, true
}
