package filter

// Node is a node of UCAST, the universal conditions AST.
type Node struct {
	// Type is compound or field.
	Type     string `json:"type"`
	Operator string `json:"operator"`
	Field    string `json:"field,omitempty"`
	// Value is a list of nodes in a compound, else a scalar, a list of scalars, or
	// {"field": name}.
	Value any `json:"value"`
}

// UCAST translates an expression. name gives the names of fields. The node is
// nil unless the kind is [Some]. It fails with an [*Untranslatable].
func UCAST(e Expr, name func(Field) string) (Kind, *Node, error) {
	return None, nil, &Untranslatable{Path: "conditions", Why: "cannot be stated in UCAST"}
}
