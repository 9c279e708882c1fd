package rule

import (
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/condition"
)

// Check returns all that is wrong with a value, nothing for one that keeps to
// the rules. Null is no value: whether there must be one is the caller's to ask,
// see [Rules.Required]. Numbers are json.Number, so that none is rounded.
func (r *Rules) Check(value any) []string {
	if value == nil {
		return nil
	}
	if message := kind(r.dataType, value); message != "" {
		return []string{message}
	}
	var messages []string
	add := func(format string, args ...any) { messages = append(messages, fmt.Sprintf(format, args...)) }
	if n, what := length(value); what != "" {
		if r.minLen != nil && n < *r.minLen {
			add("must have at least %d %s", *r.minLen, what)
		}
		if r.maxLen != nil && n > *r.maxLen {
			add("must have at most %d %s", *r.maxLen, what)
		}
	}
	if text, ok := value.(string); ok && (r.pattern != nil || r.format != "") {
		if utf8.RuneCountInString(text) > MaxMatched {
			return append(messages, fmt.Sprintf("must have at most %d characters, since a pattern or format judges it", MaxMatched))
		}
		if r.pattern != nil && !r.pattern.MatchString(text) {
			add("must match the pattern %s", r.pattern)
		}
		if r.format != "" && !hasFormat(r.format, text) {
			add("must have the format %s", r.format)
		}
	}
	if r.min != nil || r.max != nil {
		p, _ := place(r.dataType, value)
		if r.min != nil && p.less(r.min) {
			add("must be at least %s", r.min.text)
		}
		if r.max != nil && r.max.less(p) {
			add("must be at most %s", r.max.text)
		}
	}
	if r.enum != nil {
		if key, _ := keyOf(r.dataType, value); !r.enum[key] {
			add("%s", r.enumMessages)
		}
	}
	return messages
}

// kind returns what a value should be and is not, "" if it is of the type.
func kind(dataType string, value any) string {
	switch dataType {
	case JSON:
		return ""
	case Boolean:
		if _, ok := value.(bool); !ok {
			return "must be true or false"
		}
	case Array:
		if _, ok := value.([]any); !ok {
			return "must be a list"
		}
	case Object:
		if _, ok := value.(map[string]any); !ok {
			return "must be an object"
		}
	case Integer, Number, Date, DateTime:
		_, message := place(dataType, value)
		return message
	default:
		_, message := keyOf(dataType, value)
		return message
	}
	return ""
}

var dayPattern = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`)

// place reads a value of a type that has an order.
func place(dataType string, value any) (*point, string) {
	switch dataType {
	case Integer, Number:
		n, ok := number(value)
		switch {
		case !ok:
			return nil, "must be a number nearer to zero than 1e300"
		case dataType == Integer && !n.IsInt():
			return nil, "must be a whole number"
		}
		return &point{text: fmt.Sprint(value), number: n}, ""
	case Date:
		text, _ := value.(string)
		t, err := time.Parse(time.DateOnly, text)
		if err != nil || !dayPattern.MatchString(text) {
			return nil, "must be a day, such as 2026-01-31"
		}
		return &point{text: text, time: t}, ""
	default:
		text, _ := value.(string)
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return nil, "must be an RFC 3339 time, such as 2026-01-31T09:00:00Z"
		}
		return &point{text: text, time: t}, ""
	}
}

// number reads a JSON number exactly. One whose exponent would make exactness
// dear is none, as in conditions.
func number(value any) (*big.Rat, bool) {
	var text string
	switch v := value.(type) {
	case json.Number:
		text = string(v)
	case int:
		text = strconv.Itoa(v)
	case int64:
		text = strconv.FormatInt(v, 10)
	case float64:
		text = strconv.FormatFloat(v, 'g', -1, 64)
	default:
		return nil, false
	}
	if !condition.Comparable(json.Number(text)) {
		return nil, false
	}
	return new(big.Rat).SetString(text)
}

// keyOf returns a text that equal values of the type share.
func keyOf(dataType string, value any) (string, string) {
	switch dataType {
	case Integer, Number, Date, DateTime:
		p, message := place(dataType, value)
		switch {
		case message != "":
			return "", message
		case p.number != nil:
			return p.number.RatString(), ""
		default:
			return p.time.UTC().Format(time.RFC3339Nano), ""
		}
	}
	text, ok := value.(string)
	switch {
	case !ok:
		return "", "must be a text"
	case dataType == UUID:
		id, err := uuid.Parse(text)
		if err != nil || len(text) != 36 {
			return "", "must be a UUID"
		}
		return id.String(), ""
	case dataType == Reference:
		if text == "" {
			return "", "must name an object"
		}
		return text, engine.CheckResourceID(text)
	}
	return text, ""
}

func length(value any) (n int, what string) {
	switch v := value.(type) {
	case string:
		return utf8.RuneCountInString(v), "characters"
	case []any:
		return len(v), "items"
	default:
		return 0, ""
	}
}
