package condition

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
)

// maxRegexp is the longest regular expression in bytes.
const maxRegexp = 1000

type compiler struct {
	violations []Violation
	members    int
	seen       map[string]struct{}
	// forbidden says what is wrong with reading a path, "" if nothing is. It may
	// be nil.
	forbidden func(path string) string
}

// read takes down that the conditions read a path.
func (c *compiler) read(at string, p Path) {
	path := p.String()
	c.seen[path] = struct{}{}
	if c.forbidden != nil {
		if wrong := c.forbidden(path); wrong != "" {
			c.refuse(at, "%s", wrong)
		}
	}
}

func (c *compiler) refuse(path, format string, args ...any) {
	c.violations = append(c.violations, Violation{path, fmt.Sprintf(format, args...)})
}

func (c *compiler) document(raw []byte) *node {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	if len(raw) > MaxSize {
		c.refuse("", "must have at most %d bytes", MaxSize)
		return nil
	}
	v, err := decode(raw)
	if errors.Is(err, errTooDeep) {
		c.refuse("", "must nest at most %d deep", MaxDepth)
		return nil
	}
	if err != nil {
		c.refuse("", "%s", err)
		return nil
	}
	if v == nil {
		return nil
	}
	obj, ok := v.(object)
	if !ok {
		c.refuse("", "must be a JSON object")
		return nil
	}
	if len(obj) == 0 {
		return nil
	}
	root := c.conditions("", obj, 1)
	if c.members > MaxMembers {
		c.refuse("", "must have at most %d comparisons and combinators, has %d", MaxMembers, c.members)
	}
	return root
}

// conditions compiles an object of which each member must hold.
func (c *compiler) conditions(path string, obj object, depth int) *node {
	if depth > MaxDepth {
		c.refuse(path, "must nest at most %d deep", MaxDepth)
		return nil
	}
	all := &node{op: opAll}
	for _, m := range obj {
		at := join(path, m.key)
		switch m.key {
		case "all_of":
			all.add(c.combine(at, opAll, m.value, depth))
		case "any_of":
			all.add(c.combine(at, opAny, m.value, depth))
		case "not":
			c.members++
			inner, ok := m.value.(object)
			if !ok {
				c.refuse(at, "must be a conditions object")
				continue
			}
			all.add(&node{op: opNot, kids: []*node{c.conditions(at, inner, depth+1)}})
		case "time_range":
			clock := Path{contextMember, "time"}
			c.read(at, clock)
			c.between(all, at, clockPath, clock, m.value)
		default:
			c.attribute(all, at, m.key, m.value)
		}
	}
	if len(all.kids) == 1 {
		return all.kids[0]
	}
	return all
}

func (c *compiler) combine(at string, o op, v any, depth int) *node {
	c.members++
	list, ok := v.([]any)
	if !ok {
		c.refuse(at, "must be a list of conditions objects")
		return nil
	}
	n := &node{op: o}
	for i, e := range list {
		inner, ok := e.(object)
		if !ok {
			c.refuse(index(at, i), "must be a conditions object")
			continue
		}
		n.add(c.conditions(index(at, i), inner, depth+1))
	}
	return n
}

// attribute compiles the comparisons under one attribute path.
func (c *compiler) attribute(all *node, at, key string, v any) {
	p, wrong := parsePath(key)
	if wrong != "" {
		c.refuse(at, "%s", wrong)
		return
	}
	c.read(at, p)
	add := func(o op) *node {
		c.members++
		n := &node{op: o, key: key, path: p}
		all.add(n)
		return n
	}
	obj, ok := v.(object)
	if list, isList := v.([]any); isList {
		add(opIn).list = c.list(at, list, c.scalar)
		return
	}
	if !ok || isRef(obj) {
		add(opEq).arg = c.operand(at, v, c.scalar)
		return
	}
	if len(obj) == 0 {
		c.refuse(at, "must name an operator, such as {\"eq\": 1}")
	}
	for _, m := range obj {
		c.operator(add, all, join(at, m.key), key, p, m)
	}
}

func (c *compiler) operator(add func(op) *node, all *node, at, key string, p Path, m member) {
	switch m.key {
	case "eq":
		add(opEq).arg = c.operand(at, m.value, c.scalar)
	case "ne":
		add(opNe).arg = c.operand(at, m.value, c.scalar)
	case "in":
		c.values(add(opIn), at, m.value, c.scalar, false)
	case "nin":
		c.values(add(opNin), at, m.value, c.scalar, false)
	case "gt":
		add(opGt).arg = c.operand(at, m.value, c.ordered)
	case "gte":
		add(opGte).arg = c.operand(at, m.value, c.ordered)
	case "lt":
		add(opLt).arg = c.operand(at, m.value, c.ordered)
	case "lte":
		add(opLte).arg = c.operand(at, m.value, c.ordered)
	case "between":
		c.between(all, at, key, p, m.value)
	case "weekday":
		c.values(add(opWeekday), at, m.value, c.weekday, true)
	case "prefix":
		add(opPrefix).arg = c.operand(at, m.value, c.string)
	case "suffix":
		add(opSuffix).arg = c.operand(at, m.value, c.string)
	case "contains":
		add(opContains).arg = c.operand(at, m.value, c.scalar)
	case "contains_all":
		c.values(add(opContainsAll), at, m.value, c.scalar, false)
	case "contains_any":
		c.values(add(opContainsAny), at, m.value, c.scalar, false)
	case "cidr":
		n := add(opCIDR)
		c.values(n, at, m.value, c.cidr, true)
	case "matches":
		add(opMatches).re = c.regexp(at, m.value)
	case "exists":
		want, ok := m.value.(bool)
		if !ok {
			c.refuse(at, "must be true or false")
		}
		add(opExists).want = want
	case "ref":
		c.refuse(at, "must stand alone")
	default:
		c.refuse(at, "must be a known operator: eq, ne, in, nin, gt, gte, lt, lte, between, weekday, prefix, suffix, contains, matches, contains_all, contains_any, cidr, exists or ref")
	}
}

