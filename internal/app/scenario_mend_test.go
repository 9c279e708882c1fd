package app_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestErase_TakesTheTagOfTheAccountAsItIsRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tag := w.do(request{as: "admin", method: http.MethodGet, path: "/users/$plain"}).header.Get("ETag")
	got := w.do(request{as: "admin", method: http.MethodDelete, path: "/users/$plain?erase=true", header: map[string]string{"If-Match": tag}})
	require.Equal(t, http.StatusNoContent, got.status, "%s", got.body)
}

func TestServiceAccounts_CountAsUsers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.make("robot", "admin", "", "/service-accounts", `{"name":"robot"}`)
	turn := func(active string) *response {
		return w.do(request{as: "admin", method: http.MethodPatch, path: "/service-accounts/$robot", body: `{"is_active":` + active + `}`})
	}
	require.Equal(t, http.StatusOK, turn("false").status)
	w.database.Exec(t, `UPDATE sentinel.tenants SET settings = '{"max_users": 1}' WHERE id = $1`, w.ids["alpha"])
	for _, got := range []*response{
		turn("true"),
		w.do(request{as: "admin", method: http.MethodPost, path: "/service-accounts", body: `{"name":"second"}`}),
	} {
		require.Equal(t, http.StatusConflict, got.status, "%s", got.body)
		require.Contains(t, got.plain(), "max_users")
	}
}

// TestUsers_ALinkEndsWithWhatItWasMailedFor: what an administrator sets is not
// undone by a mail from before.
func TestUsers_ALinkEndsWithWhatItWasMailedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	soon := time.Now().Add(time.Hour)
	patch := func(body string) {
		got := w.do(request{as: "admin", method: http.MethodPatch, path: "/users/$plain", body: body})
		require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	}
	for _, purpose := range []string{"password_reset", "invitation"} {
		link := w.mailed("plain", "alpha", purpose, "plain@alpha.example", soon)
		patch(`{"password":"` + otherPassword + `"}`)
		require.Equal(t, http.StatusBadRequest, w.resets(link, password).status, purpose)
	}
	for _, body := range []string{`{"email":"right@alpha.example"}`, `{"password":"` + password + `"}`} {
		epoch := w.column(t, "SELECT token_epoch::text FROM sentinel.users WHERE id = $1", w.ids["plain"])[0]
		link := w.mailed("plain", "alpha", "email_change", "wrong@alpha.example", soon)
		w.database.Exec(t, `UPDATE sentinel.one_time_tokens SET metadata = metadata || jsonb_build_object('epoch', CAST($2 AS int)) WHERE user_id = $1 AND used_at IS NULL`, w.ids["plain"], epoch)
		patch(body)
		got := w.do(request{method: http.MethodPost, path: "/auth/email/confirm", body: jsonOf(map[string]string{"token": link})})
		require.Equal(t, http.StatusBadRequest, got.status, "%s", got.body)
	}
}
