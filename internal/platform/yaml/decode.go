// Package yaml turns YAML into JSON and back. It takes of YAML what has one
// meaning: everything else is refused with the line at which it stands. It knows
// nothing of what the documents are about.
package yaml

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	// maxDepth bounds how deep a document nests.
	maxDepth = 64
	// maxAliased bounds how many values aliases may stand for, all together.
	maxAliased = 100_000
)

// Document is a YAML document as JSON.
type Document struct {
	// JSON is the document's text, its numbers as they were written.
	JSON []byte
	// Lines are where values stand, by path, such as "roles[2].name".
	Lines map[string]int
}

// jsonNumber is what JSON takes for a number (RFC 8259, 6).
var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// Decode reads one document, JSON included. It refuses members that are given
// twice, names that are no texts, tags, merge keys, several documents, and
// numbers in forms that readers of YAML disagree about, such as 0755 and .inf.
func Decode(data []byte) (*Document, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var root, more yaml.Node
	switch err := decoder.Decode(&root); {
	case errors.Is(err, io.EOF):
		return nil, errors.New("there is nothing in it")
	case err != nil:
		return nil, explained(data, err)
	}
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		if err != nil {
			return nil, explained(data, err)
		}
		return nil, fmt.Errorf("line %d: a second document begins; there must be one", more.Line)
	}
	d := &Document{Lines: map[string]int{}}
	r := &reader{lines: d.Lines}
	if err := r.value(root.Content[0], "", 0); err != nil {
		return nil, err
	}
	d.JSON = r.out.Bytes()
	return d, nil
}

// tabbed is a line that a tab indents.
var tabbed = regexp.MustCompile(`(?m)^ *\t`)

// explained adds to the parser's error what it does not say: that tabs indent
// nothing in YAML.
func explained(data []byte, err error) error {
	at := tabbed.FindIndex(data)
	if at == nil || !strings.Contains(err.Error(), "cannot start any token") {
		return err
	}
	return fmt.Errorf("line %d: is indented with a tab: use spaces", 1+bytes.Count(data[:at[0]], []byte("\n")))
}

type reader struct {
	out   bytes.Buffer
	lines map[string]int
	// aliased counts the values below aliases, inside is above zero there.
	aliased, inside int
}

func refused(n *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("line %d: %s", n.Line, fmt.Sprintf(format, args...))
}

func (r *reader) value(n *yaml.Node, path string, depth int) error {
	if _, known := r.lines[path]; !known {
		r.lines[path] = n.Line
	}
	if r.inside > 0 {
		if r.aliased++; r.aliased > maxAliased {
			return refused(n, "aliases stand for more than %d values", maxAliased)
		}
	}
	switch {
	case depth > maxDepth:
		return refused(n, "nests deeper than %d levels", maxDepth)
	case n.Style&yaml.TaggedStyle != 0:
		return refused(n, "tags such as %s are not taken", n.Tag)
	}
	switch n.Kind {
	case yaml.AliasNode:
		r.inside++
		defer func() { r.inside-- }()
		return r.value(n.Alias, path, depth+1)
	case yaml.MappingNode:
		return r.mapping(n, path, depth)
	case yaml.SequenceNode:
		return r.sequence(n, path, depth)
	case yaml.ScalarNode:
		return r.scalar(n)
	default:
		return refused(n, "is not understood")
	}
}

func (r *reader) mapping(n *yaml.Node, path string, depth int) error {
	seen := make(map[string]bool, len(n.Content)/2)
	r.out.WriteByte('{')
	for i := 0; i < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case key.Kind != yaml.ScalarNode || key.Style&yaml.TaggedStyle != 0:
			return refused(key, "the name of a member must be a text")
		case key.ShortTag() == "!!merge":
			return refused(key, "merge keys (<<) are not taken")
		case key.ShortTag() != "!!str" && key.ShortTag() != "!!timestamp":
			return refused(key, "the name of a member must be a text: write %q", key.Value)
		case seen[key.Value]:
			return refused(key, "%s is given twice", key.Value)
		}
		seen[key.Value] = true
		if i > 0 {
			r.out.WriteByte(',')
		}
		r.text(key.Value)
		r.out.WriteByte(':')
		at := key.Value
		if path != "" {
			at = path + "." + key.Value
		}
		if r.inside == 0 {
			r.lines[at] = key.Line
		}
		if err := r.value(value, at, depth+1); err != nil {
			return err
		}
	}
	r.out.WriteByte('}')
	return nil
}

func (r *reader) sequence(n *yaml.Node, path string, depth int) error {
	r.out.WriteByte('[')
	for i, one := range n.Content {
		if i > 0 {
			r.out.WriteByte(',')
		}
		if err := r.value(one, path+"["+strconv.Itoa(i)+"]", depth+1); err != nil {
			return err
		}
	}
	r.out.WriteByte(']')
	return nil
}

func (r *reader) scalar(n *yaml.Node) error {
	switch tag := n.ShortTag(); tag {
	case "!!str", "!!timestamp":
		r.text(n.Value)
	case "!!null":
		r.out.WriteString("null")
	case "!!bool":
		r.out.WriteString(strconv.FormatBool(n.Value[0] == 't' || n.Value[0] == 'T'))
	case "!!int", "!!float":
		if !jsonNumber.MatchString(n.Value) {
			return refused(n, "%s means different things to different readers: write a plain decimal number, or a text in quotes", n.Value)
		}
		r.out.WriteString(n.Value)
	default:
		return refused(n, "%s values are not taken", tag)
	}
	return nil
}

func (r *reader) text(s string) {
	raw, _ := json.Marshal(s) //nolint:errchkjson // a text always can be
	r.out.Write(raw)
}
