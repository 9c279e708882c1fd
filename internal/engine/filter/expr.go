// Package filter turns what must hold of a row into a condition that a data
// store selects rows by: parameterised SQL for PostgreSQL, or UCAST. It owns the
// form of such conditions and their translation; it knows neither permissions
// nor subjects.
//
// Everything in it errs on one side: a test passes only if it surely holds. So
// there is no negation but inside tests, and what is missing, null or of another
// kind passes none.
package filter

import "fmt"

// Expr is what must hold of a row: an [All], an [Any] or a [*Test].
type Expr interface{ expr() }

// All holds if each of its parts does. The empty All holds of every row.
type All []Expr

// Any holds if one of its parts does. The empty Any holds of no row.
type Any []Expr

// Field is a value of the row.
type Field struct {
	// ID is set for the row's id, as questions name it; Key is empty then.
	ID bool
	// Key is the path below the row's attributes, as conditions have it: tried
	// whole before it is split at a dot.
	Key string
}

// Op is how a test compares.
type Op string

// The operators. Those on lists, and Contains on a list, compare its members.
const (
	// Eq is: equal to one of Values. A nil among them asks whether the field is an
	// explicit null. Without Values it holds of no field, and its negation of each
	// that is there, null included.
	Eq Op = "eq"
	// Lt to Gte compare numbers, or RFC 3339 times, with the one value.
	Lt  Op = "lt"
	Lte Op = "lte"
	Gt  Op = "gt"
	Gte Op = "gte"
	// Prefix, Suffix and Contains are of strings; Contains is also: the field is a
	// list that has the one value.
	Prefix   Op = "prefix"
	Suffix   Op = "suffix"
	Contains Op = "contains"
	// ContainsAll and ContainsAny: the field is a list that has all, or one, of
	// Values.
	ContainsAll Op = "contains_all"
	ContainsAny Op = "contains_any"
	// Within: the field is a list whose members are all among Values.
	Within Op = "within"
	// Exists: the field is there and not null.
	Exists Op = "exists"
	// EqFold is of the id only: equal to one of Values, which are texts in small
	// letters, whatever letters the id has. Only A to Z and a to z are taken for
	// the same.
	EqFold Op = "eq_fold"
	// Glob: the field is a string that matches the one value, a glob in the syntax
	// that package pattern normalises to, "/" between segments.
	Glob Op = "glob"
)

// Nothing stands among the values of a test for one that was looked up and is
// missing, null or of a kind that does not compare: it is neither equal to
// anything nor different from it.
type Nothing struct{}

// Test compares one field of the row. It passes only if the field is there and of
// the kind that the comparison needs; a negated one only if it then surely does
// not hold. Exists is the exception: negated, it passes for what is missing.
type Test struct {
	Op      Op
	Field   Field
	Negated bool
	// Values are strings, booleans, json.Number, nil and Nothing.
	Values []any
	// Other is another field of the row, in place of a single value: its null is
	// Nothing. Not of ContainsAll, Within, Exists and Glob.
	Other *Field
}

func (All) expr()   {}
func (Any) expr()   {}
func (*Test) expr() {}

// Fold returns an expression that holds of the same rows, in which an empty All
// or Any stands only at the top and nothing stands in a list of its own kind.
func Fold(e Expr) Expr {
	switch e := e.(type) {
	case All:
		return fold(e, false)
	case Any:
		return fold(e, true)
	default:
		return e
	}
}

// fold folds the parts of an All, or of an Any, which ends is the constant that
// settles.
func fold[E All | Any](parts E, ends bool) Expr {
	out := E{}
	for _, part := range parts {
		part = Fold(part)
		if holds, ok := Constant(part); ok && holds == ends {
			return part
		}
		if inner, ok := part.(E); ok {
			out = append(out, inner...)
		} else {
			out = append(out, part)
		}
	}
	if len(out) == 1 {
		return out[0]
	}
	return any(out).(Expr)
}

// Rows returns the expression that holds of every row, or of none.
func Rows(every bool) Expr {
	if every {
		return All{}
	}
	return Any{}
}

// Constant reports whether e, folded, holds of every row or of none.
func Constant(e Expr) (holds, ok bool) {
	switch e := e.(type) {
	case All:
		return true, len(e) == 0
	case Any:
		return false, len(e) == 0
	default:
		return false, false
	}
}

// Untranslatable says that a condition cannot be stated about rows.
type Untranslatable struct {
	// Path is the attribute, or the part of a decision, that stands in the way.
	Path string
	// Why in words for whoever wrote the condition.
	Why string
}

func (u *Untranslatable) Error() string { return fmt.Sprintf("%s: %s", u.Path, u.Why) }
