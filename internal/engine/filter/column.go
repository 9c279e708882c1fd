package filter

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// test writes one test.
func (b *builder) test(t *Test) (string, error) {
	s, d, err := b.place(t.Field)
	if err != nil {
		return "", err
	}
	if t.Other != nil {
		return b.compareFields(t, s, d)
	}
	v, err := t.sort()
	if err != nil {
		return "", err
	}
	if d != nil {
		return b.documentTest(t, d, v)
	}
	return b.columnTest(t, s, v)
}

// columnTest writes a test of a column of its own, where NULL is missing.
func (b *builder) columnTest(t *Test, s *scalar, v *values) (string, error) {
	switch t.Op {
	case Eq:
		return b.columnEqual(t, s, v)
	case EqFold:
		return b.columnFold(t, s, v)
	case Lt, Lte, Gt, Gte:
		return b.columnOrder(t, s, v), nil
	case Exists:
		return s.exists(t.Negated), nil
	case Prefix, Suffix, Contains, Glob:
		if s.kind != kindString || len(v.texts[kindString]) == 0 {
			return sqlFalse, nil
		}
		if s.typ == DateTime {
			return "", t.untranslatable("is a time, of which the text is not known")
		}
		sql, err := b.textual(t, s.text(), v.texts[kindString][0])
		if s.id {
			sql = and(sql, s.col+"::text <> ''")
		}
		return sql, err
	default:
		// No such column holds a list.
		return sqlFalse, nil
	}
}

// exists tests that there is a value. An id that is empty is none.
func (s *scalar) exists(negated bool) string {
	switch {
	case s.id && negated:
		return "(" + s.col + " IS NULL OR " + s.col + "::text = '')"
	case s.id:
		return s.col + "::text <> ''"
	case negated:
		return s.col + " IS NULL"
	default:
		return s.col + " IS NOT NULL"
	}
}

// columnEqual is equality, and its negation, with one of the values. A column is
// never an explicit null.
func (b *builder) columnEqual(t *Test, s *scalar, v *values) (string, error) {
	texts := v.texts[s.kind]
	if s.typ == DateTime && len(texts) > 0 {
		return "", t.untranslatable("is a time, of which the text is not known: compare it with gte and lte")
	}
	kinds := v.kinds()
	if t.Negated && (v.nothing || len(kinds) > 1 || len(kinds) == 1 && kinds[0] != s.kind) {
		return sqlFalse, nil
	}
	what, texts, cast := s.native(texts)
	if len(texts) == 0 {
		if t.Negated {
			return s.exists(false), nil
		}
		return sqlFalse, nil
	}
	if !t.Negated {
		return b.oneOf(what, "=", texts, cast), nil
	}
	sql := b.oneOf(what, "<>", texts, cast)
	switch {
	case s.id:
		return and(sql, s.exists(false)), nil
	case s.typ == Number:
		return and(sql, inRange(s.col)), nil
	default:
		return sql, nil
	}
}

// columnFold is equality of the id with one of texts in small letters, in whatever
// letters it is. No index serves it where the id is a text; a uuid is always in
// small letters.
func (b *builder) columnFold(t *Test, s *scalar, v *values) (string, error) {
	texts := v.texts[kindString]
	switch {
	case !s.id:
		return "", t.untranslatable("is no id: %s is of ids only", t.Op)
	case s.typ != Text || len(texts) == 0:
		return b.columnEqual(t, s, v)
	}
	folded := "lower(" + s.col + `::text COLLATE "C")`
	if t.Negated {
		return and(b.oneOf(folded, "<>", texts, "text"), s.exists(false)), nil
	}
	return b.oneOf(folded, "=", texts, "text"), nil
}

