package condition

import (
	"unicode/utf8"

	"github.com/sentinel-access/sentinel/internal/engine/filter"
)

// pass is a test of what must be True, or False, of a row.
func pass(o filter.Op, f filter.Field, want Truth, values ...any) filter.Expr {
	return &filter.Test{Op: o, Field: f, Negated: want == False, Values: values}
}

func passOther(o filter.Op, f, other filter.Field, want Truth) filter.Expr {
	return &filter.Test{Op: o, Field: f, Negated: want == False, Other: &other}
}

// equalTo leaves out what nothing equals.
func equalTo(values []any) []any {
	rest := values[:0:0]
	for _, v := range values {
		if !isNothing(v) {
			rest = append(rest, v)
		}
	}
	return rest
}

// equalsAny is equality of a field with one of the values. What Nothing does to
// it is folded in.
func equalsAny(f filter.Field, values []any, want Truth) filter.Expr {
	rest := equalTo(values)
	switch {
	case want == False && len(rest) < len(values), want == True && len(rest) == 0:
		return filter.Rows(false)
	default:
		return pass(filter.Eq, f, want, rest...)
	}
}

// present holds of a row that has the field, be it null.
func present(f filter.Field) filter.Expr { return pass(filter.Eq, f, False) }

// equality is v eq o, of which at least one is the row's, or neither.
func equality(v, o side, want Truth) filter.Expr {
	switch {
	case v.row && o.row:
		return passOther(filter.Eq, v.field, o.field, want)
	case v.row:
		return equalsAny(v.field, []any{o.known()}, want)
	case o.row:
		return equalsAny(o.field, []any{comparableOf(v.value)}, want)
	case o.null:
		return filter.Rows(truth(v.value.kind == kindNull) == want)
	default:
		return filter.Rows(equal(v.value, o.value) == want)
	}
}

// among is v in a list of operands.
func among(v side, list []side, want Truth) filter.Expr {
	var values []any
	var parts []filter.Expr
	for _, o := range list {
		if v.row && !o.row {
			values = append(values, o.known())
			continue
		}
		parts = append(parts, equality(v, o, want))
	}
	if v.row && (values != nil || parts == nil) {
		parts = append(parts, equalsAny(v.field, values, want))
	}
	return gather(parts, want == False)
}

// amongRef is v in a list that was looked up.
func amongRef(v, list side, want Truth) filter.Expr {
	switch {
	case v.row && list.row && want == False:
		return filter.All{passOther(filter.ContainsAny, list.field, v.field, want), present(v.field)}
	case v.row && list.row:
		return passOther(filter.ContainsAny, list.field, v.field, want)
	case list.row:
		return containsValues(filter.ContainsAny, list.field, []any{comparableOf(v.value)}, want)
	case list.value.kind == kindList:
		return equalsAny(v.field, members(list.value.list), want)
	default:
		return filter.Rows(false)
	}
}

// containsValues is a row's list that has one, or all, of the values.
func containsValues(o filter.Op, f filter.Field, values []any, want Truth) filter.Expr {
	if want == False {
		if o == filter.ContainsAll && len(values) == 0 {
			return filter.Rows(false)
		}
		return pass(o, f, want, values...)
	}
	rest := equalTo(values)
	if o == filter.ContainsAny && len(rest) == 0 || o != filter.ContainsAny && len(rest) < len(values) {
		return filter.Rows(false)
	}
	return pass(o, f, want, rest...)
}

// inOrder is x gt, gte, lt or lte y. Being not in that order is being in the
// other one.
func inOrder(o op, x, y side, want Truth) filter.Expr {
	if want == False {
		o = map[op]op{opGt: opLte, opGte: opLt, opLt: opGte, opLte: opGt}[o]
	}
	ops := map[op]filter.Op{opGt: filter.Gt, opGte: filter.Gte, opLt: filter.Lt, opLte: filter.Lte}
	switch {
	case x.row && y.row:
		return passOther(ops[o], x.field, y.field, True)
	case x.row && ordinal(y.value):
		return pass(ops[o], x.field, True, y.value.plain())
	case y.row && ordinal(x.value):
		mirrored := map[op]op{opGt: opLt, opGte: opLte, opLt: opGt, opLte: opGte}[o]
		return pass(ops[mirrored], y.field, True, x.value.plain())
	case x.row || y.row:
		return filter.Rows(false)
	default:
		c, ok := order(x.value, y.value)
		return filter.Rows(ok && ordered(o, c))
	}
}

// ordinal reports whether a value has an order.
func ordinal(v value) bool {
	_, ok := order(v, v)
	return ok
}

