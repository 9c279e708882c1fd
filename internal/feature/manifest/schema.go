package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// common describes the members that say the same everywhere.
func common() map[string]string {
	return map[string]string{
		"attributes":        "What conditions can ask about the object. Default: none.",
		"description":       "What the object is for, for people. Default: empty.",
		"display_name":      "The name to show. Default: empty.",
		"metadata":          "Whatever applications keep here; nothing is decided by it. Default: none.",
		"workflow_config":   "The states of the node, and which actions each of them lets which roles do. Default: none.",
		"workflow_enabled":  "Whether workflow_config limits actions on the node. Default false.",
		"name":              "The name, for people.",
		"default":           "Default.",
		"data_type":         "What values the field has. Default string.",
		"storage_column":    "The column that holds a core field.",
		"is_visible":        "Whether the item is shown. Default true.",
		"validation_rules":  "What values must keep to. Default: none.",
		"field_permissions": "Fields by name: read, write or hidden. Default: none named.",
	}
}

// Schema is the JSON Schema of a manifest, for editors.
func Schema() ([]byte, error) {
	schema, err := httpapi.JSONSchema(reflect.TypeFor[Manifest]())
	if err != nil {
		return nil, err
	}
	schema["title"] = "Sentinel manifest"
	schema["description"] = "A tenant's configuration: what sentinel export writes and sentinel apply takes."
	definitions, _ := schema["$defs"].(map[string]any)
	texts := common()
	for _, definition := range definitions {
		d, _ := definition.(map[string]any)
		properties, _ := d["properties"].(map[string]any)
		for name, property := range properties {
			p, _ := property.(map[string]any)
			if text := texts[name]; p["description"] == nil && text != "" {
				p["description"] = text
			}
		}
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(schema); err != nil {
		return nil, fmt.Errorf("encode schema: %w", err)
	}
	return out.Bytes(), nil
}
