package app_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/pquerna/otp/totp"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/platform/crypto"
)

func credentialScenarios() []scenario {
	forgot := func(tenant, email string) string {
		return jsonOf(map[string]string{"tenant_id": tenant, "email": email})
	}
	reset := func(token, secret string) string {
		return jsonOf(map[string]string{"token": token, "new_password": secret})
	}
	confirm := func(token string) string { return jsonOf(map[string]string{"token": token}) }
	remove := func(secret, code string) string { return jsonOf(map[string]string{"password": secret, "code": code}) }
	enrol := jsonOf(map[string]string{"password": password})
	wrong := []string{"credential.prove failure"}
	return []scenario{
		{name: "forget a password", route: "POST /auth/password/forgot", body: forgot("ALPHA", "nobody@alpha.example"), status: 202},
		{name: "forget a password of no tenant", route: "POST /auth/password/forgot", body: forgot("OMEGA", "plain@alpha.example"), status: 202},
		{name: "forget everything", route: "POST /auth/password/forgot", body: `{}`, status: 400, fields: []string{"tenant_id", "email"}},

		{name: "reset with a short password", route: "POST /auth/password/reset", body: reset("$reset_token", "short"), status: 400, fields: []string{"new_password"}},
		{name: "reset with a silly password", route: "POST /auth/password/reset", body: reset("$reset_token", "aaaaaaaaaaaaaaa"), status: 400, fields: []string{"new_password"}},
		{name: "reset with nonsense", route: "POST /auth/password/reset", body: reset("nonsense", otherPassword), status: 400, code: "VALIDATION_ERROR", fields: []string{"token"}},
		{name: "reset with a token for something else", route: "POST /auth/password/reset", body: reset("$email_token", otherPassword), status: 400, fields: []string{"token"}},
		{name: "reset", route: "POST /auth/password/reset", body: reset("$reset_token", otherPassword), status: 200, audit: []string{"credential.reset_password success"}, writes: []string{"users", "one_time_tokens", "login_failures"}},
		{name: "reset again", route: "POST /auth/password/reset", body: reset("$reset_token", password), status: 400, fields: []string{"token"}},
		{name: "accept an invitation", route: "POST /auth/password/reset", body: reset("$invitation_token", otherPassword), status: 200, audit: []string{"credential.reset_password success"}, writes: []string{"users", "one_time_tokens"}},

		{name: "confirm an address with nonsense", route: "POST /auth/email/confirm", body: confirm("nonsense"), status: 400, fields: []string{"token"}},
		{name: "confirm an address that is taken", route: "POST /auth/email/confirm", body: confirm("$taken_token"), status: 409, code: "CONFLICT", fields: []string{"token"}},
		{name: "confirm an address that was another's", route: "POST /auth/email/confirm", body: confirm("$retired_token"), status: 409, code: "CONFLICT", fields: []string{"token"}},
		{name: "confirm an address", route: "POST /auth/email/confirm", body: confirm("$email_token"), status: 200, want: map[string]any{"data.email": "moved@alpha.example"}, audit: []string{"credential.confirm_email success"}, writes: []string{"users", "one_time_tokens"}},
		{name: "confirm an address again", route: "POST /auth/email/confirm", body: confirm("$email_token"), status: 400, fields: []string{"token"}},

		{name: "enrol with another's password", as: "plain", route: "POST /auth/mfa/totp", body: jsonOf(map[string]string{"password": "not this one either"}), status: 401, code: "INVALID_CREDENTIALS", audit: wrong},
		{name: "enrol without a password of one's own", as: "author", route: "POST /auth/mfa/totp", body: enrol, status: 401, code: "INVALID_CREDENTIALS", audit: wrong},
		{name: "enrol a service account", as: "robot", route: "POST /auth/mfa/totp", body: enrol, status: 400, code: "VALIDATION_ERROR"},
		{name: "enrol", as: "manager", route: "POST /auth/mfa/totp", body: enrol, status: 200, want: map[string]any{"data.recovery_codes.10": nil}, audit: []string{"credential.enrol_mfa success"}, writes: []string{"users", "mfa_recovery_codes"}},
		{name: "enrol elsewhere", as: "operator", route: "POST /auth/mfa/totp", body: enrol, header: map[string]string{"X-Tenant-ID": "$beta"}, status: 200, audit: []string{"credential.enrol_mfa success"}, writes: []string{"users", "mfa_recovery_codes"}},
		{name: "enrol what is enrolled", as: "guarded", route: "POST /auth/mfa/totp", body: enrol, status: 409, code: "CONFLICT"},

		{name: "confirm nothing", as: "admin", route: "POST /auth/mfa/totp/verify", body: `{"code":"123456"}`, status: 409, code: "CONFLICT"},
		{name: "confirm with no code", as: "author", route: "POST /auth/mfa/totp/verify", body: `{"code":"12345a"}`, status: 400, fields: []string{"code"}},
		{name: "confirm with an old code", as: "author", route: "POST /auth/mfa/totp/verify", body: `{"code":"$old_code"}`, status: 401, code: "INVALID_CREDENTIALS", audit: wrong},
		{name: "confirm", as: "author", route: "POST /auth/mfa/totp/verify", body: `{"code":"$code"}`, status: 200, audit: []string{"credential.enable_mfa success"}, writes: []string{"users"}},
		{name: "confirm ends the session", as: "author", route: "POST /auth/mfa/totp/verify", body: `{"code":"$code"}`, status: 401, code: "TOKEN_REVOKED"},

		{name: "remove what is not there", as: "admin", route: "DELETE /auth/mfa/totp", body: remove(password, "123456"), status: 409, code: "CONFLICT"},
		{name: "remove with a wrong password", as: "guarded", route: "DELETE /auth/mfa/totp", body: remove("not this one either", "$code"), status: 401, code: "INVALID_CREDENTIALS", audit: wrong},
		{name: "remove with a wrong code", as: "guarded", route: "DELETE /auth/mfa/totp", body: remove(password, "$old_code"), status: 401, code: "INVALID_CREDENTIALS", audit: wrong},
		{name: "remove", as: "guarded", route: "DELETE /auth/mfa/totp", body: remove(password, "$code"), status: 204, audit: []string{"credential.remove_mfa success"}, writes: []string{"users"}},

		{name: "mails", route: "GET //dev/mail", status: 200, want: map[string]any{"99": nil}},
		{name: "mails through a proxy", route: "GET //dev/mail", header: map[string]string{"X-Forwarded-For": "127.0.0.1"}, status: 404, code: "RESOURCE_NOT_FOUND"},
	}
}

