package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/sentinel-access/sentinel/internal/engine/filter"
)

// opHole is of tests that stand for what cannot be stated: it never leaves the
// package.
const opHole filter.Op = "hole"

// holdsNever and holdsAlways report what is so by the form alone.
func holdsNever(e filter.Expr) bool {
	holds, ok := filter.Constant(e)
	return ok && !holds
}

func holdsAlways(e filter.Expr) bool {
	holds, ok := filter.Constant(e)
	return ok && holds
}

// allOf is the "and" of parts, without what holds always, each once.
func allOf(parts ...filter.Expr) filter.Expr {
	var out filter.All
	for _, p := range parts {
		if holdsNever(p) {
			return p
		}
		if nested, ok := p.(filter.All); ok {
			out = append(out, nested...)
		} else {
			out = append(out, p)
		}
	}
	if len(out) < 2 {
		return oneOr(out, filter.All{})
	}
	return oneOr(onlyOnce(out, true), filter.All{})
}

// anyOf is the "or" of parts, without what holds never, each once.
func anyOf(parts ...filter.Expr) filter.Expr {
	var out filter.Any
	for _, p := range parts {
		if holdsAlways(p) {
			return p
		}
		if nested, ok := p.(filter.Any); ok {
			out = append(out, nested...)
		} else {
			out = append(out, p)
		}
	}
	if len(out) < 2 {
		return oneOr(out, filter.Any{})
	}
	return oneOr(onlyOnce(out, false), filter.Any{})
}

// oneOr returns the only one of parts, or all of them as none says.
func oneOr[E filter.All | filter.Any](parts []filter.Expr, none E) filter.Expr {
	switch len(parts) {
	case 0:
		return any(none).(filter.Expr)
	case 1:
		return parts[0]
	}
	return any(E(parts)).(filter.Expr)
}

// onlyOnce leaves out what stands twice, and makes one of the tests whether the id
// is one of several, or, if together is set, none of several.
func onlyOnce(parts []filter.Expr, together bool) []filter.Expr {
	out := make([]filter.Expr, 0, len(parts))
	var seen keys
	ids := -1
	for _, p := range parts {
		if !seen.add(p) {
			continue
		}
		t, ok := p.(*filter.Test)
		if !ok || t.Op != filter.Eq || !t.Field.ID || t.Negated != together || t.Other != nil {
			out = append(out, p)
			continue
		}
		if ids < 0 {
			ids, out = len(out), append(out, p)
			continue
		}
		joined := *out[ids].(*filter.Test)
		joined.Values = append(joined.Values[:len(joined.Values):len(joined.Values)], t.Values...)
		out[ids] = &joined
	}
	return out
}

// keys are those of expressions: few of them in a list, since most lists are
// short.
type keys struct {
	buf  []byte
	ends []int
	many map[string]struct{}
}

// few is how many keys are compared one by one.
const few = 16

// add reports whether an expression is new, and takes it in.
func (k *keys) add(e filter.Expr) bool {
	start := len(k.buf)
	k.buf = key(k.buf, e)
	one := k.buf[start:]
	if k.many != nil {
		_, has := k.many[string(one)]
		k.many[string(one)] = struct{}{}
		k.buf = k.buf[:start]
		return !has
	}
	from := 0
	for _, end := range k.ends {
		if bytes.Equal(k.buf[from:end], one) {
			k.buf = k.buf[:start]
			return false
		}
		from = end
	}
	k.ends = append(k.ends, len(k.buf))
	if len(k.ends) > few {
		k.many, from = make(map[string]struct{}, 4*few), 0
		for _, end := range k.ends {
			k.many[string(k.buf[from:end])] = struct{}{}
			from = end
		}
		k.buf = nil
	}
	return true
}

// key appends a text that is the same for equal expressions only.
func key(b []byte, e filter.Expr) []byte {
	switch e := e.(type) {
	case filter.All:
		b = append(b, '&', '(')
		for _, p := range e {
			b = key(b, p)
		}
		return append(b, ')')
	case filter.Any:
		b = append(b, '|', '(')
		for _, p := range e {
			b = key(b, p)
		}
		return append(b, ')')
	case *filter.Test:
		return testKey(b, e)
	default:
		return b
	}
}

func testKey(b []byte, t *filter.Test) []byte {
	if t.Negated {
		b = append(b, '!')
	}
	b = fieldKey(append(b, t.Op...), &t.Field)
	if t.Other != nil {
		b = fieldKey(append(b, '~'), t.Other)
	}
	for _, v := range t.Values {
		b = append(b, ',')
		switch v := v.(type) {
		case string:
			b = textKey(append(b, '"'), v)
		case json.Number:
			b = textKey(b, string(v))
		default:
			b = fmt.Append(b, v)
		}
	}
	return append(b, ';')
}

func fieldKey(b []byte, f *filter.Field) []byte {
	b = append(b, ' ')
	if f.ID {
		return append(b, '#')
	}
	return textKey(b, f.Key)
}

// textKey writes a text after its length, so that it ends where it ends.
func textKey(b []byte, s string) []byte {
	return append(append(strconv.AppendInt(b, int64(len(s)), 10), ':'), s...)
}

// walk calls do for every test.
func walk(e filter.Expr, do func(*filter.Test)) {
	switch e := e.(type) {
	case filter.All:
		for _, p := range e {
			walk(p, do)
		}
	case filter.Any:
		for _, p := range e {
			walk(p, do)
		}
	case *filter.Test:
		do(e)
	}
}

// readsID reports whether any test is of the row's id.
func readsID(e filter.Expr) bool {
	reads := false
	walk(e, func(t *filter.Test) { reads = reads || t.Field.ID || t.Other != nil && t.Other.ID })
	return reads
}
