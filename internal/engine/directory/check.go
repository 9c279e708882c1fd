package directory

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// Checker gathers what is wrong with a form, with Prefix before each path.
type Checker struct {
	Prefix string
	Fields []fault.Field
}

// Add tells of what is wrong at a path; an empty message says that nothing is.
func (c *Checker) Add(path, message string) {
	if message != "" {
		c.Fields = append(c.Fields, fault.Field{Path: c.Prefix + path, Message: message})
	}
}

// Length holds a text to a number of characters, which is how the database
// counts.
func (c *Checker) Length(path, text string, least, most int) {
	if utf8.RuneCountInString(text) < least {
		c.Add(path, "must be given")
		return
	}
	c.Add(path, atMost(text, most))
}

// Once refuses empty texts and those that a list has twice.
func (c *Checker) Once(path string, list []string) {
	seen := make(map[string]bool, len(list))
	for i, v := range list {
		at := fmt.Sprintf("%s[%d]", path, i)
		if v == "" {
			c.Add(at, "must not be empty")
		} else if seen[v] {
			c.Add(at, "is there already")
		}
		seen[v] = true
	}
}

func (c *Checker) unlike(path, value, own string) {
	if value != "" && value == own {
		c.Add(path, "names the object itself")
	}
}

func (c *Checker) node(path, text string) bool {
	_, ok := ParseNodeRef(text)
	if !ok {
		c.Add(path, "must name a node as type:code, such as app:fleet")
	}
	return ok
}

func oneOf(s string, allowed ...string) string {
	if slices.Contains(allowed, s) {
		return ""
	}
	return "must be one of " + strings.Join(allowed, ", ")
}

func atMost(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return ""
	}
	return fmt.Sprintf("must have at most %d characters", n)
}