// between compiles [a, b]; the kind of the bounds decides between numbers,
// times and clock times.
func (c *compiler) between(all *node, at, key string, p Path, v any) {
	c.members++
	list, ok := v.([]any)
	if !ok || len(list) != 2 {
		c.refuse(at, "must be a list of two values")
		return
	}
	n := &node{op: opBetween, key: key, path: p, list: c.list(at, list, c.bound)}
	all.add(n)
	if len(n.list) != 2 || n.list[0].ref || n.list[1].ref {
		return
	}
	a, b := n.list[0].value, n.list[1].value
	cmp, comparable := order(a, b)
	_, clockA := parseClock(a.s)
	_, clockB := parseClock(b.s)
	switch {
	case comparable && cmp > 0:
		c.refuse(at, "must have the lower bound first")
	case !comparable && (a.kind != kindString || b.kind != kindString || !clockA || !clockB):
		c.refuse(at, "must have two bounds of the same kind: numbers, RFC 3339 times or HH:MM clock times")
	}
}

// values compiles an operand that is a list, or a ref to one, or if single a
// lone value.
func (c *compiler) values(n *node, at string, v any, check func(string, value), single bool) {
	if list, ok := v.([]any); ok {
		n.list = c.list(at, list, check)
		return
	}
	if obj, ok := v.(object); ok && isRef(obj) {
		n.arg = c.operand(at, v, check)
		n.listRef = true
		return
	}
	if !single {
		c.refuse(at, "must be a list")
		return
	}
	n.list = []operand{c.operand(at, v, check)}
}

func (c *compiler) list(at string, list []any, check func(string, value)) []operand {
	if len(list) > MaxList {
		c.refuse(at, "must have at most %d values", MaxList)
		return nil
	}
	out := make([]operand, len(list))
	for i, e := range list {
		out[i] = c.operand(index(at, i), e, check)
	}
	return out
}

// operand compiles a literal, which check judges, or a ref.
func (c *compiler) operand(at string, v any, check func(string, value)) operand {
	if obj, ok := v.(object); ok {
		if !isRef(obj) || len(obj) != 1 {
			c.refuse(at, "must be a string, number, boolean, null or {\"ref\": path}")
			return operand{}
		}
		s, _ := obj[0].value.(string)
		p, wrong := parseRef(s)
		if wrong != "" {
			c.refuse(join(at, "ref"), "%s", wrong)
			return operand{}
		}
		c.read(join(at, "ref"), p)
		return operand{ref: true, path: p}
	}
	lit := valueOf(v)
	if lit.kind == kindList {
		c.refuse(at, "must be a string, number, boolean, null or {\"ref\": path}")
		return operand{}
	}
	if lit.kind == kindNumber {
		if _, ok := parseNumber(lit.s); !ok {
			c.refuse(at, "must be zero or a number whose size lies between 1e-300 and 1e300")
			return operand{}
		}
	}
	check(at, lit)
	o := operand{value: lit}
	if lit.kind == kindString {
		if _, n, err := net.ParseCIDR(lit.s); err == nil {
			o.net = n
		}
	}
	return o
}

func (c *compiler) scalar(string, value) {}

func (c *compiler) string(at string, v value) {
	if v.kind != kindString {
		c.refuse(at, "must be a string")
	}
}

func (c *compiler) ordered(at string, v value) {
	if _, isTime := parseTime(v.s); v.kind != kindNumber && (v.kind != kindString || !isTime) {
		c.refuse(at, "must be a number or an RFC 3339 time in the years 1678 to 2261, such as 2026-01-31T09:00:00Z")
	}
}

func (c *compiler) bound(at string, v value) {
	if _, isClock := parseClock(v.s); v.kind == kindString && isClock {
		return
	}
	if _, isTime := parseTime(v.s); v.kind != kindNumber && (v.kind != kindString || !isTime) {
		c.refuse(at, "must be a number, an RFC 3339 time in the years 1678 to 2261 or a clock time such as 09:00")
	}
}

func (c *compiler) weekday(at string, v value) {
	if _, ok := weekday(v.s); v.kind != kindString || !ok {
		c.refuse(at, "must be mon, tue, wed, thu, fri, sat or sun")
	}
}

func (c *compiler) cidr(at string, v value) {
	if _, _, err := net.ParseCIDR(v.s); v.kind != kindString || err != nil {
		c.refuse(at, "must be a CIDR block, such as 10.0.0.0/8")
	}
}

// regexp compiles a literal only: a pattern taken from an attribute would be
// code written by whoever may set the attribute.
func (c *compiler) regexp(at string, v any) *regexp.Regexp {
	s, ok := v.(string)
	if !ok || len(s) > maxRegexp {
		c.refuse(at, "must be a regular expression of at most %d bytes", maxRegexp)
		return nil
	}
	re, err := regexp.Compile(s)
	if err != nil {
		c.refuse(at, "must be an RE2 regular expression: %s", err)
	}
	return re
}

func isRef(obj object) bool { return len(obj) == 1 && obj[0].key == "ref" }

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
