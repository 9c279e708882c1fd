package policy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Violation is what is wrong with a tenant's module, and where.
type Violation struct {
	// File is the module's path as it was given.
	File string
	// Row and Column count from 1; 0 stands for the file as a whole.
	Row, Column int
	Message     string
}

// Violations are all that was found before the first pass that could not go on.
type Violations []Violation

// Error implements [error]: a line each, as file:row:column: message.
func (v Violations) Error() string {
	lines := make([]string, len(v))
	for i, one := range v {
		lines[i] = fmt.Sprintf("%s:%d:%d: %s", one.File, one.Row, one.Column, one.Message)
	}
	return strings.Join(lines, "\n")
}

func (v *Violations) add(at *ast.Location, format string, args ...any) {
	one := Violation{Message: fmt.Sprintf(format, args...)}
	if at != nil {
		one.File, one.Row, one.Column = at.File, at.Row, at.Col
	}
	*v = append(*v, one)
}

// err returns the violations in the order of the files, nil if there is none.
func (v Violations) err() error {
	if len(v) == 0 {
		return nil
	}
	slices.SortFunc(v, func(a, b Violation) int {
		return cmp.Or(strings.Compare(a.File, b.File), a.Row-b.Row, a.Column-b.Column, strings.Compare(a.Message, b.Message))
	})
	return slices.Compact(v)
}

// violations reads the errors of OPA's parser and compiler. Any other error is
// returned as it is.
func violations(err error) error {
	var found ast.Errors
	var one *ast.Error
	switch {
	case errors.As(err, &found):
	case errors.As(err, &one):
		found = ast.Errors{one}
	default:
		return err
	}
	var out Violations
	for _, e := range found {
		out.add(e.Location, "%s", e.Message)
	}
	return out.err()
}
