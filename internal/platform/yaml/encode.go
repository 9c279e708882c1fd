package yaml

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// lineWidth is how long a list of scalars may be to stand on one line.
const lineWidth = 100

// Encode writes a JSON document as YAML, its members in the order in which they
// stand. Texts that some reader of YAML would take for something else are in
// quotes. comments are written above the members of the document of those names.
func Encode(document []byte, comments map[string]string) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	root, err := parse(decoder)
	if err != nil {
		return nil, fmt.Errorf("read the document: %w", err)
	}
	w := &writer{comments: comments}
	if text, ok := inline(root); ok {
		w.out.WriteString(text + "\n")
	} else {
		w.block(root, 0, true)
	}
	return w.out.Bytes(), nil
}

// member is one of an object whose order is kept.
type member struct {
	name  string
	value any
}

type object []member

func parse(d *json.Decoder) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		o := object{}
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return nil, err
			}
			value, err := parse(d)
			if err != nil {
				return nil, err
			}
			text, _ := name.(string)
			o = append(o, member{text, value})
		}
		_, err := d.Token()
		return o, err
	case json.Delim('['):
		list := []any{}
		for d.More() {
			value, err := parse(d)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		_, err := d.Token()
		return list, err
	default:
		return token, nil
	}
}

type writer struct {
	out      bytes.Buffer
	comments map[string]string
}

// block writes a value that begins on a line of its own, or, where first is not
// set, behind the dash of a list.
func (w *writer) block(value any, indent int, first bool) {
	margin := strings.Repeat(" ", indent)
	switch v := value.(type) {
	case object:
		for i, m := range v {
			if comment := w.comments[m.name]; comment != "" && indent == 0 {
				fmt.Fprintf(&w.out, "\n# %s\n", strings.ReplaceAll(comment, "\n", "\n# "))
			}
			if i > 0 || first {
				w.out.WriteString(margin)
			}
			w.out.WriteString(scalar(m.name))
			w.out.WriteByte(':')
			w.after(m.value, indent)
		}
	case []any:
		for i, one := range v {
			if i > 0 || first {
				w.out.WriteString(margin)
			}
			w.out.WriteString("- ")
			if text, ok := inline(one); ok {
				w.out.WriteString(text + "\n")
			} else {
				w.block(one, indent+2, false)
			}
		}
	}
}

// after writes a member's value behind its name.
func (w *writer) after(value any, indent int) {
	if text, ok := inline(value); ok {
		w.out.WriteString(" " + text + "\n")
		return
	}
	w.out.WriteByte('\n')
	w.block(value, indent+2, true)
}

// inline is a value that stands on one line: a scalar, an empty collection, or a
// short list of scalars.
func inline(value any) (string, bool) {
	switch v := value.(type) {
	case object:
		return "{}", len(v) == 0
	case []any:
		if slices.ContainsFunc(v, func(one any) bool { return collection(one) }) {
			return "", false
		}
		parts := make([]string, len(v))
		for i, one := range v {
			parts[i] = scalar(one)
		}
		text := "[" + strings.Join(parts, ", ") + "]"
		return text, len(text) <= lineWidth
	default:
		return scalar(value), true
	}
}

func collection(value any) bool {
	switch value.(type) {
	case object, []any:
		return true
	default:
		return false
	}
}

var (
	// plainText is what nobody takes for anything but a text, apart from the words
	// of wordlike.
	plainText = regexp.MustCompile(`^[A-Za-z_/][A-Za-z0-9_./*@-]*( [A-Za-z0-9_./*@(-][A-Za-z0-9_./*@()-]*)*$`)
	// colonText also has colons inside, as in type:code.
	colonText = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*:[A-Za-z_][A-Za-z0-9_./-]*$`)
	wordlike  = regexp.MustCompile(`(?i)^(y|n|yes|no|on|off|true|false|null|nan|inf)$`)
)

func scalar(value any) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case string:
		if (plainText.MatchString(v) || colonText.MatchString(v)) && !wordlike.MatchString(v) {
			return v
		}
		return quoted(v)
	default:
		return fmt.Sprint(v)
	}
}

// quoted is a text in double quotes, with escapes for what is not seen.
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\t':
			b.WriteString(`\t`)
		case unicode.IsPrint(c):
			b.WriteRune(c)
		case c <= 0xFFFF:
			fmt.Fprintf(&b, `\u%04X`, c)
		default:
			fmt.Fprintf(&b, `\U%08X`, c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
