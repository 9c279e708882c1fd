package workload_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/app/workload"
)

const dataSet = `{"tenants": [{
  "id": "t1",
  "resources": [{"type": "doc", "id": "d1", "attrs": {"level": 2}}],
  "permissions": [
    {"id": "p1", "type": "doc", "pattern": "*", "actions": ["read"]},
    {"id": "p2", "type": "doc", "pattern": "d*", "actions": ["update"], "conditions": [
      {"attr": "level", "op": "le", "max": 3}, {"attr": "region", "op": "in", "values": ["apac"]}, {"attr": "state", "op": "eq", "values": ["open"]}]},
    {"id": "p3", "type": "doc", "pattern": "d1", "actions": ["delete"]}],
  "roles": [
    {"id": "base", "permissions": ["p1"]},
    {"id": "other", "parents": ["third"], "permissions": ["p2", "p3"]},
    {"id": "third", "parents": ["other"], "permissions": ["p3"]},
    {"id": "both", "parents": ["base", "other", "third", "gone"], "permissions": ["p2"]},
    {"id": "heir", "parents": ["base"]}],
  "groups": [{"id": "all"}, {"id": "team", "parent": "all", "roles": ["both"]}],
  "users": [{"id": "u1", "groups": ["team"], "roles": ["base"]}, {"id": "u2"}]
}]}`

func TestFile_HasWhatTheDataSetSays(t *testing.T) {
	t.Parallel()
	tenants, err := workload.Read(strings.NewReader(dataSet))
	require.NoError(t, err)
	require.Len(t, tenants, 1)
	require.Equal(t, "BENCH-t1", tenants[0].Code())
	file, err := tenants[0].File()
	require.NoError(t, err)
	want := []string{
		`{"kind": "resource", "type": "doc", "code": "d1", "attributes": {"level": 2}}`,
		`{"kind": "permission", "name": "p1", "resource_path": "doc/*", "actions": ["read"], "conditions": {}}`,
		`{"kind": "permission", "name": "p2", "resource_path": "doc/d*", "actions": ["update"], "conditions": {
			"resource.attributes.level": {"lte": 3}, "resource.attributes.region": {"in": ["apac"]}, "resource.attributes.state": {"in": ["open"]}}}`,
		`{"kind": "permission", "name": "p3", "resource_path": "doc/d1", "actions": ["delete"], "conditions": {}}`,
		`{"kind": "role", "name": "base", "permissions": ["p1"]}`,
		`{"kind": "role", "name": "other", "parent": "third", "permissions": ["p2", "p3"]}`,
		`{"kind": "role", "name": "third", "parent": "other", "permissions": ["p3"]}`,
		`{"kind": "role", "name": "both", "parent": "base", "permissions": ["p2", "p3"]}`,
		`{"kind": "role", "name": "heir", "parent": "base"}`,
		`{"kind": "group", "name": "all"}`,
		`{"kind": "group", "name": "team", "parent": "all", "roles": ["both"]}`,
		`{"kind": "user", "email": "u1@t1.example", "external_id": "u1", "groups": ["team"], "roles": ["base"]}`,
		`{"kind": "user", "email": "u2@t1.example", "external_id": "u2"}`,
	}
	rows := strings.Split(strings.TrimSuffix(string(file), "\n"), "\n")
	require.Len(t, rows, len(want))
	for i := range want {
		require.JSONEq(t, want[i], rows[i])
	}
}

func TestRead_RefusesWhatIsNoDataSet(t *testing.T) {
	t.Parallel()
	_, err := workload.Read(strings.NewReader(`{"tenants": "none"}`))
	require.ErrorContains(t, err, "read the data set")
}