// between is a lte v and v lte b, unless all three can be times of the day.
func (r *reducer) between(v, a, b side, want Truth) (filter.Expr, error) {
	clock := func(s side) bool {
		_, ok := parseClock(s.value.s)
		return s.row || s.value.kind == kindString && ok
	}
	_, isTime := parseTime(v.value.s)
	if (v.row || v.value.kind == kindString && isTime) && clock(a) && clock(b) {
		at := v
		for _, s := range []side{a, b} {
			if !at.row {
				at = s
			}
		}
		return nil, untranslatable(at, "between may compare clock times, which depend on the tenant's time zone and cannot be stated of rows")
	}
	_, alike := order(a.value, b.value)
	switch {
	case !a.row && !b.row && !alike:
		return filter.Rows(false), nil
	case want == True:
		return gather([]filter.Expr{inOrder(opLte, a, v, True), inOrder(opLte, v, b, True)}, true), nil
	case alike:
		return gather([]filter.Expr{inOrder(opLt, v, a, True), inOrder(opGt, v, b, True)}, false), nil
	}
	// False only if v compares with both.
	compares := func(x, y side) filter.Expr {
		return gather([]filter.Expr{inOrder(opLte, x, y, True), inOrder(opGt, x, y, True)}, false)
	}
	return gather([]filter.Expr{
		gather([]filter.Expr{inOrder(opGt, a, v, True), compares(v, b)}, true),
		gather([]filter.Expr{inOrder(opGt, v, b, True), compares(a, v)}, true),
	}, false), nil
}

// affix is v that begins, or ends, with arg.
func affix(o op, v, arg side, want Truth) (filter.Expr, error) {
	test := map[op]filter.Op{opPrefix: filter.Prefix, opSuffix: filter.Suffix}[o]
	switch {
	case v.row && arg.row:
		return passOther(test, v.field, arg.field, want), nil
	case v.row && arg.value.kind == kindString:
		return pass(test, v.field, want, arg.value.s), nil
	case v.row || v.value.kind != kindString:
		return filter.Rows(false), nil
	}
	// The row's field is one of the beginnings, or ends, of a text that is known.
	s := v.value.s
	if utf8.RuneCountInString(s) >= MaxList {
		return nil, untranslatable(arg, "the text that is to begin or end with it is too long to be stated of rows")
	}
	var values []any
	for i := range s {
		if o == opPrefix {
			values = append(values, s[:i])
		} else {
			values = append(values, s[i:])
		}
	}
	if o == opPrefix {
		values = append(values, s)
	} else {
		values = append(values, "")
	}
	return pass(filter.Eq, arg.field, want, values...), nil
}

// containing is v, a string or a list, that contains arg.
func containing(v, arg side, want Truth) (filter.Expr, error) {
	switch {
	case v.row && arg.row:
		return passOther(filter.Contains, v.field, arg.field, want), nil
	case v.row && isNothing(arg.known()) && want == True:
		return filter.Rows(false), nil
	case v.row:
		return pass(filter.Contains, v.field, want, arg.known()), nil
	case v.value.kind == kindString:
		return nil, untranslatable(arg, "whether a known text contains it cannot be stated of rows")
	default:
		return contained(v, arg, want), nil
	}
}

// contained is a known v that is a list and contains the row's field.
func contained(v, arg side, want Truth) filter.Expr {
	switch {
	case v.value.kind != kindList:
		return filter.Rows(false)
	case len(v.value.list) == 0:
		return filter.Rows(want == False)
	default:
		return equalsAny(arg.field, members(v.value.list), want)
	}
}

// containsRef is v that contains all, or any, of a list that was looked up.
func containsRef(o op, v, list side, want Truth) (filter.Expr, error) {
	switch {
	case v.row && list.row:
		return nil, untranslatable(list, "two lists of a row cannot be compared")
	case v.row && list.value.kind == kindList && o == opContainsAll:
		return containsValues(filter.ContainsAll, v.field, members(list.value.list), want), nil
	case v.row && list.value.kind == kindList:
		return containsValues(filter.ContainsAny, v.field, members(list.value.list), want), nil
	case v.row || v.value.kind != kindList:
		return filter.Rows(false), nil
	case o == opContainsAny:
		return containsValues(filter.ContainsAny, list.field, members(v.value.list), want), nil
	default:
		values := members(v.value.list)
		if want == True {
			values = equalTo(values)
		}
		return pass(filter.Within, list.field, want, values...), nil
	}
}

// containsList is v that contains all, or any, of a list of operands.
func containsList(o op, v side, list []side, want Truth) (filter.Expr, error) {
	test := map[op]filter.Op{opContainsAll: filter.ContainsAll, opContainsAny: filter.ContainsAny}[o]
	all := (o == opContainsAll) == (want == True)
	if !v.row && v.value.kind != kindList {
		return filter.Rows(false), nil
	}
	var values []any
	var parts []filter.Expr
	for _, s := range list {
		switch {
		case v.row && s.row:
			parts = append(parts, passOther(filter.ContainsAny, v.field, s.field, want))
		case v.row:
			values = append(values, s.known())
		case s.row:
			parts = append(parts, contained(v, s, want))
		default:
			parts = append(parts, filter.Rows(contains(v.value, s.literal(), nil) == want))
		}
	}
	if v.row && (values != nil || parts == nil) {
		parts = append(parts, containsValues(test, v.field, values, want))
	}
	return gather(parts, all), nil
}