func TestScenarios_Credential(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ready()
	w.secured("guarded", true)
	w.ids["old_code"] = w.code(authenticator, -10)
	w.ids["code"] = w.code(authenticator, 1)
	w.seal("author", authenticator, false)
	w.invited("guest")
	w.invited("mover")
	w.database.Exec(t, "UPDATE sentinel.users SET email_verified_at = now() WHERE id = $1", w.ids["mover"])
	w.robot("robot", "alpha", "{}")
	w.people["robot"] = [2]string{"ALPHA", ""}
	w.database.Exec(t, "INSERT INTO sentinel.login_failures (tenant_id, user_id, network) VALUES ($1, $2, '192.0.2.0/24')", w.ids["alpha"], w.ids["plain"])
	w.ids["reset_token"] = w.mailed("plain", "alpha", "password_reset", "plain@alpha.example", time.Now().Add(time.Hour))
	w.ids["invitation_token"] = w.mailed("guest", "alpha", "invitation", "guest@alpha.example", time.Now().Add(time.Hour))
	w.ids["email_token"] = w.mailed("mover", "alpha", "email_change", "moved@alpha.example", time.Now().Add(time.Hour))
	w.ids["taken_token"] = w.mailed("author", "alpha", "email_change", "manager@alpha.example", time.Now().Add(time.Hour))
	w.make("left", "admin", "", "/users", `{"email":"left@alpha.example"}`)
	w.database.Exec(t, "DELETE FROM sentinel.users WHERE id = $1", w.ids["left"])
	w.ids["retired_token"] = w.mailed("author", "alpha", "email_change", "left@alpha.example", time.Now().Add(time.Hour))
	w.tokens["plain"] = w.afterReset()
	w.play(t, credentialScenarios())
}

