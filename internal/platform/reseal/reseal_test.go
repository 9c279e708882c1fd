package reseal

import (
	"context"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/db/dbtest"
	"github.com/sentinel-access/sentinel/models"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

func masterKey(t *testing.T, digit string) *crypto.MasterKey {
	t.Helper()
	key, err := crypto.ParseMasterKey(strings.Repeat(digit, 64))
	require.NoError(t, err)
	return key
}

// seal fills a database with more accounts than a transaction looks at, each
// with a second factor and a personal attribute sealed by master.
func seal(t *testing.T, d *dbtest.Database, master *crypto.MasterKey, accounts int) (ids []uuid.UUID) {
	t.Helper()
	tenant := identity.PlatformTenant
	d.Exec(t, `INSERT INTO sentinel.field_definitions (tenant_id, entity_type, field_name, field_type, is_pii) VALUES ($1, 'user', 'phone', 'tenant_specific', true)`, tenant)
	var names []string
	var secrets [][]byte
	for range accounts {
		id := uuid.Must(uuid.NewV7())
		ids, names = append(ids, id), append(names, id.String())
		secrets = append(secrets, master.Seal([]byte("secret"), "users/"+id.String()+"/mfa"))
	}
	d.Exec(t, `
INSERT INTO sentinel.users (id, tenant_id, email, mfa_enabled, mfa_secret, attributes)
SELECT CAST(id AS uuid), $1, id || '@example.com', true, secret, '{"phone": "12"}'
FROM unnest(CAST($2 AS text[]), CAST($3 AS bytea[])) u (id, secret)`, tenant, names, secrets)
	return ids
}

func counted(counts []Count, name string) Count {
	for _, c := range counts {
		if c.Name == name {
			return c
		}
	}
	return Count{}
}

func TestRun_SealsEveryBatchAnewAndOnce(t *testing.T) {
	t.Parallel()
	d, old := dbtest.New(t), masterKey(t, "1")
	accounts := batch + 7
	ids := seal(t, d, old, accounts)
	next := masterKey(t, "2").WithPrevious(old)

	counts, err := Run(t.Context(), d.DB, next)
	require.NoError(t, err)
	require.Equal(t, Count{Name: "second factors", Resealed: accounts}, counted(counts, "second factors"))
	require.Equal(t, Count{Name: "personal attributes", Resealed: accounts}, counted(counts, "personal attributes"), "what was written before it was personal is sealed too")
	only := masterKey(t, "2")
	require.NoError(t, d.DB.InSystemReadTx(t.Context(), db.MasterKey, func(tx *db.Tx) error {
		var users []models.User
		require.NoError(t, tx.Where("id IN ?", ids).Find(&users).Error)
		require.Len(t, users, accounts)
		for i := range users {
			secret, err := only.Open(users[i].MFASecret, "users/"+users[i].ID.String()+"/mfa")
			require.NoError(t, err)
			require.Equal(t, "secret", string(secret))
			require.Contains(t, string(users[i].Attributes), "$sealed")
		}
		return nil
	}))

	again, err := Run(t.Context(), d.DB, next)
	require.NoError(t, err)
	for _, c := range again {
		require.Equal(t, Count{Name: c.Name}, c, "nothing is left to do")
	}
}

func TestRun_LeavesWhatNoKeyOpens(t *testing.T) {
	t.Parallel()
	d, lost := dbtest.New(t), masterKey(t, "1")
	seal(t, d, lost, 3)
	first, err := Run(t.Context(), d.DB, lost)
	require.NoError(t, err)
	require.Equal(t, 3, counted(first, "personal attributes").Resealed)

	counts, err := Run(t.Context(), d.DB, masterKey(t, "2"))
	require.NoError(t, err)
	require.Equal(t, Count{Name: "second factors", Unreadable: 3}, counted(counts, "second factors"))
	require.Equal(t, Count{Name: "personal attributes", Unreadable: 3}, counted(counts, "personal attributes"))
	back, err := Run(t.Context(), d.DB, lost)
	require.NoError(t, err)
	require.Zero(t, counted(back, "second factors").Unreadable, "the key that was lost still opens them")
}

func TestRun_LeavesWhatOthersWroteMeanwhile(t *testing.T) {
	t.Parallel()
	d, old := dbtest.New(t), masterKey(t, "1")
	id := seal(t, d, old, 1)[0]
	next := masterKey(t, "2").WithPrevious(old)
	place := "users/" + id.String() + "/mfa"
	require.NoError(t, d.DB.InSystemTx(t.Context(), db.MasterKey, func(tx *db.Tx) error {
		var count Count
		stale := row{Key: id.String(), Place: place, Sealed: old.Seal([]byte("what it was"), place)}
		require.NoError(t, columns[1].reseal(tx, next, &stale, &count))
		require.Equal(t, Count{Changed: 1}, count)
		return nil
	}))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Run(ended, d.DB, next)
	require.ErrorContains(t, err, "seal signing keys anew")
}
