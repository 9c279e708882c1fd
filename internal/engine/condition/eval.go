package condition

import (
	"net"
	"regexp"
	"strings"
	"time"
)

type op uint8

const (
	opUnknown op = iota
	opAll
	opAny
	opNot
	opEq
	opNe
	opIn
	opNin
	opGt
	opGte
	opLt
	opLte
	opBetween
	opWeekday
	opPrefix
	opSuffix
	opContains
	opContainsAll
	opContainsAny
	opCIDR
	opMatches
	opExists
)

// node is a combinator over kids or a comparison of the value at path.
type node struct {
	op   op
	want bool
	// listRef is set when the operand is a ref to a list, in arg.
	listRef bool
	kids    []*node
	path    Path
	// key is path as the author wrote it.
	key  string
	arg  operand
	list []operand
	re   *regexp.Regexp
}

func (n *node) add(kid *node) {
	if kid != nil {
		n.kids = append(n.kids, kid)
	}
}

// operand is a literal or a ref.
type operand struct {
	ref   bool
	path  Path
	value value
	// net is a literal's block, where it is one.
	net *net.IPNet
}

// resolve returns the operand's value, missing for a ref to nothing.
func (o *operand) resolve(env *Env) value {
	if o.ref {
		return o.path.lookup(env)
	}
	return o.value
}

// equals compares v with the operand. A literal null asks whether v is null,
// which every value that is there answers.
func (o *operand) equals(v value, env *Env) Truth {
	if !o.ref && o.value.kind == kindNull {
		return truth(v.kind == kindNull)
	}
	return equal(v, o.resolve(env))
}

func (n *node) eval(env *Env) Truth {
	switch n.op {
	case opUnknown:
		return Unknown
	case opAll:
		t := True
		for _, k := range n.kids {
			if t = min(t, k.eval(env)); t == False {
				return False
			}
		}
		return t
	case opAny:
		t := False
		for _, k := range n.kids {
			if t = max(t, k.eval(env)); t == True {
				return True
			}
		}
		return t
	case opNot:
		return n.kids[0].eval(env).Not()
	default:
		return n.test(env)
	}
}

// test judges a comparison.
func (n *node) test(env *Env) Truth {
	v := n.path.lookup(env)
	if n.op == opExists {
		return truth(n.want == (v.kind > kindNull))
	}
	if v.kind == kindMissing {
		return Unknown
	}
	return n.compare(v, env)
}

// compare judges a value that is there.
func (n *node) compare(v value, env *Env) Truth {
	switch n.op {
	case opEq:
		return n.arg.equals(v, env)
	case opNe:
		return n.arg.equals(v, env).Not()
	case opIn:
		return n.anyOf(env, func(o *operand) Truth { return o.equals(v, env) })
	case opNin:
		return n.anyOf(env, func(o *operand) Truth { return o.equals(v, env) }).Not()
	case opGt, opGte, opLt, opLte:
		c, ok := order(v, n.arg.resolve(env))
		if !ok {
			return Unknown
		}
		return truth(ordered(n.op, c))
	case opBetween:
		return between(v, n.list[0].resolve(env), n.list[1].resolve(env), env)
	case opWeekday:
		return n.weekday(v, env)
	case opPrefix, opSuffix, opMatches:
		return n.text(v, env)
	case opContains:
		return contains(v, &n.arg, env)
	case opContainsAll:
		if v.kind != kindList {
			return Unknown
		}
		return n.allOf(env, func(o *operand) Truth { return contains(v, o, env) })
	case opContainsAny:
		if v.kind != kindList {
			return Unknown
		}
		return n.anyOf(env, func(o *operand) Truth { return contains(v, o, env) })
	case opCIDR:
		return n.within(v, env)
	default:
		return Unknown
	}
}

func ordered(o op, c int) bool {
	switch o {
	case opGt:
		return c > 0
	case opGte:
		return c >= 0
	case opLt:
		return c < 0
	default:
		return c <= 0
	}
}

// between judges numbers and times by order, and a time against clock times by
// its hour and minute in the tenant's time zone, so that the whole minute of
// the end is included.
func between(v, a, b value, env *Env) Truth {
	low, ok1 := order(a, v)
	high, ok2 := order(v, b)
	if ok1 && ok2 {
		return truth(low <= 0 && high <= 0)
	}
	if v.kind != kindString || a.kind != kindString || b.kind != kindString {
		return Unknown
	}
	from, ok1 := parseClock(a.s)
	to, ok2 := parseClock(b.s)
	ns, ok3 := parseTime(v.s)
	if !ok1 || !ok2 || !ok3 {
		return Unknown
	}
	at := time.Unix(0, ns).In(env.Tenant.location())
	minute := at.Hour()*60 + at.Minute()
	if from <= to {
		return truth(from <= minute && minute <= to)
	}
	return truth(minute >= from || minute <= to)
}

