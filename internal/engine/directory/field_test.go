package directory_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

func pathsOf(fields []fault.Field) []string {
	paths := []string{}
	for _, f := range fields {
		paths = append(paths, f.Path)
	}
	return paths
}

func TestFieldSpec_Validate(t *testing.T) {
	t.Parallel()
	good := func() directory.FieldSpec {
		return directory.FieldSpec{EntityType: "vessel", FieldName: "internalAuditID", FieldType: "tenant_specific"}
	}
	in := good()
	require.Empty(t, in.Validate(""))
	for name, c := range map[string]struct {
		change func(*directory.FieldSpec)
		paths  []string
	}{
		"an entity":         {func(in *directory.FieldSpec) { in.EntityType = "Vessel" }, []string{"entity_type"}},
		"a name with a dot": {func(in *directory.FieldSpec) { in.FieldName = "a.b" }, []string{"field_name"}},
		"a long name":       {func(in *directory.FieldSpec) { in.FieldName = strings.Repeat("x", 101) }, []string{"field_name"}},
		"a tier":            {func(in *directory.FieldSpec) { in.FieldType = "custom" }, []string{"field_type"}},
		"a visibility":      {func(in *directory.FieldSpec) { in.DefaultVisibility = "all" }, []string{"default_visibility"}},
		"long texts": {func(in *directory.FieldSpec) {
			in.DisplayName, in.Description = strings.Repeat("x", 256), strings.Repeat("x", 2001)
		}, []string{"display_name", "description"}},
		"a data type":        {func(in *directory.FieldSpec) { in.DataType = "money" }, []string{"data_type"}},
		"rules":              {func(in *directory.FieldSpec) { in.ValidationRules = map[string]any{"pattern": "(", "min": 1} }, []string{"validation_rules.min", "validation_rules.pattern"}},
		"a column":           {func(in *directory.FieldSpec) { in.StorageColumn = "audit" }, []string{"storage_column"}},
		"a path":             {func(in *directory.FieldSpec) { in.StoragePath = "attributes..x" }, []string{"storage_path"}},
		"a path of SQL":      {func(in *directory.FieldSpec) { in.StoragePath = "a'; DROP TABLE x" }, []string{"storage_path"}},
		"a deep path":        {func(in *directory.FieldSpec) { in.StoragePath = "a.b.c.d.e.f.g.h.i" }, []string{"storage_path"}},
		"core in a document": {func(in *directory.FieldSpec) { in.FieldType, in.StoragePath = "core", "a" }, []string{"storage_path"}},
		"core of no column":  {func(in *directory.FieldSpec) { in.FieldType = "core" }, []string{"storage_column"}},
		"core of SQL":        {func(in *directory.FieldSpec) { in.FieldType, in.StorageColumn = "core", `x"; --` }, []string{"storage_column"}},
	} {
		in := good()
		c.change(&in)
		want := make([]string, len(c.paths))
		for i, p := range c.paths {
			want[i] = "fields[0]." + p
		}
		require.Equal(t, want, pathsOf(in.Validate("fields[0].")), name)
	}
}

