package app_test

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/app"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/obs"
)

// restart starts the server again with another master key.
func (w *world) restart(key string, previous ...string) {
	w.t.Helper()
	require.NoError(w.t, w.stop())
	w.cfg.MasterKey, w.cfg.MasterKeyPrevious = key, previous
	logger, err := obs.NewLogger(w.log, "debug")
	require.NoError(w.t, err)
	w.app, err = app.New(w.t.Context(), w.cfg, "test", logger)
	require.NoError(w.t, err)
	w.run()
}

func TestMasterKey_CanBeReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.make("erika", "admin", "", "/users", `{"email":"erika@alpha.example","password":"`+password+`","attributes":{"passport":"C01X00T47","birthday":"1970-01-01"}}`)
	w.make("early", "admin", "", "/users", `{"email":"early@alpha.example","attributes":{"passport":"E00"}}`)
	w.definePersonal()
	require.NotEmpty(t, w.everywhere("E00"), "it was written before it became personal")
	require.Equal(t, http.StatusOK, w.do(request{as: "admin", method: http.MethodPatch, path: "/users/$erika", body: `{"attributes":{"passport":"C01X00T47","birthday":"1970-01-01"}}`}).status)
	before := w.master()
	place := "users/" + w.ids["erika"] + "/mfa"
	w.database.Exec(t, "UPDATE sentinel.users SET mfa_secret = $1 WHERE id = $2", before.Seal([]byte("totp"), place), w.ids["erika"])
	w.database.Exec(t, "INSERT INTO sentinel.webhooks (id, tenant_id, name, url, secret) VALUES ($1, $2, 'w', 'https://w.example', $3)", absent, w.ids["alpha"], before.Seal([]byte("hook"), "webhooks/"+absent+"/secret"))
	old, key := w.cfg.MasterKey, strings.Repeat("5e", 32)

	// Replicas have both keys while the old one's work is sealed anew.
	w.restart(key, old)
	require.Equal(t, "C01X00T47", w.do(request{as: "admin", method: http.MethodGet, path: "/users/$erika"}).at("data.attributes.passport"))
	w.login("ALPHA", "erika@alpha.example", password)

	var out bytes.Buffer
	stray := w.cfg
	stray.MasterKeyPrevious = nil
	require.ErrorContains(t, app.RotateMaster(t.Context(), stray, &out, w.log), "MASTER_KEY", "without the old key nothing is touched")
	out.Reset()
	require.NoError(t, app.RotateMaster(t.Context(), w.cfg, &out, w.log))
	for _, line := range []string{"signing keys: 1 sealed anew", "second factors: 1 sealed", "webhook secrets: 1 sealed", "installation secrets: 1 sealed", "personal attributes: 2 sealed"} {
		require.Contains(t, out.String(), line)
	}
	require.NotContains(t, out.String(), "personal keys: 0")
	out.Reset()
	require.NoError(t, app.RotateMaster(t.Context(), w.cfg, &out, w.log))
	require.Equal(t, strings.Count(out.String(), "\n"), strings.Count(out.String(), ": 0 sealed anew\n"), "again it does nothing: %s", out.String())
	for _, text := range []string{"E00", "C01X00T47", "1970-01-01"} {
		require.Empty(t, w.everywhere(text), text)
	}

	w.restart(key)
	master := w.master()
	w.verified(master, "alpha")
	require.Contains(t, w.changesOf("erika")[0], `"passport":"C01X00T47"`, "what the audit holds of a person can still be read")
	w.login("ALPHA", "erika@alpha.example", password)
	require.Equal(t, "C01X00T47", w.do(request{as: "admin", method: http.MethodGet, path: "/users/$erika"}).at("data.attributes.passport"))
	require.Equal(t, "E00", w.do(request{as: "admin", method: http.MethodGet, path: "/users/$early"}).at("data.attributes.passport"))
	var sealed []byte
	require.NoError(t, w.owner.QueryRow(context.WithoutCancel(t.Context()), "SELECT mfa_secret FROM sentinel.users WHERE id = $1", w.ids["erika"]).Scan(&sealed))
	secret, err := master.Open(sealed, place)
	require.NoError(t, err)
	require.Equal(t, "totp", string(secret))
	_, err = before.Open(sealed, place)
	require.ErrorIs(t, err, crypto.ErrWrongKey)
}

// TestMasterKey_ChainsOfOlderInstallationsVerify takes the stored key of the
// chain away, as if the installation were older than it.
func TestMasterKey_ChainsOfOlderInstallationsVerify(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.database.Exec(t, "DELETE FROM sentinel.installation_secrets")
	old := w.cfg.MasterKey
	w.token("admin") // signed while the key that sealed the signing keys is the server's
	w.restart(strings.Repeat("5e", 32), old)
	w.make("erika", "admin", "", "/users", `{"email":"erika@alpha.example"}`)
	w.verified(w.master(), "alpha")
	w.cfg.MasterKey = old // it is what sealed the signing keys, for the search for leaks
}
