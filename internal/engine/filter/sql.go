package filter

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

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

const (
	// maxParams is how many parameters a statement of PostgreSQL has at most.
	maxParams = 65535
	// maxDigits is the longest number in bytes. PostgreSQL rounds some that are
	// much longer.
	maxDigits = 1000
	// maxDots is the greatest number of dots in a key: each is one more place to
	// look.
	maxDots = 15
)

// The truth values of SQL that are known while it is written.
const (
	sqlTrue  = "TRUE"
	sqlFalse = "FALSE"
)

// SQL translates an expression. It fails with an [*Untranslatable], or if columns
// names what no column can be.
func SQL(e Expr, columns Columns) (Condition, error) {
	columns, err := columns.withDefaults()
	if err != nil {
		return Condition{}, err
	}
	b := builder{columns: columns, documents: map[string]*document{}}
	sql, err := b.expr(e)
	switch {
	case err != nil:
		return Condition{}, err
	case sql == sqlTrue:
		return Condition{Kind: Everything}, nil
	case sql == sqlFalse:
		return Condition{Kind: None}, nil
	}
	sql, params := b.finish(sql)
	if len(params)+columns.Offset > maxParams {
		return Condition{}, &Untranslatable{Path: "conditions", Why: fmt.Sprintf("need %d parameters, and a statement can have %d", len(params), maxParams)}
	}
	return Condition{Kind: Some, SQL: sql, Params: params}, nil
}

// builder writes one condition.
type builder struct {
	columns Columns
	// params are by the number that their places have until finish.
	params []any
	// documents are those places in jsonb that have been looked up, by key: each
	// has its parameters once.
	documents map[string]*document
}

// param binds a value and returns its place, cast to a type.
func (b *builder) param(v any, cast string) string {
	place := "$" + strconv.Itoa(len(b.params))
	b.params = append(b.params, v)
	base := "text"
	if _, ok := v.([]string); ok {
		base = "text[]"
	}
	place += "::" + base
	if cast != base {
		place += "::" + cast
	}
	return place
}

// oneOf compares what with one parameter, or a list of them.
func (b *builder) oneOf(what, op string, texts []string, cast string) string {
	if len(texts) == 1 {
		return what + " " + op + " " + b.param(texts[0], cast)
	}
	quantifier := "ANY"
	if op == "<>" {
		quantifier = "ALL"
	}
	return what + " " + op + " " + quantifier + "(" + b.param(texts, cast+"[]") + ")"
}

func (b *builder) expr(e Expr) (string, error) {
	var list []Expr
	all := false
	switch e := e.(type) {
	case All:
		list, all = e, true
	case Any:
		list = e
	case *Test:
		return b.test(e)
	default:
		return "", fmt.Errorf("%T is no expression", e)
	}
	parts := make([]string, len(list))
	for i, part := range list {
		var err error
		if parts[i], err = b.expr(part); err != nil {
			return "", err
		}
	}
	if all {
		return and(parts...), nil
	}
	return or(parts...), nil
}

// finish numbers the parameters that are used in the order of their places. No
// other text of the SQL has a digit after a dollar sign.
func (b *builder) finish(sql string) (string, []any) {
	var (
		out  strings.Builder
		used []any
	)
	numbers := make([]string, len(b.params))
	out.Grow(len(sql))
	for {
		before, rest, ok := strings.Cut(sql, "$")
		out.WriteString(before)
		if !ok {
			return out.String(), used
		}
		digits := 0
		for digits < len(rest) && rest[digits] >= '0' && rest[digits] <= '9' {
			digits++
		}
		sql = rest[digits:]
		if digits == 0 {
			out.WriteByte('$')
			continue
		}
		i, _ := strconv.Atoi(rest[:digits])
		if numbers[i] == "" {
			used = append(used, b.params[i])
			numbers[i] = "$" + strconv.Itoa(b.columns.Offset+len(used))
		}
		out.WriteString(numbers[i])
	}
}

func and(parts ...string) string { return connect(" AND ", sqlTrue, sqlFalse, parts) }

func or(parts ...string) string { return connect(" OR ", sqlFalse, sqlTrue, parts) }

func connect(word, neutral, decisive string, parts []string) string {
	kept := parts[:0:0]
	for _, p := range parts {
		switch p {
		case decisive:
			return decisive
		case neutral:
		default:
			kept = append(kept, p)
		}
	}
	switch len(kept) {
	case 0:
		return neutral
	case 1:
		return kept[0]
	}
	return "(" + strings.Join(kept, word) + ")"
}

func not(sql string, negated bool) string {
	if negated {
		return "NOT (" + sql + ")"
	}
	return sql
}

// kind is that of a value of a test.
type kind uint8

const (
	kindNothing kind = iota
	kindNull
	kindBool
	kindNumber
	kindString

	kindCount
)

// name is what jsonb_typeof calls the kind.
func (k kind) name() string {
	switch k {
	case kindNull:
		return "null"
	case kindBool:
		return "boolean"
	case kindNumber:
		return "number"
	default:
		return "string"
	}
}

// values are those of a test by kind: as texts, and as JSON texts.
type values struct {
	nothing, null bool
	texts, json   [kindCount][]string
}

// kinds are those that there are values of, null and nothing aside.
func (v *values) kinds() []kind {
	var out []kind
	for _, k := range []kind{kindBool, kindNumber, kindString} {
		if len(v.texts[k]) > 0 {
			out = append(out, k)
		}
	}
	return out
}

// all are the JSON texts of all values, nothing aside.
func (v *values) all() []string {
	var out []string
	if v.null {
		out = append(out, "null")
	}
	for _, k := range v.kinds() {
		out = append(out, v.json[k]...)
	}
	return out
}

// sort reads the values of a test.
func (t *Test) sort() (*values, error) {
	v := &values{}
	for _, e := range t.Values {
		k, text := kindBool, ""
		switch e := e.(type) {
		case Nothing:
			v.nothing = true
			continue
		case nil:
			v.null = true
			continue
		case bool:
			text = fmt.Sprint(e)
		case json.Number:
			k, text = kindNumber, string(e)
			if !json.Valid([]byte(text)) || len(text) > maxDigits {
				return nil, t.untranslatable("is compared with a number of more than %d digits", maxDigits)
			}
		case string:
			k, text = kindString, e
			if !storable(e) {
				return nil, t.untranslatable("is compared with a text that PostgreSQL cannot hold")
			}
		default:
			return nil, fmt.Errorf("%T is no value of a test", e)
		}
		v.texts[k] = append(v.texts[k], text)
		if k == kindString {
			quoted, err := json.Marshal(text)
			if err != nil {
				return nil, fmt.Errorf("write a text as JSON: %w", err)
			}
			text = string(quoted)
		}
		v.json[k] = append(v.json[k], text)
	}
	return v, nil
}

func storable(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

func (t *Test) untranslatable(format string, args ...any) error {
	return &Untranslatable{Path: t.Field.String(), Why: fmt.Sprintf(format, args...)}
}

// String is the path of the field as conditions have it.
func (f Field) String() string {
	if f.ID {
		return "resource.id"
	}
	return "resource.attributes." + f.Key
}
