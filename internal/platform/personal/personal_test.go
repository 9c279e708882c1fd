package personal_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/personal"
	"github.com/sentinel-access/sentinel/models"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

func key(t *testing.T, digit string) *crypto.MasterKey {
	t.Helper()
	k, err := crypto.ParseMasterKey(strings.Repeat(digit, 64))
	require.NoError(t, err)
	return k
}

func TestAttributes_SealAndOpen(t *testing.T) {
	t.Parallel()
	master, account := key(t, "1"), uuid.New()
	plain := models.JSON(`{"passport":{"no":12345678901234567890,"text":"<ä>"},"region":"apac","birthday":null}`)
	names := []string{"passport", "birthday", "absent"}
	sealed, err := personal.SealAttributes(master, account, plain, names)
	require.NoError(t, err)
	require.NotContains(t, string(sealed), "12345678901234567890")
	require.Contains(t, string(sealed), `"birthday":null`)
	require.True(t, personal.Sealed(sealed))
	require.False(t, personal.Sealed(plain))
	opened, err := personal.OpenAttributes(master, account, sealed)
	require.NoError(t, err)
	require.JSONEq(t, string(plain), string(opened))
	require.Contains(t, string(opened), "12345678901234567890", "numbers stay exact")
	require.False(t, personal.Sealed(opened))

	_, err = personal.OpenAttributes(master, uuid.New(), sealed)
	require.ErrorIs(t, err, crypto.ErrTampered, "another account's")
	moved := models.JSON(bytes.Replace(sealed, []byte(`"passport"`), []byte(`"password"`), 1))
	_, err = personal.OpenAttributes(master, account, moved)
	require.ErrorIs(t, err, crypto.ErrTampered, "another attribute's")
	_, err = personal.OpenAttributes(key(t, "2"), account, sealed)
	require.ErrorIs(t, err, crypto.ErrWrongKey)
	_, err = personal.OpenAttributes(master, account, models.JSON(`{"passport":{"$sealed":"?"}}`))
	require.Error(t, err)
}

