package httpapi

import "strings"

// plainer has the beginnings of huma's messages with what is said instead, longer
// ones before those that they begin with. After a "%" the rest of the message
// follows.
var plainer = [...]struct{ begins, say string }{
	{"expected value to be one of ", "must be one of %"},
	{"expected string to match pattern ", "must match the pattern %"},
	{"expected string to be regex: ", "must be a regular expression: %"},
	{"expected string to be ", "must be %"},
	{"expected array length >= ", "must have at least % elements"},
	{"expected array length <= ", "must have at most % elements"},
	{"expected array items to be unique", "must not have an element twice"},
	{"expected length >= ", "must have at least % characters"},
	{"expected length <= ", "must have at most % characters"},
	{"expected number >= ", "must be % or more"},
	{"expected number <= ", "must be % or less"},
	{"expected number > ", "must be more than %"},
	{"expected number < ", "must be less than %"},
	{"expected object with ", "must have %"},
	{"expected object", "must be an object"},
	{"expected array", "must be a list"},
	{"expected string", "must be a string"},
	{"expected boolean", "must be true or false"},
	{"expected integer", "must be a whole number"},
	{"expected number", "must be a number"},
}

// plainly says a message of huma's in the words of the other messages.
func plainly(message string) string {
	for _, w := range plainer {
		rest, found := strings.CutPrefix(message, w.begins)
		if !found {
			continue
		}
		if rest = strings.Trim(rest, `"`); rest == "1" {
			w.say = strings.NewReplacer("elements", "element", "characters", "character").Replace(w.say)
		}
		return strings.Replace(w.say, "%", rest, 1)
	}
	return message
}
