package filter

import "strings"

// comparesWith is, in a jsonpath, what a member must be to compare with values of
// a kind. It repeats the range of numbers that conditions compare.
func comparesWith(k kind) string {
	if k == kindNumber {
		return `@.type() == "number" && @.abs() < 1e300 && (@ == 0 || @.abs() >= 1e-300)`
	}
	return `@.type() == "` + k.name() + `"`
}

// comparable tests that a jsonb value compares with values of a kind.
func comparable(json string, k kind) string {
	if k == kindNumber {
		return "jsonb_path_exists(" + json + ", 'strict $ ? (" + comparesWith(k) + ")', '{}', true)"
	}
	return "jsonb_typeof(" + json + ") = '" + k.name() + "'"
}

// scalarTest tests that a jsonb value compares with others at all.
func scalarTest(json string) string {
	return or("jsonb_typeof("+json+") IN ('string', 'boolean')", comparable(json, kindNumber))
}

// documentTest writes a test of a value in jsonb, which may be of any kind.
func (b *builder) documentTest(t *Test, d *document, v *values) (string, error) {
	switch t.Op {
	case Eq:
		if t.Negated {
			return b.unequal(d, v), nil
		}
		if texts := v.all(); len(texts) > 0 {
			return b.equals(d, texts), nil
		}
		return sqlFalse, nil
	case Lt, Lte, Gt, Gte:
		return b.documentOrder(t, d, v), nil
	case Exists:
		if t.Negated {
			return "COALESCE(" + d.typ() + ", 'null') = 'null'", nil
		}
		return d.typ() + " <> 'null'", nil
	case Prefix, Suffix, Glob:
		if len(v.texts[kindString]) == 0 {
			return sqlFalse, nil
		}
		sql, err := b.textual(t, d.text(), v.texts[kindString][0])
		return and(d.is("string"), sql), err
	case Contains:
		list := b.member(t, d, v)
		if len(v.texts[kindString]) == 0 {
			return list, nil
		}
		sql, err := b.textual(t, d.text(), v.texts[kindString][0])
		return or(and(d.is("string"), sql), list), err
	case ContainsAll, ContainsAny:
		return b.member(t, d, v), nil
	case Within:
		return b.within(t, d, v), nil
	default:
		return "", t.untranslatable("%s is not known", t.Op)
	}
}

// unequal is that a value surely equals none of the others: it is of their kind.
func (b *builder) unequal(d *document, v *values) string {
	kinds := v.kinds()
	switch {
	case v.nothing || len(kinds) > 1:
		return sqlFalse
	case len(kinds) == 1:
		return and(comparable(d.sql, kinds[0]), b.oneOf(d.sql, "<>", v.json[kinds[0]], "jsonb"))
	case v.null:
		return d.typ() + " <> 'null'"
	default:
		return d.sql + " IS NOT NULL"
	}
}

func (b *builder) documentOrder(t *Test, d *document, v *values) string {
	if numbers := v.texts[kindNumber]; len(numbers) > 0 {
		return "CASE WHEN " + comparable(d.sql, kindNumber) + " THEN " + d.sql + "::numeric " + signs[t.order()] + " " + b.param(numbers[0], "numeric") + " END"
	}
	if texts := v.texts[kindString]; len(texts) > 0 {
		if op, bound, ok := moment(t.order(), texts[0]); ok {
			return and(d.is("string"), b.textOrder(d.text(), op, bound))
		}
	}
	return sqlFalse
}

// lists are JSON texts, each as a list of its own.
func lists(texts []string) []string {
	out := make([]string, len(texts))
	for i, text := range texts {
		out[i] = "[" + text + "]"
	}
	return out
}

// member tests the members of a list: Contains and ContainsAny, that one of the
// values is among them, ContainsAll, that each is.
func (b *builder) member(t *Test, d *document, v *values) string {
	isList := d.is("array")
	texts := v.all()
	switch {
	case t.Negated && t.Op == ContainsAll:
		return b.lacksOne(d, v)
	case t.Negated:
		return b.lacksAll(d, v)
	case t.Op == ContainsAll && v.nothing, t.Op != ContainsAll && len(texts) == 0:
		return sqlFalse
	case len(texts) == 0:
		return isList
	case t.Op == ContainsAll:
		return and(isList, b.has(d, []string{"[" + strings.Join(texts, ",") + "]"}))
	default:
		return and(isList, b.has(d, lists(texts)))
	}
}

// ofKind tests that all members of a list compare with values of a kind.
func ofKind(d *document, k kind) string {
	return "NOT jsonb_path_exists(" + d.sql + ", 'strict $[*] ? (!(" + comparesWith(k) + "))', '{}', true)"
}

func empty(d *document) string { return d.sql + " = '[]'::jsonb" }

// lacksAll is that the value is a list whose members surely are none of the
// values.
func (b *builder) lacksAll(d *document, v *values) string {
	kinds := v.kinds()
	switch {
	case v.nothing || len(kinds) > 1:
		return empty(d)
	case len(kinds) == 1:
		return and(d.is("array"), ofKind(d, kinds[0]), "NOT "+b.oneOf(d.sql, "@>", lists(v.json[kinds[0]]), "jsonb"))
	case v.null:
		return and(d.is("array"), "NOT "+d.sql+" @> '[null]'::jsonb")
	default:
		return d.is("array")
	}
}

