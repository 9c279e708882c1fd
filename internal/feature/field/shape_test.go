package field

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/engine/tenanttest"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

func defined(name, path, dataType, rules string, required bool) models.FieldDefinition {
	m := models.FieldDefinition{FieldName: name, FieldType: "tenant_specific", DataType: dataType, ValidationRules: models.JSON(rules), IsRequired: required}
	if path != "" {
		m.StoragePath = &path
	}
	return m
}

func spec(name string) directory.FieldSpec {
	return directory.FieldSpec{EntityType: "vessel", FieldName: name, FieldType: "tenant_specific", ValidationRules: httpapi.Object{"max_length": json.Number("20")}}
}

func record(t testing.TB, text string) map[string]any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.UseNumber()
	var members map[string]any
	require.NoError(t, decoder.Decode(&members))
	return members
}

func TestShape_NamesEveryViolationByItsPath(t *testing.T) {
	t.Parallel()
	column := "imo_number"
	s, err := newShape("vessel", []models.FieldDefinition{
		{FieldName: "imo", FieldType: "core", DataType: "string", StorageColumn: &column, ValidationRules: models.JSON(`{"pattern":"^[0-9]{7}$"}`), IsRequired: true},
		{FieldName: "flag", FieldType: "core", DataType: "string", ValidationRules: models.JSON(`{}`)},
		defined("notes", "tenant_specific.portInspectionNotes", "text", `{"max_length":5,"required":true}`, false),
		defined("depth", "", "number", `{"min":0,"max":9007199254740993}`, false),
		defined("deep", "a.b.c", "integer", `{}`, false),
		defined("papers", "papers", "object", `{}`, false),
		defined("stamp", "papers.stamp", "date", `{}`, false),
		defined("odd", "odd", "money", `{}`, false),
	})
	require.NoError(t, err)
	for _, c := range []struct {
		name, record string
		partial      bool
		want         []string
	}{
		{"nothing is wrong", `{"imo_number":"9074729","flag":null,"tenant_specific":{"portInspectionNotes":"fine"},"attributes":{"depth":9007199254740993},"a":{"b":{"c":3.0}},"papers":{"stamp":"2026-01-31","other":1}}`, false, nil},
		{"nothing is there", `{}`, false, []string{"imo_number", "tenant_specific.portInspectionNotes"}},
		{"nothing is changed", `{}`, true, nil},
		{"what is needed is cleared", `{"imo_number":null,"tenant_specific":null}`, true, []string{"imo_number", "tenant_specific.portInspectionNotes"}},
		{"what is needed is null", `{"imo_number":null,"tenant_specific":{"portInspectionNotes":null}}`, false, []string{"imo_number", "tenant_specific.portInspectionNotes"}},
		{"a number rounded by no one", `{"attributes":{"depth":9007199254740994}}`, true, []string{"attributes.depth"}},
		{"several of one", `{"imo_number":"x","tenant_specific":{"portInspectionNotes":"too long"},"attributes":{"depth":-1}}`, true, []string{"attributes.depth", "imo_number", "tenant_specific.portInspectionNotes"}},
		{"what nobody defined", `{"imo":"9074729","tenant_specific":{"x":1},"a":{"b":{"d":1},"c":1},"` + strings.Repeat("x", 101) + `":1}`, true, []string{"a.b.d", "a.c", "imo", "tenant_specific.x", strings.Repeat("x", 100) + "…"}},
		{"no object where there must be one", `{"a":3,"tenant_specific":["x"]}`, true, []string{"a", "tenant_specific"}},
		{"no object where a field is one", `{"papers":"x"}`, true, []string{"papers"}},
		{"inside a field", `{"papers":{"stamp":"yesterday"}}`, true, []string{"papers.stamp"}},
		{"a definition that nobody checked", `{"odd":1}`, true, []string{"odd"}},
	} {
		out := &Validation{}
		require.NoError(t, s.check(t.Context(), record(t, c.record), "record", c.partial, out))
		var paths []string
		for _, v := range out.Violations {
			require.NotEmpty(t, v.Message)
			paths = append(paths, strings.TrimPrefix(v.Path, "record."))
		}
		require.Equal(t, c.want, paths, c.name)
		require.Equal(t, len(c.want), out.Total, c.name)
	}
	_, err = newShape("vessel", []models.FieldDefinition{defined("x", "", "string", `[]`, false)})
	require.Error(t, err)
}

