package condition

import (
	"cmp"
	"encoding/json"
	"math/big"
)

// Numbers are compared exactly, as decimals. One of 1e300 or more, or nearer to
// zero than 1e-300 without being zero, is of no kind that compares: exactness
// would cost time that grows with the exponent.
const maxExponent = 300

// Comparable reports whether a JSON number compares with others.
func Comparable(n json.Number) bool {
	_, ok := parseNumber(string(n))
	return ok
}

// decimal is sign * m * 10^e.
type decimal struct {
	neg bool
	m   uint64
	e   int
	// digits is the number of significant digits, leading zeros left out.
	digits int
	// long is set when m does not hold all digits.
	long bool
}

// maxShort is the number of decimal digits that always fit m.
const maxShort = 18

// parseNumber reads a JSON number; ok is false for one that does not compare.
func parseNumber(s string) (d decimal, ok bool) {
	i := 0
	if i < len(s) && s[i] == '-' {
		d.neg = true
		i++
	}
	start, point := i, false
	for ; i < len(s); i++ {
		c := s[i]
		if c == '.' && !point {
			point = true
			continue
		}
		if c < '0' || c > '9' {
			break
		}
		if point {
			d.e--
		}
		if d.digits == 0 && c == '0' {
			continue
		}
		d.digits++
		if d.digits > maxShort {
			d.long = true
			continue
		}
		d.m = d.m*10 + uint64(c-'0')
	}
	if i == start {
		return d, false
	}
	exponent, ok := parseExponent(s[i:])
	if !ok {
		return d, false
	}
	if d.digits == 0 {
		return decimal{}, true
	}
	d.e += exponent
	magnitude := d.digits + d.e
	return d, magnitude <= maxExponent && magnitude > -maxExponent
}

// parseExponent reads "" or e[+-]digits. What is beyond any number that
// compares is cut short.
func parseExponent(s string) (int, bool) {
	if s == "" {
		return 0, true
	}
	if s[0]|0x20 != 'e' {
		return 0, false
	}
	s = s[1:]
	sign := 1
	if s != "" && (s[0] == '-' || s[0] == '+') {
		if s[0] == '-' {
			sign = -1
		}
		s = s[1:]
	}
	if s == "" {
		return 0, false
	}
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = min(n*10+int(s[i]-'0'), 1<<40)
	}
	return sign * n, true
}

// compareNumbers orders two JSON numbers by value. ok is false when either does
// not compare.
func compareNumbers(a, b string) (c int, ok bool) {
	x, okX := parseNumber(a)
	y, okY := parseNumber(b)
	if !okX || !okY {
		return 0, false
	}
	if sx, sy := x.sign(), y.sign(); sx != sy || sx == 0 {
		return cmp.Compare(sx, sy), true
	}
	if x.long || y.long {
		rx, okX := new(big.Rat).SetString(a)
		ry, okY := new(big.Rat).SetString(b)
		if !okX || !okY {
			return 0, false
		}
		return rx.Cmp(ry), true
	}
	c = cmp.Compare(x.digits+x.e, y.digits+y.e)
	if c == 0 {
		c = cmp.Compare(scaled(x, y.digits), scaled(y, x.digits))
	}
	if x.neg {
		c = -c
	}
	return c, true
}

func (d decimal) sign() int {
	switch {
	case d.digits == 0:
		return 0
	case d.neg:
		return -1
	default:
		return 1
	}
}

// scaled returns d.m with zeros appended up to the given number of digits.
func scaled(d decimal, digits int) uint64 {
	m := d.m
	for range digits - d.digits {
		m *= 10
	}
	return m
}
