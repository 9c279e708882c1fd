package httpapi

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// Limits of a JSON body. Nothing in the API nests deeper than a third of
// maxDepth, and no number anybody means is longer than maxNumber.
const (
	maxDepth      = 32
	maxNumber     = 64
	maxViolations = 100
)

// checkJSON reports what is wrong with data as one JSON value: everything that
// RFC 8259 forbids, and what it leaves to the reader but two readers would
// understand differently (RFC 7493): member names that occur twice, invalid
// UTF-8, lone surrogates, numbers beyond a float64. NUL is refused too, since a
// database text cannot hold it. An error of syntax ends the check; the others
// are all listed, up to a hundred.
//
// It does not recurse and keeps one frame for each level, so that its cost is
// linear in the bytes read, and a body that nests too deep is left at once.
func checkJSON(data []byte) []fault.Field {
	s := scanner{data: data}
	s.run()
	return s.violations
}

// CheckJSON holds a JSON value that came in another way than as a body to the
// rules for bodies: see [checkJSON].
func CheckJSON(data []byte) []fault.Field { return checkJSON(data) }

type frame struct {
	object bool
	// count is the number of values begun.
	count int
	// name is the present member's, names all so far.
	name  string
	names []string
	seen  map[string]struct{}
}

type scanner struct {
	data       []byte
	pos        int
	stack      []frame
	violations []fault.Field
	stopped    bool
}

func (s *scanner) run() {
	s.value()
	for len(s.stack) > 0 && !s.stopped {
		s.next()
	}
	if s.stopped {
		return
	}
	if s.space(); s.pos < len(s.data) {
		s.syntax("there is something after the JSON value")
	}
}

// next reads on inside the innermost array or object.
func (s *scanner) next() {
	top := &s.stack[len(s.stack)-1]
	closing := byte(']')
	if top.object {
		closing = '}'
	}
	s.space()
	switch {
	case s.peek() == closing:
		s.pos++
		s.stack = s.stack[:len(s.stack)-1]
		return
	case top.count > 0:
		if s.peek() != ',' {
			s.syntax(fmt.Sprintf("expected a comma or %q", string(closing)))
			return
		}
		s.pos++
		s.space()
	}
	top.count++
	if top.object && !s.member(top) {
		return
	}
	s.value()
}

// member reads a name and its colon.
func (s *scanner) member(top *frame) bool {
	// What is wrong with a name is told of its object.
	top.name = ""
	if s.peek() != '"' {
		s.syntax("expected a member name in double quotes")
		return false
	}
	name, ok := s.text()
	if !ok {
		return false
	}
	top.name = name
	if top.repeated(name) {
		s.violate("occurs twice in this object")
	}
	s.space()
	if s.peek() != ':' {
		s.syntax("expected a colon after the member name")
		return false
	}
	s.pos++
	return true
}

// repeated records name. Small objects are searched, large ones indexed.
func (f *frame) repeated(name string) bool {
	if f.seen != nil {
		_, twice := f.seen[name]
		f.seen[name] = struct{}{}
		return twice
	}
	for _, other := range f.names {
		if other == name {
			return true
		}
	}
	f.names = append(f.names, name)
	if len(f.names) > 16 {
		f.seen = make(map[string]struct{}, 64)
		for _, other := range f.names {
			f.seen[other] = struct{}{}
		}
	}
	return false
}

// value reads a scalar, or opens an array or object for next.
func (s *scanner) value() {
	s.space()
	switch c := s.peek(); {
	case c == '{' || c == '[':
		if len(s.stack) == maxDepth {
			s.violate(fmt.Sprintf("nests deeper than %d levels", maxDepth))
			s.stopped = true
			return
		}
		s.pos++
		s.stack = append(s.stack, frame{object: c == '{'})
	case c == '"':
		s.text()
	case c == '-' || c >= '0' && c <= '9':
		s.number()
	default:
		for _, word := range []string{"true", "false", "null"} {
			if strings.HasPrefix(string(s.data[s.pos:min(len(s.data), s.pos+5)]), word) {
				s.pos += len(word)
				return
			}
		}
		s.syntax("expected a JSON value")
	}
}