var (
	canonicalInteger = regexp.MustCompile(`^(0|-?[1-9][0-9]*)$`)
	canonicalDate    = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`)
)

// native is how a column is compared for equality so that an index on it fits:
// what with which texts, cast to what. A text that the column's type never gives
// is left out.
func (s *scalar) native(texts []string) (what string, kept []string, cast string) {
	keep := func(ok func(string) bool) []string {
		var kept []string
		for _, text := range texts {
			if ok(text) {
				kept = append(kept, text)
			}
		}
		return kept
	}
	switch {
	case s.kind == kindNumber:
		return s.col, texts, s.numeric(texts)
	case s.kind == kindBool:
		return s.col, texts, "boolean"
	case s.typ == Date:
		return s.col, keep(func(text string) bool {
			_, err := time.Parse(time.DateOnly, text)
			return err == nil && canonicalDate.MatchString(text) && text >= "0001"
		}), "date"
	case s.id && s.typ == UUID:
		return s.col, keep(func(text string) bool {
			id, err := uuid.Parse(text)
			return err == nil && id.String() == text
		}), "uuid"
	case s.id && s.typ == Integer:
		return s.col, keep(func(text string) bool {
			_, err := strconv.ParseInt(text, 10, 64)
			return err == nil && canonicalInteger.MatchString(text)
		}), "bigint"
	case s.id:
		return s.col + "::text", keep(func(text string) bool { return text != "" }), "text"
	default:
		return s.col + "::text", texts, "text"
	}
}

// numeric is the type in which a column of numbers is compared: that of the
// column if all numbers are of it, since another is of no use to its index.
func (s *scalar) numeric(texts []string) string {
	if s.typ != Integer {
		return "numeric"
	}
	for _, text := range texts {
		if _, err := strconv.ParseInt(text, 10, 64); err != nil {
			return "numeric"
		}
	}
	return "bigint"
}

// inRange leaves out the numbers that conditions compare with nothing. NaN is
// one.
func inRange(number string) string {
	return "(abs(" + number + ") < 1e300 AND (" + number + " = 0 OR abs(" + number + ") >= 1e-300))"
}

var signs = map[Op]string{Lt: "<", Lte: "<=", Gt: ">", Gte: ">="}

// complement is the order that holds where another does not, of what has one.
var complement = map[Op]Op{Lt: Gte, Lte: Gt, Gt: Lte, Gte: Lt}

func (t *Test) order() Op {
	if t.Negated {
		return complement[t.Op]
	}
	return t.Op
}

func (b *builder) columnOrder(t *Test, s *scalar, v *values) string {
	numbers, texts := v.texts[kindNumber], v.texts[kindString]
	switch {
	case s.kind == kindNumber && len(numbers) > 0:
		sql := s.col + " " + signs[t.order()] + " " + b.param(numbers[0], s.numeric(numbers[:1]))
		if s.typ == Number {
			sql = and(sql, inRange(s.col))
		}
		return sql
	case s.kind == kindString && s.typ != Date && len(texts) > 0:
		op, bound, ok := moment(t.order(), texts[0])
		switch {
		case !ok:
			return sqlFalse
		case s.typ == DateTime:
			return and(s.col+" "+signs[op]+" "+b.param(bound, "timestamptz"), beyond(s.col, op))
		default:
			return b.textOrder(s.text(), op, bound)
		}
	default:
		return sqlFalse
	}
}

// beyond bounds a comparison of times at the end that it leaves open: conditions
// compare no others.
func beyond(col string, op Op) string {
	if op == Lt || op == Lte {
		return col + " >= '1678-01-01T00:00:00Z'::timestamptz"
	}
	return col + " < '2262-01-01T00:00:00Z'::timestamptz"
}

// moment is a time of RFC 3339 as PostgreSQL holds it, in microseconds. What
// holds of times in microseconds and one between two of them, holds of the
// earlier of the two.
func moment(op Op, text string) (_ Op, bound string, ok bool) {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return op, "", false
	}
	floor := at.UTC().Truncate(time.Microsecond)
	if !floor.Equal(at) {
		op = map[Op]Op{Lt: Lte, Lte: Lte, Gt: Gt, Gte: Gt}[op]
	}
	return op, floor.Format("2006-01-02T15:04:05.000000Z"), true
}

// The parts of rfc3339: the years from 1678 to 2261, and the leap years among
// them.
const (
	years     = `(167[89]|16[89][0-9]|1[7-9][0-9][0-9]|2[01][0-9][0-9]|22[0-5][0-9]|226[01])`
	leapYears = `(16(8[048]|9[26])|(1[7-9]|2[01])(0[48]|[2468][048]|[13579][26])|2000|22(0[48]|[24][048]|[135][26]|60))`
	days      = `(0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8])`
	// rfc3339 matches the times that conditions compare and PostgreSQL can hold: up
	// to six digits of a second that are not zero, and less than 16 hours from UTC.
	rfc3339 = `^(` + years + `-(` + days + `)|` + leapYears + `-02-29)T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,6}0{0,3})?(Z|[+-](0[0-9]|1[0-5]):[0-5][0-9])$`
)

// isTime tests that a text is a time.
func isTime(text string) string { return text + ` COLLATE "C" ~ '` + rfc3339 + `'` }

// textOrder compares a text that may be a time. CASE, unlike AND, says what is
// tried first: the cast of another text would fail.
func (b *builder) textOrder(text string, op Op, bound string) string {
	return "CASE WHEN " + isTime(text) + " THEN " + text + "::timestamptz " + signs[op] + " " + b.param(bound, "timestamptz") + " END"
}

// textual is Prefix, Suffix, Contains or Glob of a text.
func (b *builder) textual(t *Test, text, value string) (string, error) {
	bytewise := text + ` COLLATE "C"`
	switch t.Op {
	case Prefix:
		return not(bytewise+" ^@ "+b.param(value, "text"), t.Negated), nil
	case Suffix:
		place := b.param(value, "text")
		return not("right("+bytewise+", length("+place+")) = "+place, t.Negated), nil
	case Contains:
		return not("strpos("+bytewise+", "+b.param(value, "text")+") > 0", t.Negated), nil
	default:
		tokens, ok := globTokens(value)
		if !ok {
			return "", t.untranslatable("is to match %q, which is no glob", value)
		}
		switch {
		case len(tokens) == 0:
			return not(text+" = "+b.param("", "text"), t.Negated), nil
		case len(tokens) == 1 && tokens[0].stars == 0:
			return not(text+" = "+b.param(tokens[0].literal, "text"), t.Negated), nil
		case len(tokens) == 2 && tokens[0].stars == 0 && tokens[1].stars == 2:
			return not(bytewise+" ^@ "+b.param(tokens[0].literal, "text"), t.Negated), nil
		}
		return not(bytewise+" ~ "+b.param(regexpOf(tokens), "text"), t.Negated), nil
	}
}

// globToken is a literal, or one or two stars.
type globToken struct {
	literal string
	stars   int
}

// globTokens reads a glob; ok is false for one that package pattern does not
// write.
func globTokens(glob string) (tokens []globToken, ok bool) {
	var literal strings.Builder
	flush := func() {
		if literal.Len() > 0 {
			tokens = append(tokens, globToken{literal: literal.String()})
			literal.Reset()
		}
	}
	for i := 0; i < len(glob); i++ {
		switch c := glob[i]; {
		case c == '\\':
			i++
			if i == len(glob) {
				return nil, false
			}
			literal.WriteByte(glob[i])
		case c == '*':
			flush()
			stars := 1
			if i+1 < len(glob) && glob[i+1] == '*' {
				stars, i = 2, i+1
			}
			tokens = append(tokens, globToken{stars: stars})
		case strings.IndexByte("?[]{}", c) >= 0:
			return nil, false
		default:
			literal.WriteByte(c)
		}
	}
	flush()
	return tokens, true
}

// regexpOf is a glob as an expression of PostgreSQL, in which a backslash before
// what is no letter or digit makes it mean itself.
func regexpOf(tokens []globToken) string {
	var out strings.Builder
	out.WriteByte('^')
	for _, t := range tokens {
		switch t.stars {
		case 1:
			out.WriteString("[^/]*")
		case 2:
			out.WriteString(".*")
		}
		for i := range len(t.literal) {
			c := t.literal[i]
			word := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c >= 0x80
			if !word {
				out.WriteByte('\\')
			}
			out.WriteByte(c)
		}
	}
	out.WriteByte('$')
	return out.String()
}