func TestShape_StopsWithItsCall(t *testing.T) {
	t.Parallel()
	s, err := newShape("vessel", []models.FieldDefinition{defined("notes", "", "string", `{}`, false)})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	out := &Validation{}
	require.ErrorIs(t, s.check(ctx, record(t, `{"attributes":{"notes":1}}`), "record", false, out), context.Canceled)
	require.Zero(t, out.Total, "nothing was looked at")
}

func TestValidation_ListsSoManyAndCountsAll(t *testing.T) {
	t.Parallel()
	out := &Validation{}
	for range maxViolations + 5 {
		out.add("record.x", "", "is wrong")
	}
	require.Len(t, out.Violations, maxViolations)
	require.Equal(t, maxViolations+5, out.Total)
}

// Definitions that are written pass through the same checks as those in bulk.
func TestBulk_IsBounded(t *testing.T) {
	t.Parallel()
	w := tenanttest.New(t, dbtest.New(t), engine.Config{})
	s := &Service{Write: w.Writer}
	tenant := w.Tenant()
	admin := w.User(tenant, "admin")
	w.Assign(tenant, admin, tenanttest.TenantAdmin)
	w.SQL(`INSERT INTO sentinel.field_definitions (tenant_id, entity_type, field_name, field_type) SELECT $1, 'filler', 'f' || n, 'tenant_specific' FROM generate_series(1, $2::int) n`, tenant, directory.MaxFields-2)
	in := func(n int) *BulkIn {
		in := &BulkIn{}
		for i := range n {
			in.Body.Definitions = append(in.Body.Definitions, spec(fmt.Sprint("f", i)))
		}
		return in
	}
	_, err := s.bulk(w.As(tenant, admin), in(3))
	require.True(t, fault.Is(err, fault.ConflictKind), "%v", err)
	out, err := s.bulk(w.As(tenant, admin), in(2))
	require.NoError(t, err)
	require.Equal(t, 2, out.Total)
	require.Equal(t, 2, w.Count("SELECT count(*) FROM sentinel.audit_logs WHERE action = 'field_definition.create'"))
}

// BenchmarkValidate_1000 checks 1,000 records of 50 fields against them, in a
// tenant of 2,000 definitions.
func BenchmarkValidate_1000(b *testing.B) {
	w := tenanttest.New(b, dbtest.New(b), engine.Config{})
	s := &Service{Write: w.Writer}
	tenant := w.Tenant()
	user := w.User(tenant, "ann")
	w.SQL(`INSERT INTO sentinel.field_definitions (tenant_id, entity_type, field_name, field_type, data_type, is_required, validation_rules)
SELECT $1, 'entity' || n / 50, 'field' || n % 50, 'tenant_specific', (ARRAY['string', 'integer', 'number', 'date', 'enum'])[1 + n % 5], n % 2 = 0,
  (ARRAY['{"pattern": "^[a-z]{3,20}$", "max_length": 20}', '{"min": 0, "max": 1000000}', '{"min": 0.5}', '{"min": "2020-01-01"}', '{"enum": ["red", "green", "blue"]}'])[1 + n % 5]::jsonb
FROM generate_series(0, 1999) n`, tenant)
	w.SQL("ANALYZE")
	values := []any{"rotterdam", json.Number("4711"), json.Number("12.75"), "2026-01-31", "green"}
	fields := httpapi.Object{}
	for n := range 50 {
		fields[fmt.Sprint("field", n)] = values[n%5]
	}
	in := &ValidateIn{}
	in.Body.EntityType = "entity7"
	for range 1000 {
		in.Body.Records = append(in.Body.Records, httpapi.Object{"attributes": map[string]any(fields)})
	}
	ctx := w.As(tenant, user)
	for b.Loop() {
		out, err := s.validate(ctx, in)
		require.NoError(b, err)
		require.True(b, out.Valid, "%v", out.Violations)
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/call")
}

// BenchmarkBulk_1000 defines 1,000 fields in one call.
func BenchmarkBulk_1000(b *testing.B) {
	w := tenanttest.New(b, dbtest.New(b), engine.Config{})
	s := &Service{Write: w.Writer}
	for b.Loop() {
		b.StopTimer()
		tenant := w.Tenant()
		admin := w.User(tenant, "admin"+uuid.NewString()[:8])
		w.Assign(tenant, admin, tenanttest.TenantAdmin)
		in := &BulkIn{}
		for i := range 1000 {
			in.Body.Definitions = append(in.Body.Definitions, spec(fmt.Sprint("f", i)))
		}
		b.StartTimer()
		_, err := s.bulk(w.As(tenant, admin), in)
		require.NoError(b, err)
	}
}