func (s *scanner) number() {
	start := s.pos
	if s.peek() == '-' {
		s.pos++
	}
	switch {
	case s.peek() == '0':
		s.pos++
	case !s.digits():
		s.syntax("expected a digit")
		return
	}
	if s.peek() == '.' {
		s.pos++
		if !s.digits() {
			s.syntax("expected a digit after the decimal point")
			return
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.pos++
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		if !s.digits() {
			s.syntax("expected a digit in the exponent")
			return
		}
	}
	literal := s.data[start:s.pos]
	if len(literal) > maxNumber {
		s.violate(fmt.Sprintf("is a number of more than %d characters", maxNumber))
		return
	}
	// What a float64 rounds down to zero no database may be able to hold either.
	mantissa, _, _ := strings.Cut(strings.ToLower(string(literal)), "e")
	if f, err := strconv.ParseFloat(string(literal), 64); err != nil || f == 0 && strings.ContainsAny(mantissa, "123456789") {
		s.violate("is a number out of range")
	}
}

func (s *scanner) digits() bool {
	start := s.pos
	for c := s.peek(); c >= '0' && c <= '9'; c = s.peek() {
		s.pos++
	}
	return s.pos > start
}

// text reads a string and returns it decoded, false after an error of syntax.
func (s *scanner) text() (string, bool) {
	s.pos++
	start := s.pos
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; {
		case c == '"':
			s.pos++
			return string(s.data[start : s.pos-1]), true
		case c == '\\':
			return s.escaped(start)
		case c < ' ':
			s.syntax("a control character must be escaped")
			return "", false
		case c < utf8.RuneSelf:
			s.pos++
		default:
			s.rune()
		}
	}
	s.syntax("the text ends inside a string")
	return "", false
}

// rune steps over one character beyond ASCII.
func (s *scanner) rune() rune {
	r, size := utf8.DecodeRune(s.data[s.pos:])
	if r == utf8.RuneError && size == 1 {
		s.violate("is not valid UTF-8")
	}
	s.pos += size
	return r
}

// escaped is text for a string whose first backslash was reached.
func (s *scanner) escaped(start int) (string, bool) {
	decoded := append([]byte(nil), s.data[start:s.pos]...)
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; {
		case c == '"':
			s.pos++
			return string(decoded), true
		case c < ' ':
			s.syntax("a control character must be escaped")
			return "", false
		case c >= utf8.RuneSelf:
			decoded = utf8.AppendRune(decoded, s.rune())
		case c != '\\':
			decoded = append(decoded, c)
			s.pos++
		default:
			r, ok := s.escape()
			if !ok {
				return "", false
			}
			decoded = utf8.AppendRune(decoded, r)
		}
	}
	s.syntax("the text ends inside a string")
	return "", false
}

// escape reads one escape, or a pair of them for one character.
func (s *scanner) escape() (rune, bool) {
	s.pos++
	c := s.peek()
	if at := strings.IndexByte(`"\/bfnrt`, c); at >= 0 && c != 0 {
		s.pos++
		return rune("\"\\/\b\f\n\r\t"[at]), true
	}
	r, ok := s.hex()
	if !ok {
		s.syntax("there is no such escape")
		return 0, false
	}
	switch {
	case r == 0:
		s.violate("holds a NUL character")
	case r >= 0xDC00 && r <= 0xDFFF:
		s.violate("holds half of a surrogate pair")
	case r >= 0xD800 && r <= 0xDBFF:
		mark := s.pos
		if s.peek() == '\\' {
			s.pos++
			if low, ok := s.hex(); ok && low >= 0xDC00 && low <= 0xDFFF {
				return (r-0xD800)<<10 + (low - 0xDC00) + 0x10000, true
			}
		}
		s.pos = mark
		s.violate("holds half of a surrogate pair")
	}
	return r, true
}

// hex reads "u" and four hexadecimal digits.
func (s *scanner) hex() (rune, bool) {
	if s.peek() != 'u' || s.pos+5 > len(s.data) {
		return 0, false
	}
	var r rune
	for _, c := range s.data[s.pos+1 : s.pos+5] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	s.pos += 5
	return r, true
}

func (s *scanner) space() {
	for c := s.peek(); c == ' ' || c == '\t' || c == '\n' || c == '\r'; c = s.peek() {
		s.pos++
	}
}

// peek returns the next byte, 0 at the end. A NUL in the text is no token, so
// both are errors wherever they are met.
func (s *scanner) peek() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

func (s *scanner) syntax(what string) {
	s.violate(fmt.Sprintf("is not JSON: %s, at byte %d", what, s.pos))
	s.stopped = true
}

func (s *scanner) violate(what string) {
	if len(s.violations) < maxViolations {
		s.violations = append(s.violations, fault.Field{Path: s.path(), Message: what})
	}
}

// path names the value being read, as "permissions[2].actions".
func (s *scanner) path() string {
	var b strings.Builder
	for i := range s.stack {
		f := &s.stack[i]
		switch {
		case !f.object && f.count > 0:
			fmt.Fprintf(&b, "[%d]", f.count-1)
		case f.object && f.name != "":
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(printable(f.name, 100))
		}
	}
	if b.Len() == 0 {
		return "body"
	}
	return b.String()
}
