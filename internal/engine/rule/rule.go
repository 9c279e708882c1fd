// Package rule checks values against what a field definition says of them: a
// data type and validation rules. Rules are compiled once, when the definition
// is written or read, and then judge any number of values. It knows neither
// where a value is stored nor whose it is.
package rule

import (
	"fmt"
	"math/big"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"time"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// The data types that a field can have.
const (
	// String and Text hold any text; Text is shown in several lines.
	String = "string"
	Text   = "text"
	// Integer is a whole number, however it is written: 3, 3.0 and 3e0 are one.
	Integer = "integer"
	Number  = "number"
	Boolean = "boolean"
	// Date is a day, as 2026-01-31; DateTime a moment, as RFC 3339 writes it.
	Date     = "date"
	DateTime = "datetime"
	UUID     = "uuid"
	// Enum is one of the texts that the rule enum lists.
	Enum = "enum"
	// Reference is the id of another object, as a question would name it.
	Reference = "reference"
	Array     = "array"
	Object    = "object"
	// JSON is any value.
	JSON = "json"
)

// Types returns the names of all data types.
func Types() []string {
	return []string{String, Text, Integer, Number, Boolean, Date, DateTime, UUID, Enum, Reference, Array, Object, JSON}
}

// The bounds of rules. Matching takes time by the length of the text multiplied
// by the steps of the pattern, and repetitions of repetitions multiply those.
const (
	MaxPattern = 500
	// MaxMatched is how many characters a text may have that a pattern or format
	// judges.
	MaxMatched     = 10_000
	maxSteps       = 2000
	MaxEnum        = 1000
	maxEnumValue   = 500
	maxLengthLimit = 1_000_000
)

// names are the rules there are, with the data types that have a use for each.
// required is of every type.
func names() map[string][]string {
	texts := []string{String, Text, Reference}
	scale := []string{Integer, Number, Date, DateTime}
	return map[string][]string{
		"required":   Types(),
		"pattern":    texts,
		"format":     {String, Text},
		"min_length": append([]string{Array}, texts...),
		"max_length": append([]string{Array}, texts...),
		"min":        scale,
		"max":        scale,
		"enum":       {String, Text, Integer, Number, Date, DateTime, UUID, Enum, Reference},
	}
}

// Rules are what a value must keep to. They never change and are safe for
// concurrent use.
type Rules struct {
	// Required is set where the rules themselves say so.
	Required bool

	dataType     string
	pattern      *regexp.Regexp
	format       string
	minLen       *int
	maxLen       *int
	min, max     *point
	enum         map[string]bool
	enumMessages string
}

// point is a place on the scale of numbers, days or moments, with the text that
// it was written as.
type point struct {
	text   string
	number *big.Rat
	time   time.Time
}

func (p *point) less(other *point) bool {
	if p.number != nil {
		return p.number.Cmp(other.number) < 0
	}
	return p.time.Before(other.time)
}

// Compile checks and compiles the rules of a field of that data type. It returns
// everything that is wrong with them, by its path below the rules; "data_type"
// with an empty path where there is no such type.
func Compile(dataType string, rules map[string]any) (*Rules, []fault.Field) {
	c := &compiler{r: &Rules{dataType: dataType}}
	if !slices.Contains(Types(), dataType) {
		c.add("", "there is no data type %q; there are %s", clip(dataType), strings.Join(Types(), ", "))
		return nil, c.fields
	}
	all := names()
	for _, name := range sorted(rules) {
		types, known := all[name]
		switch {
		case !known:
			c.add(clip(name), "is no rule; there are %s", strings.Join(sorted(all), ", "))
		case !slices.Contains(types, dataType):
			c.add(name, "is of no use to the data type %s", dataType)
		default:
			c.rule(name, rules[name])
		}
	}
	if r := c.r; r.min != nil && r.max != nil && r.max.less(r.min) {
		c.add("max", "must not be less than min")
	}
	if r := c.r; r.minLen != nil && r.maxLen != nil && *r.maxLen < *r.minLen {
		c.add("max_length", "must not be less than min_length")
	}
	if _, given := rules["enum"]; dataType == Enum && !given {
		c.add("enum", "must list the texts that the data type enum stands for")
	}
	if c.fields != nil {
		return nil, c.fields
	}
	return c.r, nil
}

type compiler struct {
	r      *Rules
	fields []fault.Field
}

func (c *compiler) add(path, format string, args ...any) {
	c.fields = append(c.fields, fault.Field{Path: path, Message: fmt.Sprintf(format, args...)})
}

func (c *compiler) rule(name string, value any) {
	switch name {
	case "required":
		required, ok := value.(bool)
		if !ok {
			c.add(name, "must be true or false")
		}
		c.r.Required = required
	case "pattern":
		c.pattern(value)
	case "format":
		format, _ := value.(string)
		if !slices.Contains(Formats(), format) {
			c.add(name, "must be one of %s", strings.Join(Formats(), ", "))
		}
		c.r.format = format
	case "min_length":
		c.r.minLen = c.length(name, value)
	case "max_length":
		c.r.maxLen = c.length(name, value)
	case "min":
		c.r.min = c.bound(name, value)
	case "max":
		c.r.max = c.bound(name, value)
	case "enum":
		c.enum(value)
	}
}

func (c *compiler) pattern(value any) {
	text, ok := value.(string)
	if !ok || text == "" || len([]rune(text)) > MaxPattern {
		c.add("pattern", "must be a regular expression (RE2) of 1 to %d characters", MaxPattern)
		return
	}
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		c.add("pattern", "is not a regular expression (RE2): %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		return
	}
	// Before it is compiled, which takes memory by its steps.
	if steps(parsed) > maxSteps {
		c.add("pattern", "repeats too much: write it with smaller repetitions")
		return
	}
	if c.r.pattern, err = regexp.Compile(text); err != nil {
		c.add("pattern", "is not a regular expression (RE2)")
	}
}

// steps is about how many instructions a pattern compiles to.
func steps(re *syntax.Regexp) int {
	n := 1
	if re.Op == syntax.OpLiteral {
		n = len(re.Rune)
	}
	for _, sub := range re.Sub {
		n += steps(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max, 1)
	}
	return n
}

func (c *compiler) length(name string, value any) *int {
	n, ok := number(value)
	if !ok || !n.IsInt() || n.Sign() < 0 || n.Cmp(big.NewRat(maxLengthLimit, 1)) > 0 {
		c.add(name, "must be a whole number from 0 to %d", maxLengthLimit)
		return nil
	}
	length := int(n.Num().Int64())
	return &length
}

func (c *compiler) bound(name string, value any) *point {
	p, message := place(c.r.dataType, value)
	if message != "" {
		c.add(name, "%s", message)
		return nil
	}
	return p
}

func (c *compiler) enum(value any) {
	list, ok := value.([]any)
	if !ok || len(list) == 0 || len(list) > MaxEnum {
		c.add("enum", "must be a list of 1 to %d values", MaxEnum)
		return
	}
	c.r.enum = make(map[string]bool, len(list))
	shown := make([]string, 0, len(list))
	for i, v := range list {
		path := fmt.Sprintf("enum[%d]", i)
		key, message := keyOf(c.r.dataType, v)
		switch {
		case message != "":
			c.add(path, "%s", message)
		case len([]rune(key)) > maxEnumValue:
			c.add(path, "must have at most %d characters", maxEnumValue)
		case c.r.enum[key]:
			c.add(path, "is there already")
		default:
			c.r.enum[key] = true
			shown = append(shown, fmt.Sprint(v))
		}
	}
	const most = 10
	if len(shown) > most {
		shown = append(shown[:most:most], fmt.Sprintf("and %d more", len(shown)-most))
	}
	c.r.enumMessages = "must be one of " + strings.Join(shown, ", ")
}

func sorted[T any](m map[string]T) []string {
	out := make([]string, 0, len(m))
	for name := range m {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// clip keeps a caller's own text short in a message.
func clip(s string) string {
	if r := []rune(s); len(r) > 100 {
		return string(r[:100]) + "…"
	}
	return s
}
