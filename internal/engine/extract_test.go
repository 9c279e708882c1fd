package engine_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/engine"
)

func TestExtract_HoldsWhatDecisionsAreMadeOf(t *testing.T) {
	t.Parallel()
	w := setup(t, engine.Config{Library: library(t, 10*time.Second)})
	before, err := w.Engine.Extract(t.Context(), w.tenant, 10)
	require.NoError(t, err)
	require.Empty(t, before.Texts)
	require.Zero(t, before.Publication)
	require.Empty(t, before.Modules.Index())
	require.Nil(t, before.Attributes)

	w.publish(3, map[string]string{"a": `deny contains 1 if input.action == "sail"`})
	w.SQL(`UPDATE sentinel.tenants SET settings = settings || '{"bundle_attributes": ["level"]}' WHERE id = $1`, w.tenant)
	w.refresh(t)
	after, err := w.Engine.Extract(t.Context(), w.tenant, 10)
	require.NoError(t, err)
	require.Len(t, after.Texts, 1)
	require.EqualValues(t, 3, after.Publication)
	require.Greater(t, after.Revision, before.Revision)
	require.Equal(t, after.Document.Policies, after.Modules.Index())
	require.Len(t, after.Document.Policies, 1)
	require.Equal(t, []string{"level"}, after.Attributes)

	require.NotEqual(t, before.Token, after.Token)
	token, err := w.Engine.Revision(t.Context(), w.tenant)
	require.NoError(t, err)
	require.Equal(t, token, after.Token)
}

func TestExtract_FailsRatherThanLeaveSomethingOut(t *testing.T) {
	t.Parallel()
	w := setup(t, engine.Config{Library: library(t, 10*time.Second)})
	_, err := w.Engine.Extract(t.Context(), w.tenant, 1)
	require.ErrorIs(t, err, engine.ErrTooManySubjects)
	_, err = w.Engine.Extract(t.Context(), uuid.New(), 10)
	require.Error(t, err)
	_, err = w.Engine.Revision(t.Context(), uuid.New())
	require.Error(t, err)
	for _, table := range []string{"policy_revisions", "policy_revision"} {
		w.SQL(`REVOKE SELECT ON sentinel.` + table + ` FROM sentinel_app`)
		_, err = w.Engine.Extract(t.Context(), w.tenant, 10)
		require.ErrorContains(t, err, "permission denied", table)
		w.SQL(`GRANT SELECT ON sentinel.` + table + ` TO sentinel_app`)
	}
	w.SQL(`UPDATE sentinel.tenants SET settings = settings || '{"bundle_attributes": 5}' WHERE id = $1`, w.tenant)
	_, err = w.Engine.Extract(t.Context(), w.tenant, 10)
	require.ErrorContains(t, err, "attributes of the bundle")
}
