package condition

import (
	"net"

	"github.com/sentinel-access/sentinel/internal/engine/filter"
)

// Row says what of the resource is known only for each row.
type Row struct {
	// ID: the resource's id is the row's.
	ID bool
	// Attributes: a resource attribute that is not stored is the row's; what the
	// environment has supplied is not looked at.
	Attributes bool
}

// Reduce returns an expression that holds of a row exactly if the conditions are
// want of it, True or False, all else being as env says. It is folded. It fails
// with a [*filter.Untranslatable].
func (p *Program) Reduce(env *Env, row Row, want Truth) (filter.Expr, error) {
	if p == nil {
		return filter.Rows(want == True), nil
	}
	r := reducer{env: env, row: row}
	return r.node(p.root, want)
}

// reducer states conditions as expressions over rows. The methods that return
// one take what the truth must be, for which they push negation down to the
// comparisons: what is Unknown is neither True nor False.
type reducer struct {
	env *Env
	row Row
}

// side is one side of a comparison: a field of the row, or what is known.
type side struct {
	row   bool
	field filter.Field
	value value
	// path is that of an attribute, empty for a literal.
	path Path
	// null is set for a literal null, which asks whether the other side is one.
	null bool
}

func (r *reducer) path(p Path) side {
	s := side{path: p}
	switch {
	case p.field == resourceID && r.row.ID:
		s.row, s.field = true, filter.Field{ID: true}
	case p.field == resourceAttributes && r.row.Attributes:
		if s.value = find(r.env.Resource.Attributes, p.key); s.value.kind == kindMissing {
			s.row, s.field = true, filter.Field{Key: p.key}
		}
	default:
		s.value = p.lookup(r.env)
	}
	return s
}

func (r *reducer) operand(o *operand) side {
	if o.ref {
		return r.path(o.path)
	}
	return side{value: o.value, null: o.value.kind == kindNull}
}

func (r *reducer) operands(list []operand) []side {
	out := make([]side, len(list))
	for i := range list {
		out[i] = r.operand(&list[i])
	}
	return out
}

// literal is a known side as an operand.
func (s *side) literal() *operand {
	if s.value.kind == kindNull && !s.null {
		return &operand{}
	}
	return &operand{value: s.value}
}

// known is a side as the value of a test.
func (s *side) known() any {
	if s.null {
		return nil
	}
	return comparableOf(s.value)
}

// comparableOf is a value that was looked up as the value of a test.
func comparableOf(v value) any {
	switch v.kind {
	case kindBool, kindString:
		return v.plain()
	case kindNumber:
		if _, ok := parseNumber(v.s); ok {
			return v.plain()
		}
		return filter.Nothing{}
	default:
		return filter.Nothing{}
	}
}

func members(list []any) []any {
	out := make([]any, len(list))
	for i, e := range list {
		out[i] = comparableOf(valueOf(e))
	}
	return out
}

func isNothing(v any) bool {
	_, ok := v.(filter.Nothing)
	return ok
}

func untranslatable(s side, why string) error {
	return &filter.Untranslatable{Path: s.path.String(), Why: why}
}

func (r *reducer) node(n *node, want Truth) (filter.Expr, error) {
	switch n.op {
	case opUnknown:
		return filter.Rows(false), nil
	case opAll, opAny:
		return r.combine(n.kids, want, (n.op == opAll) == (want == True))
	case opNot:
		return r.node(n.kids[0], want.Not())
	default:
		return r.test(n, want)
	}
}

// test states a comparison.
func (r *reducer) test(n *node, want Truth) (filter.Expr, error) {
	v, list := r.path(n.path), r.operands(n.list)
	arg := r.operand(&n.arg)
	known := !v.row && !arg.row
	for _, o := range list {
		known = known && !o.row
	}
	switch {
	case known:
		return filter.Rows(n.eval(r.env) == want), nil
	case n.op == opExists:
		return &filter.Test{Op: filter.Exists, Field: v.field, Negated: n.want == (want == False)}, nil
	case !v.row && v.value.kind == kindMissing:
		return filter.Rows(false), nil
	}
	return r.compare(n, v, arg, list, want)
}

// combine is the "and" or the "or" of nodes. What cannot be translated does not
// matter where another part decides for every row.
func (r *reducer) combine(kids []*node, want Truth, all bool) (filter.Expr, error) {
	parts := make([]filter.Expr, 0, len(kids))
	var failure error
	for _, k := range kids {
		e, err := r.node(k, want)
		if err != nil {
			if failure == nil {
				failure = err
			}
			continue
		}
		if holds, ok := filter.Constant(e); ok && holds != all {
			return e, nil
		}
		parts = append(parts, e)
	}
	if failure != nil {
		return nil, failure
	}
	return gather(parts, all), nil
}

func gather(parts []filter.Expr, all bool) filter.Expr {
	if all {
		return filter.Fold(filter.All(parts))
	}
	return filter.Fold(filter.Any(parts))
}

// compare states a comparison of which a side is the row's. A left side that is
// known is there.
func (r *reducer) compare(n *node, v, arg side, list []side, want Truth) (filter.Expr, error) {
	switch n.op {
	case opEq:
		return equality(v, arg, want), nil
	case opNe:
		return equality(v, arg, want.Not()), nil
	case opIn, opNin:
		if n.op == opNin {
			want = want.Not()
		}
		if n.listRef {
			return amongRef(v, arg, want), nil
		}
		return among(v, list, want), nil
	case opGt, opGte, opLt, opLte:
		return inOrder(n.op, v, arg, want), nil
	case opBetween:
		return r.between(v, list[0], list[1], want)
	case opPrefix, opSuffix:
		return affix(n.op, v, arg, want)
	case opContains:
		return containing(v, arg, want)
	case opContainsAll, opContainsAny:
		if n.listRef {
			return containsRef(n.op, v, arg, want)
		}
		return containsList(n.op, v, list, want)
	default:
		return unstated(n.op, v, arg, list)
	}
}

// unstated is of the operators that no filter has. They are unknown all the same
// of a known value that is of the wrong kind.
func unstated(o op, v, arg side, list []side) (filter.Expr, error) {
	at := v
	if !v.row {
		_, isTime := parseTime(v.value.s)
		if v.value.kind != kindString || o == opWeekday && !isTime || o == opCIDR && net.ParseIP(v.value.s) == nil {
			return filter.Rows(false), nil
		}
		for _, s := range append(list, arg) {
			if s.row {
				at = s
			}
		}
	}
	switch o {
	case opWeekday:
		return nil, untranslatable(at, "weekday depends on the tenant's time zone and cannot be stated of rows")
	case opCIDR:
		return nil, untranslatable(at, "cidr cannot be stated of rows")
	default:
		return nil, untranslatable(at, "matches has expressions in RE2, which data stores read otherwise")
	}
}