// lacksOne is that the value is a list whose members surely are not one of the
// values.
func (b *builder) lacksOne(d *document, v *values) string {
	var parts []string
	if v.nothing {
		parts = append(parts, empty(d))
	}
	if v.null {
		parts = append(parts, and(d.is("array"), "NOT "+d.sql+" @> '[null]'::jsonb"))
	}
	for _, k := range v.kinds() {
		all := "[" + strings.Join(v.json[k], ",") + "]"
		parts = append(parts, and(d.is("array"), ofKind(d, k), "NOT "+d.sql+" @> "+b.param(all, "jsonb")))
	}
	return or(parts...)
}

// within tests that all members of a list are among the values, or that one
// surely is not.
func (b *builder) within(t *Test, d *document, v *values) string {
	kinds := v.kinds()
	none := len(kinds) == 0 && !v.nothing && !v.null
	switch {
	case !t.Negated && len(kinds) == 0:
		return empty(d)
	case !t.Negated:
		v.null = false
		return and(d.is("array"), d.sql+" <@ "+b.param("["+strings.Join(v.all(), ",")+"]", "jsonb"))
	case none:
		return and(d.is("array"), "NOT "+empty(d))
	case v.nothing || v.null || len(kinds) > 1:
		return sqlFalse
	default:
		vars := `{"v":[` + strings.Join(v.json[kinds[0]], ",") + `]}`
		return and(d.is("array"), "jsonb_path_exists("+d.sql+", 'strict $[*] ? ("+comparesWith(kinds[0])+" && !(@ == $v[*]))', "+b.param(vars, "jsonb")+", true)")
	}
}

// compareFields writes a test of two fields of the row, both taken as jsonb.
func (b *builder) compareFields(t *Test, s *scalar, d *document) (string, error) {
	os, od, err := b.place(*t.Other)
	if err != nil {
		return "", err
	}
	if t.Op != Lt && t.Op != Lte && t.Op != Gt && t.Op != Gte {
		for _, side := range []*scalar{s, os} {
			if side != nil && side.typ == DateTime {
				return "", t.untranslatable("is compared with, or is, a time, of which the text is not known")
			}
		}
	}
	x, y := jsonOf(s, d), jsonOf(os, od)
	switch t.Op {
	case Eq:
		if t.Negated {
			return and(x+" <> "+y, "jsonb_typeof("+x+") = jsonb_typeof("+y+")", scalarTest(x), scalarTest(y)), nil
		}
		return and(x+" = "+y, scalarTest(x)), nil
	case Lt, Lte, Gt, Gte:
		return fieldOrder(x, y, signs[t.order()]), nil
	case Prefix, Suffix:
		return fieldText(t, x, y), nil
	case Contains:
		return or(fieldText(t, x, y), fieldMember(t, x, y)), nil
	case ContainsAny:
		return fieldMember(t, x, y), nil
	default:
		return "", t.untranslatable("%s cannot compare two fields", t.Op)
	}
}

func jsonOf(s *scalar, d *document) string {
	if d != nil {
		return d.sql
	}
	return s.json()
}

func textOf(json string) string { return "(" + json + " #>> '{}')" }

func fieldOrder(x, y, sign string) string {
	return "CASE WHEN " + comparable(x, kindNumber) + " AND " + comparable(y, kindNumber) + " THEN " + x + "::numeric " + sign + " " + y + "::numeric" +
		" WHEN " + comparable(x, kindString) + " AND " + comparable(y, kindString) + " AND " + isTime(textOf(x)) + " AND " + isTime(textOf(y)) +
		" THEN " + textOf(x) + "::timestamptz " + sign + " " + textOf(y) + "::timestamptz END"
}

func fieldText(t *Test, x, y string) string {
	var sql string
	switch t.Op {
	case Prefix:
		sql = textOf(x) + ` COLLATE "C" ^@ ` + textOf(y)
	case Suffix:
		sql = "right(" + textOf(x) + ", length(" + textOf(y) + ")) = " + textOf(y)
	default:
		sql = "strpos(" + textOf(x) + ` COLLATE "C", ` + textOf(y) + ") > 0"
	}
	return and(comparable(x, kindString), comparable(y, kindString), not(sql, t.Negated))
}

// fieldMember tests that x is a list that has y, or surely has not.
func fieldMember(t *Test, x, y string) string {
	list := "jsonb_typeof(" + x + ") = 'array'"
	has := x + " @> jsonb_build_array(" + y + ")"
	if !t.Negated {
		return and(list, scalarTest(y), has)
	}
	odd := `strict $[*] ? (@.type() != $t || @.type() == "number" && !(` + comparesWith(kindNumber) + `))`
	return or(x+" = '[]'::jsonb", and(list, scalarTest(y),
		"NOT jsonb_path_exists("+x+", '"+odd+"', jsonb_build_object('t', jsonb_typeof("+y+")), true)", "NOT "+has))
}
