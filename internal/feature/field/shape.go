package field

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/rule"
	"github.com/sentinel-access/sentinel/models"
)

// shape is what the records of an entity type look like: its fields, each at
// the place where it is stored. It is made once for any number of records.
type shape struct {
	entity   string
	root     *place
	required []*compiled
}

// place is a member of a record, or of an object in it.
type place struct {
	fields  []*compiled
	members map[string]*place
}

// compiled is a field with its rules ready.
type compiled struct {
	name  string
	path  string
	steps []string
	rules *rule.Rules
	// broken says why the rules cannot be used, of a row that nobody checked when
	// it was written. Such a field keeps to nothing, so every value is refused.
	broken string
}

func newShape(entity string, rows []models.FieldDefinition) (*shape, error) {
	s := &shape{entity: entity, root: &place{members: map[string]*place{}}}
	for i := range rows {
		m := &rows[i]
		rules, err := engine.DecodeObject([]byte(m.ValidationRules))
		if err != nil {
			return nil, err
		}
		f := &compiled{name: m.FieldName, path: engine.FieldPlace(m)}
		f.steps = strings.Split(f.path, ".")
		ready, wrong := rule.Compile(m.DataType, rules)
		if wrong != nil {
			f.broken = "cannot be checked, since its definition is not valid: " + strings.TrimSpace(wrong[0].Path+" "+wrong[0].Message)
		}
		f.rules = ready
		if m.IsRequired || ready != nil && ready.Required {
			s.required = append(s.required, f)
		}
		at := s.root
		for _, step := range f.steps {
			next := at.members[step]
			if next == nil {
				next = &place{members: map[string]*place{}}
				at.members[step] = next
			}
			at = next
		}
		at.fields = append(at.fields, f)
	}
	return s, nil
}

// check adds all that is wrong with a record to out, and fails when ctx ends:
// patterns take their time. path is the record's.
func (s *shape) check(ctx context.Context, record map[string]any, path string, partial bool, out *Validation) error {
	c := &checker{ctx: ctx, entity: s.entity, out: out}
	c.walk(s.root, record, path, true)
	for _, f := range s.required {
		value, there := find(record, f.steps)
		switch {
		case there && value == nil:
			out.add(path+"."+f.path, f.name, "is required and cannot be null")
		case !there && !partial:
			out.add(path+"."+f.path, f.name, "is required")
		}
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("validate records: %w", err)
	}
	return nil
}

// checker is one record under way.
type checker struct {
	ctx    context.Context //nolint:containedctx // a checker lives inside one call
	entity string
	out    *Validation
}

// walk checks the members of an object. strict refuses those of which no
// definition tells.
func (c *checker) walk(at *place, object map[string]any, path string, strict bool) {
	names := make([]string, 0, len(object))
	for name := range object {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		member := at.members[name]
		switch {
		case c.ctx.Err() != nil:
			return
		case member != nil:
			c.visit(member, object[name], path+"."+name)
		case strict:
			c.out.add(path+"."+printable(name), "", "is not where a field of "+c.entity+" is stored")
		}
	}
}

func (c *checker) visit(at *place, value any, path string) {
	for _, f := range at.fields {
		if f.broken != "" {
			c.out.add(path, f.name, f.broken)
			continue
		}
		for _, message := range f.rules.Check(value) {
			c.out.add(path, f.name, message)
		}
	}
	if len(at.members) == 0 {
		return
	}
	inner, ok := value.(map[string]any)
	switch {
	case ok:
		c.walk(at, inner, path, len(at.fields) == 0)
	case value != nil && len(at.fields) == 0:
		c.out.add(path, "", "must be an object")
	}
}

// find returns the value at a path, false if it is not there. What is below null
// is null: it is cleared with it.
func find(object map[string]any, steps []string) (any, bool) {
	for i, step := range steps {
		value, ok := object[step]
		if !ok || value == nil || i == len(steps)-1 {
			return value, ok
		}
		if object, ok = value.(map[string]any); !ok {
			return nil, false
		}
	}
	return nil, false
}

// printable keeps the name of a member that nobody defined short in a path.
func printable(name string) string {
	if r := []rune(name); len(r) > 100 {
		return string(r[:100]) + "…"
	}
	return name
}