// authenticator is the secret of the authenticators that the tests set up.
const authenticator = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"

// afterReset is a token of plain as a login after one reset would make it.
func (w *world) afterReset() string {
	w.t.Helper()
	c := w.claims("plain", "alpha")
	c.Epoch, c.ExpiresAt = 1, c.IssuedAt.Add(time.Hour)
	token, err := crypto.Signer{Issuer: "sentinel", Audience: "sentinel"}.Sign(c, w.signingKeyOf())
	require.NoError(w.t, err)
	return token
}

// code is that of an authenticator, some steps from now.
func (w *world) code(secret string, steps int) string {
	w.t.Helper()
	code, err := totp.GenerateCode(secret, time.Now().Add(time.Duration(steps)*30*time.Second))
	require.NoError(w.t, err)
	return code
}

// seal gives an account an authenticator, past the routes.
func (w *world) seal(name, secret string, enabled bool) {
	w.t.Helper()
	master, err := crypto.ParseMasterKey(w.cfg.MasterKey)
	require.NoError(w.t, err)
	w.database.Exec(w.t, "UPDATE sentinel.users SET mfa_secret = $2, mfa_enabled = $3 WHERE id = $1",
		w.ids[name], master.Seal([]byte(secret), "users/"+w.ids[name]+"/mfa"), enabled)
}

// secured makes an account of tenant alpha with a password and an authenticator.
func (w *world) secured(name string, enabled bool) {
	w.t.Helper()
	email := name + "@alpha.example"
	w.make(name, "admin", "", "/users", `{"email":"`+email+`","password":"`+password+`"}`)
	w.people[name] = [2]string{"ALPHA", email}
	w.seal(name, authenticator, enabled)
}

// invited makes an account of tenant alpha without a password or a proved
// address.
func (w *world) invited(name string) {
	w.t.Helper()
	w.make(name, "admin", "", "/users", `{"email":"`+name+`@alpha.example"}`)
	w.database.Exec(w.t, "UPDATE sentinel.users SET email_verified_at = NULL WHERE id = $1", w.ids[name])
}

// mailed is a token as a mail would have it, past the routes.
func (w *world) mailed(name, tenant, purpose, email string, expires time.Time) string {
	w.t.Helper()
	token := crypto.NewOpaque("sno_", uuid.MustParse(w.ids[tenant]))
	w.database.Exec(w.t, `
INSERT INTO sentinel.one_time_tokens (tenant_id, user_id, purpose, token_hash, metadata, expires_at)
VALUES ($1, $2, $3, $4, $5, $6)`, w.ids[tenant], w.ids[name], purpose, token.Hash, jsonOf(map[string]string{"email": email}), expires)
	return token.Text
}

// letter is a mail in the mailbox.
type letter struct {
	To      string    `json:"to"`
	Subject string    `json:"subject"`
	Text    string    `json:"text"`
	SentAt  time.Time `json:"sent_at"`
}

func (w *world) letters() (list []letter) {
	w.t.Helper()
	got := w.do(request{method: http.MethodGet, path: "//dev/mail"})
	require.Equal(w.t, http.StatusOK, got.status)
	require.NoError(w.t, json.Unmarshal(got.body, &list))
	return list
}

// letterTo waits for the newest mail with a subject to an address.
func (w *world) letterTo(to, subject string) (found letter) {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		for _, l := range w.letters() {
			if l.To == to && l.Subject == subject {
				found = l
				return true
			}
		}
		return false
	}, 20*time.Second, 10*time.Millisecond, "no mail %q to %s", subject, to)
	return found
}

var mailToken = regexp.MustCompile(`(?m)^sno_[A-Za-z0-9_-]+$`)

func (l letter) token() string { return strings.TrimSpace(mailToken.FindString(l.Text)) }

func (w *world) forgets(tenant, email string) *response {
	w.t.Helper()
	return w.do(request{method: http.MethodPost, path: "/auth/password/forgot", body: jsonOf(map[string]string{"tenant_id": tenant, "email": email})})
}

func (w *world) resets(token, secret string) *response {
	w.t.Helper()
	return w.do(request{method: http.MethodPost, path: "/auth/password/reset", body: jsonOf(map[string]string{"token": token, "new_password": secret})})
}
