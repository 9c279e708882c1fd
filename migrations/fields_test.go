package migrations_test

import "testing"

func TestFields_AreThePlatformsOrTheTenants(t *testing.T) {
	f := setup(t)
	own, other := f.tenant("OWN", "", "{}"), f.tenant("OTHER", "", "{}")
	const insert = "INSERT INTO sentinel.field_definitions (tenant_id, entity_type, field_name, field_type) VALUES ($1, $2, $3, 'tenant_specific')"
	f.exec(insert, nil, "vessel", "name")
	f.refused("field_definitions_platform_key", own, insert, own, "vessel", "name")
	f.mustAs(own, insert, own, "port", "name")
	f.mustAs(own, insert, own, "vessel", "notes")
	f.mustAs(other, insert, other, "vessel", "notes")
	f.refused("field_definitions_platform_key", own, "UPDATE sentinel.field_definitions SET field_name = 'name' WHERE tenant_id = $1 AND field_name = 'notes'", own)
	f.mustAs(own, "UPDATE sentinel.field_definitions SET description = 'x' WHERE tenant_id = $1", own)
}
