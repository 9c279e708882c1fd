package condition

import "github.com/sentinel-access/sentinel/internal/engine/filter"

// Row says what of the resource is known only for each row.
type Row struct {
	// ID: the resource's id is the row's.
	ID bool
	// Attributes: a resource attribute that is not stored is the row's; what the
	// environment has supplied is not looked at.
	Attributes bool
}

// Reduce returns an expression that holds of a row exactly if the conditions are
// want of it, True or False, all else being as env says. It fails with a
// [*filter.Untranslatable].
func (p *Program) Reduce(env *Env, row Row, want Truth) (filter.Expr, error) {
	if p == nil {
		if want == True {
			return filter.All{}, nil
		}
		return filter.Any{}, nil
	}
	return nil, &filter.Untranslatable{Path: "conditions", Why: "cannot be stated about rows"}
}