func TestSealAttributes_RefusesWhatLooksSealed(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{"a":{"$sealed":"AAAA"}}`, `{"a":{"\u0024sealed":"AAAA"}}`, `{"a":{"$\u0073ealed":1,"b":2}}`, `{"a":{"$sealed":null}}`} {
		for _, names := range [][]string{nil, {"a"}, {"b"}} {
			_, err := personal.SealAttributes(key(t, "1"), uuid.New(), models.JSON(text), names)
			require.True(t, fault.Is(err, fault.Validation), "%s: %v", text, err)
		}
	}
}

func TestReseal_ChangesWhatIsNotAsItShouldBe(t *testing.T) {
	t.Parallel()
	old, account := key(t, "1"), uuid.New()
	master := key(t, "2").WithPrevious(old)
	sealed, err := personal.SealAttributes(old, account, models.JSON(`{"a":1,"b":2,"c":3}`), []string{"a"})
	require.NoError(t, err)
	next, changed, err := personal.Reseal(master, account, sealed, []string{"b"})
	require.NoError(t, err)
	require.True(t, changed)
	opened, err := personal.OpenAttributes(key(t, "2"), account, next)
	require.NoError(t, err)
	require.JSONEq(t, `{"a":1,"b":2,"c":3}`, string(opened))
	again, changed, err := personal.Reseal(master, account, next, []string{"b"})
	require.NoError(t, err)
	require.False(t, changed)
	require.Equal(t, next, again)
	_, _, err = personal.Reseal(key(t, "2"), account, sealed, nil)
	require.ErrorIs(t, err, crypto.ErrWrongKey)
}

// setup defines a personal attribute of everybody's and returns the platform's
// database, with the plugin.
func setup(t *testing.T) (d *dbtest.Database, inTx func(fn func(tx *db.Tx) error) error) {
	t.Helper()
	d = dbtest.New(t)
	require.NoError(t, d.DB.Use(&personal.Plugin{Master: key(t, "1")}))
	d.Exec(t, `INSERT INTO sentinel.field_definitions (tenant_id, entity_type, field_name, field_type, is_pii) VALUES (NULL, 'user', 'passport', 'platform_dynamic', true)`)
	ctx := identity.WithTenant(t.Context(), identity.PlatformTenant)
	return d, func(fn func(tx *db.Tx) error) error { return d.DB.InTx(ctx, fn) }
}

func account(email string) *models.User {
	return &models.User{
		ID: uuid.New(), Email: email, Attributes: models.JSON(`{"passport":"C01"}`), Preferences: models.JSON("{}"),
		AllowedIPs: models.Strings{}, AssertOverride: models.Strings{}, IsActive: true,
	}
}

func stored(t *testing.T, tx *db.Tx, id uuid.UUID) string {
	t.Helper()
	var text string
	require.NoError(t, tx.Raw("SELECT attributes::text FROM sentinel.users WHERE id = ?", id).Scan(&text).Error)
	return text
}

func TestPlugin_SealsEveryWriteAndOpensEveryRead(t *testing.T) {
	t.Parallel()
	_, inTx := setup(t)
	one, two, three := account("one@example.com"), account("two@example.com"), account("three@example.com")
	require.NoError(t, inTx(func(tx *db.Tx) error {
		require.NoError(t, tx.Create(one).Error)
		require.NoError(t, tx.Create([]*models.User{two, three}).Error)
		for _, m := range []*models.User{one, two, three} {
			require.NotContains(t, stored(t, tx, m.ID), "C01")
			require.JSONEq(t, `{"passport":"C01"}`, string(m.Attributes), "in memory it is open")
		}
		var list []models.User
		require.NoError(t, tx.Order("email").Where("email LIKE '%@example.com'").Find(&list).Error)
		require.Len(t, list, 3)
		for i := range list {
			require.JSONEq(t, `{"passport":"C01"}`, string(list[i].Attributes))
			list[i].Attributes = models.JSON(`{"passport":"D02"}`)
			require.NoError(t, tx.Save(&list[i]).Error)
			require.NotContains(t, stored(t, tx, list[i].ID), "D02")
		}
		var wide struct {
			models.User
			More int
		}
		require.NoError(t, tx.Table("sentinel.users").Select("*, 1 AS more").Where("id = ?", one.ID).Take(&wide).Error)
		require.JSONEq(t, `{"passport":"D02"}`, string(wide.Attributes), "in a row with more members too")
		require.NoError(t, tx.Model(one).Updates(map[string]any{"display_name": "One"}).Error)
		var n int64
		require.NoError(t, tx.Model(&models.User{}).Count(&n).Error)
		return nil
	}))
}

func TestPlugin_RefusesWhatItCannotSealOrOpen(t *testing.T) {
	t.Parallel()
	d, inTx := setup(t)
	one := account("one@example.com")
	require.NoError(t, inTx(func(tx *db.Tx) error { return tx.Create(one).Error }))
	for name, write := range map[string]func(tx *db.Tx) *gorm.DB{
		"a map":      func(tx *db.Tx) *gorm.DB { return tx.Model(one).Updates(map[string]any{"attributes": "{}"}) },
		"one column": func(tx *db.Tx) *gorm.DB { return tx.Model(one).Update("attributes", models.JSON(`{}`)) },
		"a part of the row": func(tx *db.Tx) *gorm.DB {
			return tx.Model(one).Updates(&models.User{Attributes: models.JSON(`{"passport":1}`)})
		},
		"a row without an id": func(tx *db.Tx) *gorm.DB { m := account("two@example.com"); m.ID = uuid.UUID{}; return tx.Create(m) },
	} {
		require.ErrorContains(t, inTx(func(tx *db.Tx) error { return write(tx).Error }), "whole row", name)
	}
	d.Exec(t, `UPDATE sentinel.users SET attributes = '{"passport": {"$sealed": "AAAAAAAAAAAA"}}' WHERE id = $1`, one.ID)
	require.ErrorIs(t, inTx(func(tx *db.Tx) error { return tx.Take(&models.User{}, "id = ?", one.ID).Error }), crypto.ErrTampered)
}