func (n *node) weekday(v value, env *Env) Truth {
	if v.kind != kindString {
		return Unknown
	}
	ns, ok := parseTime(v.s)
	if !ok {
		return Unknown
	}
	day := time.Unix(0, ns).In(env.Tenant.location()).Weekday()
	return n.anyOf(env, func(o *operand) Truth {
		d := o.resolve(env)
		want, ok := weekday(d.s)
		if d.kind != kindString || !ok {
			return Unknown
		}
		return truth(want == day)
	})
}

func (n *node) text(v value, env *Env) Truth {
	if v.kind != kindString {
		return Unknown
	}
	if n.op == opMatches {
		return truth(n.re.MatchString(v.s))
	}
	arg := n.arg.resolve(env)
	switch {
	case arg.kind != kindString:
		return Unknown
	case n.op == opPrefix:
		return truth(strings.HasPrefix(v.s, arg.s))
	default:
		return truth(strings.HasSuffix(v.s, arg.s))
	}
}

// contains looks for a substring, or for a member of a list.
func contains(v value, o *operand, env *Env) Truth {
	switch v.kind {
	case kindString:
		arg := o.resolve(env)
		if arg.kind != kindString {
			return Unknown
		}
		return truth(strings.Contains(v.s, arg.s))
	case kindList:
		t := False
		for _, e := range v.list {
			if t = max(t, o.equals(valueOf(e), env)); t == True {
				break
			}
		}
		return t
	default:
		return Unknown
	}
}

func (n *node) within(v value, env *Env) Truth {
	if v.kind != kindString {
		return Unknown
	}
	ip := net.ParseIP(v.s)
	if ip == nil {
		return Unknown
	}
	return n.anyOf(env, func(o *operand) Truth {
		block := o.net
		if block == nil {
			var err error
			arg := o.resolve(env)
			if _, block, err = net.ParseCIDR(arg.s); arg.kind != kindString || err != nil {
				return Unknown
			}
		}
		return truth(block.Contains(ip))
	})
}

// anyOf is the "or" over the operand's values.
func (n *node) anyOf(env *Env, judge func(*operand) Truth) Truth {
	t, ok := False, true
	n.each(env, &ok, func(o *operand) bool {
		t = max(t, judge(o))
		return t != True
	})
	if !ok {
		return Unknown
	}
	return t
}

// allOf is the "and" over the operand's values.
func (n *node) allOf(env *Env, judge func(*operand) Truth) Truth {
	t, ok := True, true
	n.each(env, &ok, func(o *operand) bool {
		t = min(t, judge(o))
		return t != False
	})
	if !ok {
		return Unknown
	}
	return t
}

// each calls do for the operand's values until it returns false. ok becomes
// false when the operand is a ref to something other than a list; a ref to a
// string serves as a list of one where a lone literal does.
func (n *node) each(env *Env, ok *bool, do func(*operand) bool) {
	if !n.listRef {
		for i := range n.list {
			if !do(&n.list[i]) {
				return
			}
		}
		return
	}
	arg := n.arg.resolve(env)
	switch {
	case arg.kind == kindList:
		for _, e := range arg.list {
			// A null that was looked up equals nothing, unlike a literal one.
			o := operand{value: valueOf(e)}
			if o.value.kind == kindNull {
				o.value = value{}
			}
			if !do(&o) {
				return
			}
		}
	case arg.kind == kindString && (n.op == opCIDR || n.op == opWeekday):
		do(&operand{value: arg})
	default:
		*ok = false
	}
}

// matched collects the comparisons that make n true.
func (n *node) matched(env *Env, out map[string]any) {
	switch n.op {
	case opUnknown, opNot:
		return
	case opAll:
		if n.eval(env) != True {
			return
		}
		for _, k := range n.kids {
			k.matched(env, out)
		}
	case opAny:
		for _, k := range n.kids {
			k.matched(env, out)
		}
	default:
		if n.eval(env) == True {
			out[n.key] = n.path.lookup(env).plain()
		}
	}
}
