// Package pattern matches resources against permission patterns, written
// type/glob. It owns the pattern language; it knows neither permissions nor the
// resource tree.
//
// A type is an identifier or "*", which stands for every type but "api". In a
// glob, "*" matches any run of characters within a segment, "**" any run at
// all, segments being divided by "/"; every other character, braces, brackets
// and question marks included, means itself. "t/*" is every id of type t. In a
// deny and in a chain a final "*" means "**", so that a restraint is never
// narrower than it reads.
package pattern

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/gobwas/glob"
)

const (
	// AnyType as a pattern's type stands for every type but [APIType].
	AnyType = "*"
	// APIType is the type of Sentinel's own API sections.
	APIType = "api"
	// MaxLength is the longest pattern in bytes.
	MaxLength = 512
	// MaxWildcards is the greatest number of wildcards in one glob. Matching
	// backtracks, so this bounds its cost.
	MaxWildcards = 8

	maxTypeLength = 100
	everything    = "**"
)

// Pattern is a compiled pattern. It never changes and is safe for concurrent
// use.
type Pattern struct {
	typ string
	// norm is the glob in the syntax of OPA's glob.match.
	norm     string
	literals int
	kind     kind
	// text is the literal of an exact pattern or the prefix before a final "**".
	text string
	glob *glob.Pattern
}

type kind uint8

const (
	general kind = iota
	all
	exact
	prefix
)

// Compile reads a pattern written type/glob, or "*" alone for everything.
// finalStarCrosses makes a final "*" mean "**", as in denies and chains. The
// error says what is wrong in words for the author.
func Compile(typeSlashGlob string, finalStarCrosses bool) (*Pattern, error) {
	if typeSlashGlob == AnyType {
		typeSlashGlob = "*/*"
	}
	typ, g, ok := strings.Cut(typeSlashGlob, "/")
	switch {
	case len(typeSlashGlob) > MaxLength:
		return nil, fmt.Errorf("must have at most %d bytes", MaxLength)
	case !utf8.ValidString(typeSlashGlob):
		return nil, fmt.Errorf("must be valid UTF-8")
	case !ok || g == "":
		return nil, fmt.Errorf("must be written type/glob, such as vessel/* or page/reports/**")
	case typ != AnyType && !isType(typ):
		return nil, fmt.Errorf("must begin with * or a lower-case type identifier of at most %d characters", maxTypeLength)
	case strings.Contains(g, `\`):
		return nil, fmt.Errorf("must not hold a backslash")
	}
	p := &Pattern{typ: typ}
	if p.normalise(tokens(g, finalStarCrosses)) > MaxWildcards {
		return nil, fmt.Errorf("must have at most %d wildcards", MaxWildcards)
	}
	if p.kind == general {
		var err error
		if p.glob, err = glob.Compile(p.norm, '/'); err != nil {
			return nil, fmt.Errorf("must be a glob: %w", err)
		}
	}
	return p, nil
}

func isType(s string) bool {
	if s == "" || len(s) > maxTypeLength || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

// tokens splits a glob into literals and the wildcards "*" and "**". Runs of
// more than two stars are "**".
func tokens(g string, finalStarCrosses bool) []string {
	var out []string
	for g != "" {
		if g[0] != '*' {
			n := strings.IndexByte(g, '*')
			if n < 0 {
				n = len(g)
			}
			out, g = append(out, g[:n]), g[n:]
			continue
		}
		rest := strings.TrimLeft(g, "*")
		star := "*"
		if len(g)-len(rest) > 1 || rest == "" && (finalStarCrosses || out == nil) {
			star = everything
		}
		out, g = append(out, star), rest
	}
	return out
}

// normalise fills in what follows from the tokens and returns the number of
// wildcards.
func (p *Pattern) normalise(toks []string) (wildcards int) {
	var norm strings.Builder
	for _, t := range toks {
		if t[0] == '*' {
			wildcards++
			norm.WriteString(t)
			continue
		}
		p.literals += literalSegments(t)
		norm.WriteString(quote(t))
	}
	p.norm = norm.String()
	switch {
	case p.norm == everything:
		p.kind = all
	case len(toks) == 1:
		p.kind, p.text = exact, toks[0]
	case len(toks) == 2 && toks[1] == everything:
		p.kind, p.text = prefix, toks[0]
	}
	return wildcards
}

// quote escapes whatever glob.match would give a meaning.
func quote(s string) string {
	if !strings.ContainsAny(s, `?[]{}!,-\`) {
		return s
	}
	return glob.QuoteMeta(s)
}

// literalSegments counts the segments of which t holds at least a part.
func literalSegments(t string) int {
	n := 0
	for seg := range strings.SplitSeq(t, "/") {
		if seg != "" {
			n++
		}
	}
	return n
}

// Match reports whether an instance matches. An empty id asks about the type as
// a whole, which only a pattern for every id matches.
func (p *Pattern) Match(typ, id string) bool {
	if p.typ != typ && (p.typ != AnyType || typ == APIType) {
		return false
	}
	return p.MatchID(id)
}

// MatchID is [Pattern.Match] of an instance whose type is known to match.
func (p *Pattern) MatchID(id string) bool {
	switch p.kind {
	case all:
		return true
	case exact:
		return id == p.text
	case prefix:
		return id != "" && strings.HasPrefix(id, p.text)
	default:
		return id != "" && p.glob.Match(id)
	}
}

// TypeWide reports whether the pattern matches every id of its type.
func (p *Pattern) TypeWide() bool { return p.kind == all }

// Exact reports whether the pattern names a single id of a single type.
func (p *Pattern) Exact() bool { return p.kind == exact && p.typ != AnyType }

// Normalised returns the type and the glob in the syntax of OPA's glob.match
// with "/" as the delimiter, which then answers as [Pattern.Match] does.
func (p *Pattern) Normalised() (typ, glob string) { return p.typ, p.norm }
