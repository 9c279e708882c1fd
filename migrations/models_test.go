package migrations_test

import (
	"maps"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm/schema"

	"github.com/sentinel-access/sentinel/models"
)

// every is a value of each model.
func every() []any {
	return []any{
		models.Tenant{},
		models.TenantAncestor{},
		models.User{},
		models.LoginFailure{},
		models.RetiredIdentifier{},
		models.IdentifierKey{},
		models.RefreshToken{},
		models.BlacklistedToken{},
		models.PersonalKey{},
		models.InstallationSecret{},
		models.OneTimeToken{},
		models.MFARecoveryCode{},
		models.SigningKey{},
		models.IdempotencyKey{},
		models.Role{},
		models.Group{},
		models.UserRole{},
		models.UserGroup{},
		models.GroupRole{},
		models.Permission{},
		models.RolePermission{},
		models.Resource{},
		models.FieldDefinition{},
		models.MenuItem{},
		models.UserMenuCustomization{},
		models.DecisionLog{},
		models.AuditLog{},
		models.AuditHead{},
		models.Export{},
		models.Import{},
		models.ImportPart{},
		models.ImportRefusal{},
		models.ApprovalChain{},
		models.AccessRequest{},
		models.Approval{},
		models.ApprovalDelegation{},
		models.Policy{},
		models.PolicyVersion{},
		models.PolicyPublication{},
		models.OPAAgent{},
		models.PolicyRevision{},
		models.SubjectChange{},
		models.PermissionCacheEntry{},
		models.Installation{},
		models.Webhook{},
		models.WebhookDelivery{},
	}
}

// column is what a table and its model must agree on.
type column struct {
	Type     string
	Nullable bool
	Primary  bool
}

func TestModels_MatchTheSchema(t *testing.T) {
	f := setup(t)
	tables := map[string]map[string]column{}
	r, err := f.owner.Query(t.Context(), `
SELECT 'sentinel.' || c.relname, a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
  c.relkind <> 'p' AND COALESCE(a.attnum = ANY (i.indkey), false)
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid
LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
WHERE c.relnamespace = 'sentinel'::regnamespace
AND c.relkind IN ('r', 'p')
AND NOT c.relispartition
AND a.attnum > 0
AND NOT a.attisdropped`)
	require.NoError(t, err)
	var table, name string
	var c column
	_, err = pgx.ForEachRow(r, []any{&table, &name, &c.Type, &c.Nullable, &c.Primary}, func() error {
		if tables[table] == nil {
			tables[table] = map[string]column{}
		}
		if name == "id" {
			c.Primary = true // of a partitioned table a part of the key, and all of it to GORM
		}
		tables[table][name] = c
		return nil
	})
	require.NoError(t, err)

	for _, model := range every() {
		parsed, err := schema.Parse(model, &sync.Map{}, schema.NamingStrategy{})
		require.NoError(t, err)
		columns, ok := tables[parsed.Table]
		require.True(t, ok, "model %T has no table %s", model, parsed.Table)
		got := map[string]column{}
		for _, field := range parsed.Fields {
			got[field.DBName] = column{
				Type: sqlType(t, field), Nullable: nullable(field, columns[field.DBName]), Primary: field.PrimaryKey,
			}
		}
		require.Equal(t, columns, got, "%T and %s", model, parsed.Table)
		delete(tables, parsed.Table)
	}
	// The server may not even read it.
	delete(tables, "sentinel.search_entries")
	// River's own.
	maps.DeleteFunc(tables, func(name string, _ map[string]column) bool { return strings.HasPrefix(name, "sentinel.river_") })
	require.Empty(t, tables, "tables without a model")
}

func sqlType(t *testing.T, field *schema.Field) string {
	t.Helper()
	kind := field.FieldType
	if kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	name, ok := map[reflect.Type]string{
		reflect.TypeFor[uuid.UUID]():      "uuid",
		reflect.TypeFor[time.Time]():      "timestamp with time zone",
		reflect.TypeFor[string]():         "text",
		reflect.TypeFor[bool]():           "boolean",
		reflect.TypeFor[int]():            "integer",
		reflect.TypeFor[int64]():          "bigint",
		reflect.TypeFor[[]byte]():         "bytea",
		reflect.TypeFor[models.JSON]():    "jsonb",
		reflect.TypeFor[models.Lineage](): "bytea",
		reflect.TypeFor[models.Strings](): "text[]",
	}[kind]
	require.True(t, ok, "%s is of type %s", field.Name, field.FieldType)
	return name
}

// nullable reports whether the member can be null: by being a pointer. Bytes
// say it with nil, so that the column's word stands.
func nullable(field *schema.Field, c column) bool {
	if field.FieldType == reflect.TypeFor[[]byte]() {
		return c.Nullable
	}
	return field.FieldType.Kind() == reflect.Pointer
}