func TestFieldSpec_Apply(t *testing.T) {
	t.Parallel()
	m := &models.FieldDefinition{StorageColumn: new(string)}
	in := directory.FieldSpec{EntityType: "vessel", FieldName: "notes", FieldType: "tenant_specific", ValidationRules: map[string]any{"max_length": 3}}
	in.Apply(m)
	require.Nil(t, m.StorageColumn)
	require.Equal(t, "attributes.notes", *m.StoragePath)
	require.Equal(t, []any{"string", "read", true, `{"max_length":3}`}, []any{m.DataType, m.DefaultVisibility, m.IsActive, string(m.ValidationRules)})

	no := false
	in = directory.FieldSpec{EntityType: "vessel", FieldName: "imo", FieldType: "core", DataType: "integer", DefaultVisibility: "hidden", IsPII: true, IsIndexed: true, IsRequired: true, IsActive: &no}
	in.Apply(m)
	require.Nil(t, m.StoragePath)
	require.Equal(t, "imo", *m.StorageColumn)
	require.Equal(t, "imo", engine.FieldPlace(m))
	require.Equal(t, []any{"integer", "hidden", false, true, true, true, `{}`}, []any{m.DataType, m.DefaultVisibility, m.IsActive, m.IsPII, m.IsIndexed, m.IsRequired, string(m.ValidationRules)})

	in.StorageColumn = "imo_number"
	in.Apply(m)
	require.Equal(t, "imo_number", engine.FieldPlace(m))
	in = directory.FieldSpec{EntityType: "vessel", FieldName: "notes", FieldType: "platform_dynamic", StoragePath: "a.b"}
	in.Apply(m)
	require.Equal(t, "a.b", engine.FieldPlace(m))
	// Rows that were made without a place have the default one.
	require.Equal(t, "x", engine.FieldPlace(&models.FieldDefinition{FieldName: "x", FieldType: "core"}))
	require.Equal(t, "attributes.x", engine.FieldPlace(&models.FieldDefinition{FieldName: "x", FieldType: "tenant_specific"}))
}

func TestFieldGain(t *testing.T) {
	t.Parallel()
	was := func(change ...func(*models.FieldDefinition)) *models.FieldDefinition {
		m := &models.FieldDefinition{EntityType: "vessel", FieldName: "x", FieldType: "tenant_specific", DataType: "string", DefaultVisibility: "read", IsActive: true, IsPII: true}
		for _, c := range change {
			c(m)
		}
		return m
	}
	hidden := func(m *models.FieldDefinition) { m.DefaultVisibility = "hidden" }
	elsewhere := func(m *models.FieldDefinition) { m.StoragePath = new(string); *m.StoragePath = "attributes.y" }
	explicit := func(m *models.FieldDefinition) { m.StoragePath = new(string); *m.StoragePath = "attributes.x" }
	core := func(m *models.FieldDefinition) { m.FieldType = "core" }
	for name, c := range map[string]struct {
		before, after *models.FieldDefinition
		gains         bool
	}{
		"a new one that can be read":         {nil, was(), true},
		"a new hidden one":                   {nil, was(hidden), false},
		"a new hidden one in its own place":  {nil, was(hidden, explicit), false},
		"a new hidden one of another's":      {nil, was(hidden, elsewhere), true},
		"a new hidden one in a column":       {nil, was(hidden, core), true},
		"one that goes":                      {was(), nil, true},
		"a hidden one that goes":             {was(hidden), nil, true},
		"nothing":                            {was(), was(), false},
		"the same place, said":               {was(), was(explicit), false},
		"seen less":                          {was(), was(hidden), false},
		"seen more":                          {was(hidden), was(), true},
		"written":                            {was(), was(func(m *models.FieldDefinition) { m.DefaultVisibility = "write" }), true},
		"switched off":                       {was(), was(func(m *models.FieldDefinition) { m.IsActive = false }), true},
		"personal no longer":                 {was(), was(func(m *models.FieldDefinition) { m.IsPII = false }), true},
		"personal from now on":               {was(func(m *models.FieldDefinition) { m.IsPII = false }), was(), false},
		"stored elsewhere":                   {was(), was(elsewhere), true},
		"of another entity":                  {was(), was(func(m *models.FieldDefinition) { m.EntityType = "port" }), true},
		"of another name":                    {was(), was(func(m *models.FieldDefinition) { m.FieldName = "y" }), true},
		"of another tier":                    {was(), was(func(m *models.FieldDefinition) { m.FieldType = "platform_dynamic" }), true},
		"of another type":                    {was(), was(func(m *models.FieldDefinition) { m.DataType = "integer" }), true},
		"labels, rules, needed and searched": {was(), was(func(m *models.FieldDefinition) { m.DisplayName, m.IsRequired, m.IsIndexed = "X", true, true }), false},
	} {
		require.Equal(t, c.gains, directory.FieldGain(c.before, c.after) != "", name)
	}
}
