package migrations_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
	"github.com/sentinel-access/sentinel/models"
)

func TestModels_AreWrittenAndReadBack(t *testing.T) {
	d := dbtest.New(t)
	tenant := models.Tenant{Name: "Acme", Code: "ACME", IsActive: true}
	require.NoError(t, d.DB.InSystemTx(t.Context(), db.TenantTree, func(tx *db.Tx) error {
		return tx.Create(&tenant).Error
	}))
	require.NotZero(t, tenant.ID)
	require.EqualValues(t, 7, tenant.ID.Version())
	require.Equal(t, "root", tenant.Type)
	require.Equal(t, "UTC", tenant.TimeZone)
	require.JSONEq(t, "{}", string(tenant.Settings))
	require.NotZero(t, tenant.CreatedAt)

	ctx := identity.WithTenant(t.Context(), tenant.ID)
	user := models.User{
		TenantID: tenant.ID, Email: "a@example.com", IsActive: true,
		AllowedIPs: models.Strings{"10.0.0.0/8", `a"b\c,{}`, "", "NULL"},
		Attributes: models.JSON(`{"n": 12345678901234567890.5}`),
	}
	resource := models.Resource{TenantID: tenant.ID, Type: "app", Name: "App", Code: "app"}
	child := models.Resource{TenantID: tenant.ID, Type: "page", Name: "Page", Code: "page"}
	require.NoError(t, d.DB.InTx(ctx, func(tx *db.Tx) error {
		if err := tx.Create(&user).Error; err != nil {
			return err
		}
		if err := tx.Create(&resource).Error; err != nil {
			return err
		}
		child.ParentID = &resource.ID
		return tx.Create(&child).Error
	}))
	require.False(t, resource.IsActive, "what is not said is false")
	require.Equal(t, "app/page", child.Path)

	var read models.User
	require.NoError(t, d.DB.InReadTx(ctx, func(tx *db.Tx) error { return tx.Take(&read, "id = ?", user.ID).Error }))
	require.Equal(t, user, read)

	created := read.CreatedAt
	read.DisplayName, read.CreatedAt, read.UpdatedAt = "A", time.Time{}, time.Time{}
	require.NoError(t, d.DB.InTx(ctx, func(tx *db.Tx) error { return tx.Save(&read).Error }))
	require.NoError(t, d.DB.InReadTx(ctx, func(tx *db.Tx) error { return tx.Take(&read, "id = ?", user.ID).Error }))
	require.Equal(t, "A", read.DisplayName)
	require.Equal(t, created, read.CreatedAt)
	require.Greater(t, read.UpdatedAt, user.UpdatedAt)
	require.NotEqual(t, uuid.Nil, read.ID)
}

// Several rows of which each leaves other members out.
func TestModels_BatchesFillDefaultsRowByRow(t *testing.T) {
	d := dbtest.New(t)
	ctx := identity.WithTenant(t.Context(), identity.PlatformTenant)
	roles := []models.Role{
		{TenantID: identity.PlatformTenant, Name: "one", Metadata: models.JSON(`{"a": 1}`), IsActive: true},
		{TenantID: identity.PlatformTenant, Name: "two", Type: "custom"},
	}
	require.NoError(t, d.DB.InTx(ctx, func(tx *db.Tx) error { return tx.Create(&roles).Error }))
	require.JSONEq(t, "{}", string(roles[1].Metadata))
	require.Equal(t, "custom", roles[0].Type)
	require.True(t, roles[0].IsActive)
	require.False(t, roles[1].IsActive)
	require.NotEqual(t, roles[0].ID, roles[1].ID)
}
