package filter

import (
	"fmt"
	"regexp"
)

// Type is how a column holds its values: the data type of a field definition, or
// one of the three of an id column.
type Type string

// The types. A column of strings is of any PostgreSQL type that a cast to text
// gives the string of, and has a deterministic collation, as all have that are
// not declared otherwise.
const (
	String    Type = "string"
	Text      Type = "text"
	UUID      Type = "uuid"
	Enum      Type = "enum"
	Reference Type = "reference"
	// Integer columns are smallint, integer or bigint.
	Integer Type = "integer"
	// Number columns are of any numeric type.
	Number  Type = "number"
	Boolean Type = "boolean"
	// Date columns are what conditions see as a string such as 2026-01-31.
	Date Type = "date"
	// DateTime columns are timestamptz.
	DateTime Type = "datetime"
	// The columns of these are jsonb.
	Array  Type = "array"
	Object Type = "object"
	JSON   Type = "json"
)

// Place is where a record holds a field.
type Place struct {
	// Column holds the value, or with Path the jsonb document that has it.
	Column string
	// Type is the column's; what lies in a document has the kind it has there.
	Type Type
	// Path are the members that lead to the value inside the document.
	Path []string
}

// Columns says where a table holds what conditions read.
type Columns struct {
	// Alias is the table's name in the query. Default: none, columns stand alone.
	Alias string
	// ID is the column of the id; default "id".
	ID string
	// IDType is Text, UUID or Integer; default Text.
	IDType Type
	// Attributes is the jsonb column of all attributes that Fields does not name;
	// default "attributes".
	Attributes string
	// Fields are the attributes with a place of their own. A NULL there counts as
	// missing.
	Fields map[string]Place
	// Offset is how many parameters the query has before those of the condition.
	Offset int
}

var identifier = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

// IsIdentifier reports whether s may be the name of a column or table.
func IsIdentifier(s string) bool { return identifier.MatchString(s) }

// withDefaults fills in what is empty and checks every name.
func (c Columns) withDefaults() (Columns, error) {
	if c.ID == "" {
		c.ID = "id"
	}
	if c.IDType == "" {
		c.IDType = Text
	}
	if c.Attributes == "" {
		c.Attributes = "attributes"
	}
	for _, name := range []string{c.ID, c.Attributes} {
		if !IsIdentifier(name) {
			return c, fmt.Errorf("%q cannot be a column", name)
		}
	}
	if c.Alias != "" && !IsIdentifier(c.Alias) {
		return c, fmt.Errorf("%q cannot be a table", c.Alias)
	}
	if c.IDType != Text && c.IDType != UUID && c.IDType != Integer {
		return c, fmt.Errorf("an id column of type %q is not known", c.IDType)
	}
	return c, nil
}

// column returns the quoted name.
func (c *Columns) column(name string) string {
	if c.Alias == "" {
		return `"` + name + `"`
	}
	return `"` + c.Alias + `"."` + name + `"`
}
