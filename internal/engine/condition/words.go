package condition

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Words says what the value has to be: "at least 3".
func (w *Want) Words() string { return words(w.Operator, w.Negated, w.Operands) }

// Failure says in words by which comparisons conditions do not hold, each as
// "subject.attributes.clearance is 2, wanted at least 3".
func (j *Judged) Failure() string {
	var out []string
	j.failures(True, &out)
	if out == nil {
		return "they compare nothing"
	}
	const most = 3
	if len(out) > most {
		out = append(out[:most], fmt.Sprintf("and %d more", len(out)-most))
	}
	return strings.Join(out, "; ")
}

// failures collects the comparisons that stand in the way of want, with what each
// would have to be.
func (j *Judged) failures(want Truth, out *[]string) {
	if j.Truth == want.String() {
		return
	}
	switch j.Operator {
	case "all_of", "any_of":
		for _, part := range j.Parts {
			part.failures(want, out)
		}
	case "not":
		j.Parts[0].failures(want.Not(), out)
	default:
		*out = append(*out, fmt.Sprintf("%s %s, wanted %s", j.Path, found(j.Found), words(j.Operator, want == False, j.Wanted)))
	}
}

// Facts says in words on which comparisons the whole rests, each as
// "subject.attributes.clearance is 2".
func (j *Judged) Facts() string {
	var out []string
	j.facts(&out)
	return strings.Join(out[:min(len(out), 3)], "; ")
}

func (j *Judged) facts(out *[]string) {
	if !j.Decides {
		return
	}
	for _, part := range j.Parts {
		part.facts(out)
	}
	if j.Found != nil {
		*out = append(*out, j.Path+" "+found(j.Found))
	}
}

func found(v *Value) string {
	switch {
	case v == nil || v.Kind == "missing":
		return "is missing"
	case v.Hidden:
		return "has a value that you may not see"
	default:
		return "is " + v.Say()
	}
}

// Say is the value in words, cut if it is long.
func (v Value) Say() string {
	const most = 80
	switch {
	case v.Hidden:
		return "a value that you may not see"
	case v.Kind == "missing":
		return "what is missing at " + v.Ref
	}
	raw, err := json.Marshal(v.Value)
	text := []rune(string(raw))
	// The quotes of a string stay where it would read as something else without.
	if s, isText := v.Value.(string); isText && !json.Valid([]byte(s)) && !strings.ContainsAny(s, " ,;") {
		text = []rune(strings.Trim(string(raw), `"`))
	}
	if err != nil || len(text) == 0 {
		return "empty"
	}
	if len(text) > most || v.Cut {
		return string(text[:min(len(text), most)]) + "..."
	}
	return string(text)
}

// inZone is said of clock times and weekdays, since times are written in UTC.
const inZone = " in the tenant's time zone"

func zone(operands []Value) string {
	if len(operands) == 0 || operands[0].Hidden {
		return ""
	}
	if text, _ := operands[0].Value.(string); len(text) == len("09:00") && text[2] == ':' {
		return inZone
	}
	return ""
}

func words(operator string, negated bool, operands []Value) string {
	list := make([]string, len(operands))
	for i, v := range operands {
		list[i] = v.Say()
	}
	one, all := "", strings.Join(list, ", ")
	if len(list) > 0 {
		one = list[0]
	}
	if len(operands) == 1 && !operands[0].Hidden && operands[0].Kind == "list" {
		all = strings.Trim(one, "[]")
	}
	opposite := map[string]string{"eq": "ne", "ne": "eq", "in": "nin", "nin": "in", "gt": "lte", "lte": "gt", "gte": "lt", "lt": "gte"}
	if negated && opposite[operator] != "" {
		operator, negated = opposite[operator], false
	}
	not := ""
	if negated {
		not = "not "
	}
	switch operator {
	case "eq":
		return one
	case "ne":
		return "other than " + one
	case "in":
		return "one of " + all
	case "nin":
		return "none of " + all
	case "gt":
		return "more than " + one
	case "gte":
		return "at least " + one
	case "lt":
		return "less than " + one
	case "lte":
		return "at most " + one
	case "between":
		return not + "between " + strings.Join(list, " and ") + zone(operands)
	case "weekday":
		return not + "a day of " + all + inZone
	case "prefix":
		return not + "beginning with " + one
	case "suffix":
		return not + "ending with " + one
	case "contains":
		return not + "containing " + one
	case "contains_all":
		return not + "containing all of " + all
	case "contains_any":
		return not + "containing one of " + all
	case "cidr":
		return not + "an address within " + all
	case "matches":
		return not + "matching " + one
	case "exists":
		if (one == "true") != negated {
			return "any value"
		}
		return "none"
	default:
		return "what cannot be said"
	}
}
