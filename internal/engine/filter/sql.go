package filter

// Kind says whether a condition selects at all.
type Kind string

// The kinds.
const (
	// None: no row.
	None Kind = "none"
	// Everything: each row.
	Everything Kind = "all"
	// Some: the rows that the condition selects.
	Some Kind = "condition"
)

// Condition is an expression in PostgreSQL's SQL.
type Condition struct {
	Kind Kind
	// SQL stands in a WHERE, alone or beside others, but not under a NOT: it is
	// NULL for some of the rows that it does not select. Empty unless Kind is Some.
	SQL string
	// Params are the values of $1 and so on: each a string or a []string, which the
	// SQL casts to what it needs.
	Params []any
}

// SQL translates an expression. It fails with an [*Untranslatable].
func SQL(e Expr, columns Columns) (Condition, error) {
	return Condition{}, &Untranslatable{Path: "conditions", Why: "cannot be stated in SQL"}
}
