package engine_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/models"
)

func TestDocument_HoldsTheWholeTenant(t *testing.T) {
	t.Parallel()
	w, ids := harbour(t, engine.Config{})
	until := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	w.SQL(`UPDATE sentinel.user_roles SET valid_from = '0900-01-01T00:00:00Z', expires_at = $2 WHERE user_id = $1`, w.ada, until)
	doc, err := w.Engine.Document(t.Context(), w.tenant, 10)
	require.NoError(t, err)
	require.Len(t, doc.Subjects, 2)
	require.Len(t, doc.Subjects[w.ada.String()].Assignments, 2)
	require.Equal(t, []string{ids["dock"].String()}, doc.Tree[ids["crane"].String()])
	require.Equal(t, ids["plan"].String(), doc.ResourceCodes["page"]["plan"])
	require.Contains(t, doc.Edges[rbac.Role(ids["chief"])], rbac.Role(w.role))
	require.Len(t, doc.Resources, 3)

	_, err = w.Engine.Document(t.Context(), w.tenant, 1)
	require.ErrorContains(t, err, "more than 1")
	_, err = w.Engine.Document(t.Context(), uuid.New(), 1)
	require.Error(t, err)
	for _, table := range []string{"users", "user_groups", "user_roles"} {
		w.SQL(`REVOKE SELECT ON sentinel.` + table + ` FROM sentinel_app`)
		_, err = w.Engine.Document(t.Context(), w.tenant, 10)
		require.ErrorContains(t, err, "permission denied", table)
		w.SQL(`GRANT SELECT ON sentinel.` + table + ` TO sentinel_app`)
	}
}

func TestNewSnapshot_AnswersWithoutADatabase(t *testing.T) {
	t.Parallel()
	tenant, path := uuid.New(), "vessel/*"
	parent, child, off, group, above := uuid.New(), uuid.New(), uuid.New(), uuid.New(), uuid.New()
	permission := models.Permission{ID: uuid.New(), TenantID: tenant, ResourceType: "vessel", ResourcePath: &path, Actions: []string{"read"}, Effect: "allow", IsActive: true}
	rows := &engine.Rows{
		Roles: []models.Role{
			{ID: parent, TenantID: tenant, Name: "parent", IsActive: true},
			{ID: child, TenantID: tenant, Name: "child", ParentRoleID: &parent, IsActive: true},
			{ID: off, TenantID: tenant, Name: "off"},
		},
		Groups: []models.Group{
			{ID: group, TenantID: tenant, Name: "group", ParentGroupID: &above, IsActive: true},
			{ID: above, TenantID: tenant, Name: "above", IsActive: true},
		},
		GroupRoles:      []models.GroupRole{{TenantID: tenant, GroupID: above, RoleID: child}},
		Permissions:     []models.Permission{permission},
		RolePermissions: []models.RolePermission{{TenantID: tenant, RoleID: parent, PermissionID: permission.ID}},
		Resources:       []models.Resource{{ID: uuid.New(), TenantID: tenant, Type: "vessel", Code: "v-1", IsActive: true}},
	}
	s, err := engine.NewSnapshot(engine.Tenant{ID: tenant, Active: true, Location: time.UTC}, rows)
	require.NoError(t, err)
	subject := &engine.Subject{ID: uuid.New(), TenantID: tenant, IsActive: true, Assignments: []engine.Assignment{{Node: rbac.Group(group)}}}
	q := &engine.Question{TenantID: tenant, UserID: subject.ID, Type: "vessel", ID: "v-1", Action: "read"}
	d := s.Decide(t.Context(), q, subject, time.Now())
	require.Equal(t, engine.Granted, d.Code)
	require.Equal(t, "user > group:group > group:above > role:child > role:parent", d.MatchedRoles()[0].Path)
	subject.Assignments[0].Node = rbac.Role(off)
	require.Equal(t, engine.NoMatchingPermission, s.Decide(t.Context(), q, subject, time.Now()).Code)

	bad := `vessel/a\b`
	rows.Permissions[0].ResourcePath = &bad
	_, err = engine.NewSnapshot(engine.Tenant{ID: tenant}, rows)
	require.Error(t, err)
	rows.Permissions = nil
	rows.Resources[0].Attributes = models.JSON(`[`)
	_, err = engine.NewSnapshot(engine.Tenant{ID: tenant}, rows)
	require.Error(t, err)
}
