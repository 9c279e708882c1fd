package app_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An import is written after the call that sent it: what its sender has lost
// until then, the import has lost.
func TestImport_WritesNothingThatItsSenderMayNotAnyMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, lose := range map[string]string{
		"deactivated":    `UPDATE sentinel.users SET is_active = false WHERE id = $1`,
		"locked":         `UPDATE sentinel.users SET locked_until = now() + interval '1 hour' WHERE id = $1`,
		"sessions_ended": `UPDATE sentinel.users SET token_epoch = token_epoch + 1 WHERE id = $1`,
		"role_taken":     `DELETE FROM sentinel.user_roles WHERE user_id = $1`,
		"role_expired":   `UPDATE sentinel.user_roles SET expires_at = now() WHERE user_id = $1`,
		"gone":           `DELETE FROM sentinel.users WHERE id = $1`,
	} {
		w.person(name, "operator", "$alpha", "ALPHA", `"$tenant_admin"`)
		w.token(name)
		import1 := w.sentWhileHeld(t, name, `{"kind":"user","email":"by_`+name+`@alpha.example","roles":["tenant_admin"]}`, lose)
		require.NotContains(t, []string{"done", "running"}, w.ended(t, import1), name)
		require.Equal(t, []string{}, w.column(t, `SELECT email FROM sentinel.users WHERE email = $1`, "by_"+name+"@alpha.example"), name)
		// Nobody else makes it go on with rights that are gone.
		resumed := w.do(request{as: "admin", method: http.MethodPost, path: "/imports/" + import1 + "/resume"})
		if resumed.status == http.StatusOK {
			require.NotContains(t, []string{"done", "running"}, w.ended(t, import1), name)
		}
		require.Equal(t, []string{}, w.column(t, `SELECT email FROM sentinel.users WHERE email = $1`, "by_"+name+"@alpha.example"), name)
	}
}

// sentWhileHeld sends a file while the tenant is held, and takes something from the
// sender before it is let go.
func (w *world) sentWhileHeld(t *testing.T, as, file, lose string) (id string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	tx, err := w.owner.Begin(ctx)
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(ctx) }()
	_, err = tx.Exec(ctx, `SELECT 1 FROM sentinel.policy_revision WHERE tenant_id = $1 FOR UPDATE`, w.ids["alpha"])
	require.NoError(t, err)
	sent := w.upload(as, "", jsonLines, file)
	require.Equal(t, http.StatusAccepted, sent.status, "%s", sent.body)
	_, err = tx.Exec(ctx, lose, w.ids[as])
	require.NoError(t, err)
	require.NoError(t, tx.Commit(ctx))
	return sent.at("data.id").(string)
}

// ended waits until an import is not under way, and returns its status. One
// whose sender is gone stays as it is.
func (w *world) ended(t *testing.T, id string) (status string) {
	t.Helper()
	require.Eventually(t, func() bool {
		status = w.column(t, `SELECT status || CASE WHEN created_by IS NULL THEN ' of nobody' ELSE '' END FROM sentinel.imports WHERE id = $1`, id)[0]
		return status != "pending" && status != "running"
	}, 30*time.Second, 10*time.Millisecond)
	return status
}
