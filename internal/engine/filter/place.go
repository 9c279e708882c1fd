package filter

import (
	"encoding/json"
	"fmt"
	"strings"
)

// scalar is a column that holds one kind of value.
type scalar struct {
	kind kind
	typ  Type
	// col is the quoted column.
	col string
	id  bool
}

// text is the column's value as conditions see it, if that is a string.
func (s *scalar) text() string {
	if s.typ == Date {
		return "to_char(" + s.col + ", 'YYYY-MM-DD')"
	}
	return s.col + "::text"
}

// json is the column's value as jsonb, NULL if it has none. A time is written in
// UTC.
func (s *scalar) json() string {
	switch {
	case s.id:
		return "to_jsonb(NULLIF(" + s.text() + ", ''))"
	case s.typ == DateTime:
		return `to_jsonb(to_char(` + s.col + `::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))`
	case s.kind == kindString:
		return "to_jsonb(" + s.text() + ")"
	default:
		return "to_jsonb(" + s.col + ")"
	}
}

// candidate is where a value may lie in a jsonb column.
type candidate struct {
	column string
	path   []string
	// sql is the value there.
	sql string
}

// document is a field somewhere in jsonb: at the first candidate that is there.
type document struct {
	candidates []candidate
	// sql is the value as jsonb, NULL if it is missing.
	sql string
}

// typ is what kind of JSON the value is.
func (d *document) typ() string { return "jsonb_typeof(" + d.sql + ")" }

// is tests the kind of the value.
func (d *document) is(kind string) string { return d.typ() + " = '" + kind + "'" }

// text is the text of a string.
func (d *document) text() string { return "(" + d.sql + " #>> '{}')" }

// place returns where a field is: in a column of its own, or in a document.
func (b *builder) place(f Field) (*scalar, *document, error) {
	if f.ID {
		typ := b.columns.IDType
		return &scalar{kind: kindString, typ: typ, col: b.columns.column(b.columns.ID), id: true}, nil, nil
	}
	p, ok := b.columns.Fields[f.Key]
	if !ok {
		d, err := b.document(f)
		return nil, d, err
	}
	if err := p.check(f.Key); err != nil {
		return nil, nil, err
	}
	k, ok := p.kind()
	if !ok {
		d, err := b.document(f)
		return nil, d, err
	}
	return &scalar{kind: k, typ: p.Type, col: b.columns.column(p.Column)}, nil, nil
}

func (p *Place) check(key string) error {
	if !IsIdentifier(p.Column) {
		return fmt.Errorf("%q, where %s is, cannot be a column", p.Column, key)
	}
	return nil
}

// kind returns the kind of a column's values; ok is false for a document.
func (p *Place) kind() (k kind, ok bool) {
	if len(p.Path) > 0 {
		return 0, false
	}
	switch p.Type {
	case Integer, Number:
		return kindNumber, true
	case Boolean:
		return kindBool, true
	case Array, Object, JSON:
		return 0, false
	default:
		return kindString, true
	}
}

// document looks a key up as conditions do: whole, then split at its dots from
// the left, where the first part may be a field with a place of its own.
func (b *builder) document(f Field) (*document, error) {
	if d, ok := b.documents[f.Key]; ok {
		return d, nil
	}
	steps := strings.Split(f.Key, ".")
	if len(steps)-1 > maxDots || !storable(f.Key) {
		return nil, &Untranslatable{Path: f.String(), Why: fmt.Sprintf("must have at most %d dots and be a text that PostgreSQL can hold", maxDots)}
	}
	d := &document{}
	whole := candidate{column: b.columns.Attributes, path: []string{f.Key}}
	if p, ok := b.columns.Fields[f.Key]; ok {
		whole = candidate{column: p.Column, path: p.Path}
		steps = steps[:1]
	}
	d.candidates = append(d.candidates, whole)
	head := candidate{column: b.columns.Attributes, path: steps[:1]}
	if p, ok := b.columns.Fields[steps[0]]; ok && len(steps) > 1 {
		if err := p.check(steps[0]); err != nil {
			return nil, err
		}
		head = candidate{column: p.Column, path: p.Path}
		if _, scalar := p.kind(); scalar {
			steps = steps[:1]
		}
	}
	for i := 1; i < len(steps); i++ {
		path := append(append([]string{}, head.path...), steps[1:i]...)
		d.candidates = append(d.candidates, candidate{column: head.column, path: append(path, strings.Join(steps[i:], "."))})
	}
	b.locate(d)
	b.documents[f.Key] = d
	return d, nil
}

// locate writes the SQL of a document and of its candidates.
func (b *builder) locate(d *document) {
	bound := map[string]string{}
	all := make([]string, len(d.candidates))
	for i := range d.candidates {
		c := &d.candidates[i]
		c.column = b.columns.column(c.column)
		c.sql = c.column
		for _, step := range c.path {
			if bound[step] == "" {
				bound[step] = b.param(step, "text")
			}
			c.sql += " -> " + bound[step]
		}
		if len(c.path) > 0 {
			c.sql = "(" + c.sql + ")"
		}
		all[i] = c.sql
	}
	d.sql = all[0]
	if len(all) > 1 {
		d.sql = "COALESCE(" + strings.Join(all, ", ") + ")"
	}
}

// equals tests that the value is one of the scalars given as JSON texts, and has
// that it is a list with all members of one of the lists. Containment, which an
// index can serve, says so exactly: inside an object it takes no list for its
// member.
func (b *builder) equals(d *document, scalars []string) string { return b.contained(d, scalars, "=") }

func (b *builder) has(d *document, lists []string) string { return b.contained(d, lists, "@>") }

func (b *builder) contained(d *document, texts []string, op string) string {
	var places []string
	for i, c := range d.candidates {
		parts := make([]string, 0, i+1)
		for _, before := range d.candidates[:i] {
			parts = append(parts, before.sql+" IS NULL")
		}
		if len(c.path) > 0 {
			nested := make([]string, len(texts))
			for j, text := range texts {
				nested[j] = nest(c.path, text)
			}
			parts = append(parts, b.oneOf(c.column, "@>", nested, "jsonb"))
		} else {
			parts = append(parts, b.oneOf(c.column, op, texts, "jsonb"))
		}
		places = append(places, and(parts...))
	}
	return or(places...)
}

// nest wraps a JSON text in the objects that lead to it.
func nest(path []string, text string) string {
	for i := len(path) - 1; i >= 0; i-- {
		// A key is valid UTF-8, which always can be written.
		key, _ := json.Marshal(path[i])
		text = "{" + string(key) + ":" + text + "}"
	}
	return text
}
