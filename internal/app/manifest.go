package app

import (
	"fmt"

	"github.com/sentinel-access/sentinel/internal/feature/manifest"
	"github.com/sentinel-access/sentinel/internal/platform/yaml"
)

// ManifestSchema is the JSON Schema of a manifest.
func ManifestSchema() ([]byte, error) { return manifest.Schema() }

// schemaLine tells editors where the schema is.
const schemaLine = "# yaml-language-server: $schema=%s\n"

// sectionComments stand above the sections of an exported manifest.
var sectionComments = map[string]string{
	"settings":        "Settings of the tenant that its administrator may write.",
	"resources":       "Registered nodes of the tree. Permissions on a node flow down to everything below it.",
	"permissions":     "What may be done to what. A permission grants nothing until a role owns it.",
	"roles":           "Named sets of permissions. A role has all that its parent has.",
	"groups":          "Sets of users that have roles together. Members of a group are members of its parent.",
	"approval_chains": "Who must agree to what, level by level.",
	"fields":          "Fields of entity types, in three tiers, and who sees them where no permission says so.",
	"menus":           "Menu items, each shown to those who have what it requires.",
}

// ManifestYAML writes a manifest, given as JSON, as a file for people. schema is
// where its schema is, as the file names it.
func ManifestYAML(document []byte, schema string) ([]byte, error) {
	text, err := yaml.Encode(document, sectionComments)
	if err != nil {
		return nil, fmt.Errorf("write manifest: %w", err)
	}
	return append(fmt.Appendf(nil, schemaLine, schema), text...), nil
}

// YAMLText writes any JSON document as YAML.
func YAMLText(document []byte) ([]byte, error) { return yaml.Encode(document, nil) }

// ManifestFile reads a file, YAML or JSON, as JSON with the lines on which its
// values stand.
func ManifestFile(data []byte) (document []byte, lines map[string]int, err error) {
	d, err := yaml.Decode(data)
	if err != nil {
		return nil, nil, err
	}
	return d.JSON, d.Lines, nil
}
