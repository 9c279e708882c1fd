package enginetest

import (
	"encoding/json"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// Object is a JSON object written in YAML. Numbers keep their text, and what
// YAML would take for a date is a string.
type Object map[string]any

// UnmarshalYAML implements [yaml.Unmarshaler].
func (o *Object) UnmarshalYAML(n *yaml.Node) error {
	v, err := plain(n)
	if err != nil {
		return err
	}
	m, ok := v.(map[string]any)
	if !ok {
		return fmt.Errorf("line %d: must be an object", n.Line)
	}
	*o = m
	return nil
}

// plain converts a node to what encoding/json makes of the same JSON.
func plain(n *yaml.Node) (any, error) {
	switch n.Kind {
	case yaml.MappingNode:
		out := make(map[string]any, len(n.Content)/2)
		for i := 0; i < len(n.Content); i += 2 {
			v, err := plain(n.Content[i+1])
			if err != nil {
				return nil, err
			}
			if _, twice := out[n.Content[i].Value]; twice {
				return nil, fmt.Errorf("line %d: the key %q stands twice", n.Line, n.Content[i].Value)
			}
			out[n.Content[i].Value] = v
		}
		return out, nil
	case yaml.SequenceNode:
		out := make([]any, len(n.Content))
		for i, c := range n.Content {
			v, err := plain(c)
			if err != nil {
				return nil, err
			}
			out[i] = v
		}
		return out, nil
	case yaml.AliasNode:
		return plain(n.Alias)
	case yaml.ScalarNode:
		return scalar(n)
	default:
		return nil, fmt.Errorf("line %d: cannot be JSON", n.Line)
	}
}

func scalar(n *yaml.Node) (any, error) {
	switch n.ShortTag() {
	case "!!null":
		return nil, nil
	case "!!bool":
		return n.Value == "true", nil
	case "!!int", "!!float":
		if !json.Valid([]byte(n.Value)) {
			return nil, fmt.Errorf("line %d: %s is no JSON number", n.Line, n.Value)
		}
		return json.Number(n.Value), nil
	default:
		return n.Value, nil
	}
}
