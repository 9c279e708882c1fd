package app_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"image/png"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/app"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// bare is an answer without what differs from call to call, headers included.
func (r *response) bare() string {
	h := r.header.Clone()
	for _, name := range []string{"X-Request-Id", "Date", "Content-Length"} {
		h.Del(name)
	}
	return r.plain() + jsonOf(h)
}

func TestForgot_AnswersBeforeItLooks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.invited("guest")
	ctx := context.WithoutCancel(t.Context())
	hold, err := w.owner.Begin(ctx)
	require.NoError(t, err)
	defer func() { _ = hold.Rollback(ctx) }()
	// Whoever looks an account up waits from here on.
	_, err = hold.Exec(ctx, "LOCK TABLE sentinel.one_time_tokens IN ACCESS EXCLUSIVE MODE")
	require.NoError(t, err)
	answers := map[string]bool{}
	for _, who := range [][2]string{
		{"ALPHA", " PLAIN@alpha.example"},
		{"ALPHA", "nobody@alpha.example"},
		{"ALPHA", "guest@alpha.example"},
		{"OMEGA", "plain@alpha.example"},
		{"BETA", "plain@alpha.example"},
		{w.ids["alpha"], "plain"},
		{absent, "x"},
		{"%", "%"},
	} {
		got := w.forgets(who[0], who[1])
		require.Equal(t, http.StatusAccepted, got.status, "%s", got.body)
		answers[got.bare()] = true
	}
	require.Len(t, answers, 1)
	require.Empty(t, w.letters())
	require.NoError(t, hold.Rollback(ctx))

	mail := w.letterTo("plain@alpha.example", "Set a new password")
	require.Contains(t, mail.Text, "plain@alpha.example at Alpha, by somebody at the network address 127.0.0.1.")
	require.Contains(t, mail.Text, "If it was not you")
	require.NotContains(t, mail.Text, "{")
	require.NotContains(t, mail.Text, "Open this page")
	require.Equal(t, http.StatusOK, w.resets(mail.token(), otherPassword).status)
	w.letterTo("plain@alpha.example", "Your password was changed")
	require.Len(t, w.letters(), 2, "nobody else got a mail, the unproved address neither")
	require.Equal(t, []string{"system"}, w.column(t, "SELECT actor_type FROM sentinel.audit_logs WHERE action = 'credential.forgot_password'"))
	require.Equal(t, []string{w.ids["plain"]}, w.column(t, "SELECT actor_id::text FROM sentinel.audit_logs WHERE action = 'credential.reset_password'"))
}

func TestForgot_StopsAfterFiveAnHourAndEndsOlderTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 5 {
		w.forgets("ALPHA", "plain@alpha.example")
		require.Eventually(t, func() bool { return len(w.letters()) == i+1 }, 20*time.Second, 10*time.Millisecond)
	}
	w.forgets("ALPHA", "plain@alpha.example")
	w.forgets("ALPHA", "manager@alpha.example") // looked into after the one before
	w.letterTo("manager@alpha.example", "Set a new password")
	list := w.letters()
	require.Len(t, list, 6)
	require.Equal(t, http.StatusBadRequest, w.resets(list[5].token(), otherPassword).status, "the first one")
	require.Equal(t, http.StatusOK, w.resets(list[1].token(), otherPassword).status, "the fifth one")
}

func TestReset_RefusesWhatDoesNotCountWithOneAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	later := time.Now().Add(time.Hour)
	good := func(name string) string {
		return w.mailed(name, "alpha", "password_reset", name+"@alpha.example", later)
	}
	beta := uuid.MustParse(w.ids["beta"])
	foreign := good("plain")
	foreign = "sno_" + base64.RawURLEncoding.EncodeToString(beta[:]) + foreign[len("sno_")+22:]
	w.secured("sleeper", false)
	sleeping := good("sleeper")
	w.invited("guest")
	require.Equal(t, http.StatusOK, w.do(request{as: "admin", method: http.MethodPatch, path: "/users/$sleeper", body: `{"is_active":false}`}).status)
	tokens := map[string]string{
		"nonsense":               "nonsense",
		"another kind of token":  "snr_" + foreign[4:],
		"named for another":      foreign,
		"expired":                w.mailed("plain", "alpha", "password_reset", "plain@alpha.example", time.Now().Add(-time.Second)),
		"for an old address":     w.mailed("plain", "alpha", "password_reset", "former@alpha.example", later),
		"for an unproved one":    good("guest"),
		"for an address change":  w.mailed("plain", "alpha", "email_change", "new@alpha.example", later),
		"of an inactive account": sleeping,
		"of nobody":              good("plain")[:50] + strings.Repeat("A", 19),
	}
	answers := map[string]string{}
	w.unchanged(t, func() {
		for name, token := range tokens {
			got := w.resets(token, otherPassword)
			require.Equal(t, http.StatusBadRequest, got.status, "%s: %s", name, got.body)
			answers[name] = got.bare()
		}
	})
	for name, answer := range answers {
		require.Equal(t, answers["nonsense"], answer, name)
	}
}

func TestReset_TakesAtMostOneOfManyAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.mailed("plain", "alpha", "password_reset", "plain@alpha.example", time.Now().Add(time.Hour))
	var wins atomic.Int32
	var group sync.WaitGroup
	for range 6 {
		group.Go(func() {
			if w.resets(token, otherPassword).status == http.StatusOK {
				wins.Add(1)
			}
		})
	}
	group.Wait()
	require.EqualValues(t, 1, wins.Load())
}

func TestReset_EndsSessionsAndWhatWasAskedForInThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.seal("plain", authenticator, true)
	w.token("plain")
	stolen := w.mailed("plain", "alpha", "email_change", "thief@elsewhere.example", time.Now().Add(time.Hour))
	token := w.mailed("plain", "alpha", "password_reset", "plain@alpha.example", time.Now().Add(time.Hour))
	require.Equal(t, http.StatusOK, w.resets(token, otherPassword).status)
	require.Equal(t, "TOKEN_REVOKED", w.do(request{as: "plain", method: http.MethodGet, path: "/users/me"}).at("error.code"))
	confirm := w.do(request{method: http.MethodPost, path: "/auth/email/confirm", body: jsonOf(map[string]string{"token": stolen})})
	require.Equal(t, http.StatusBadRequest, confirm.status)
	require.Equal(t, []string{"true"}, w.column(t, "SELECT mfa_enabled::text FROM sentinel.users WHERE id = $1", w.ids["plain"]))
}

func TestEmailChange_DiesWithTheSessionItWasAskedIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.mailed("plain", "alpha", "email_change", "new@alpha.example", time.Now().Add(time.Hour))
	got := w.do(request{as: "admin", method: http.MethodPatch, path: "/users/$plain", body: `{"password":"` + otherPassword + `"}`})
	require.Equal(t, http.StatusOK, got.status)
	w.unchanged(t, func() {
		got = w.do(request{method: http.MethodPost, path: "/auth/email/confirm", body: jsonOf(map[string]string{"token": token})})
		require.Equal(t, http.StatusBadRequest, got.status)
	})
}

func TestReset_TokenExpiresAfterAnHour(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	w := startWorld(t, newDatabase(t), func(c *app.Config) {
		c.Clock = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		c.PublicURL = "http://localhost:3000/"
	})
	w.forgets("PLATFORM", "operator@example.com")
	mail := w.letterTo("operator@example.com", "Set a new password")
	require.Contains(t, mail.Text, "http://localhost:3000/reset-password?token="+mail.token()+"\n")
	ahead.Store(int64(61 * time.Minute))
	require.Equal(t, http.StatusBadRequest, w.resets(mail.token(), otherPassword).status)
	ahead.Store(int64(59 * time.Minute))
	require.Equal(t, http.StatusOK, w.resets(mail.token(), otherPassword).status)
}

func TestMFA_FromEnrolmentToRemoval(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	call := func(method, path string, body map[string]string) *response {
		return w.do(request{as: "plain", method: method, path: path, body: jsonOf(body)})
	}
	got := call(http.MethodPost, "/auth/mfa/totp", map[string]string{"password": password})
	require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	secret := got.at("data.secret").(string)
	require.Contains(t, got.at("data.otpauth_uri"), "otpauth://totp/Sentinel:plain@alpha.example?")
	picture, ok := strings.CutPrefix(got.at("data.qr_png").(string), "data:image/png;base64,")
	require.True(t, ok)
	_, err := png.Decode(base64.NewDecoder(base64.StdEncoding, strings.NewReader(picture)))
	require.NoError(t, err)
	var recovery []string
	for i := range 10 {
		recovery = append(recovery, got.at(fmt.Sprintf("data.recovery_codes.%d", i)).(string))
		require.Regexp(t, `^([a-z2-7]{5}-){3}[a-z2-7]{5}$`, recovery[i])
	}
	require.Len(t, slices.Compact(slices.Sorted(slices.Values(recovery))), 10)
	w.login("ALPHA", "plain@alpha.example", password) // it does not count yet

	code := w.code(secret, 0)
	got = call(http.MethodPost, "/auth/mfa/totp/verify", map[string]string{"code": code})
	require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	require.Equal(t, "TOKEN_REVOKED", w.do(request{as: "plain", method: http.MethodGet, path: "/users/me"}).at("error.code"))
	w.tokens["plain"] = w.afterReset() // the next epoch
	got = call(http.MethodDelete, "/auth/mfa/totp", map[string]string{"password": password, "code": code})
	require.Equal(t, http.StatusUnauthorized, got.status, "a code works once")
	got = call(http.MethodDelete, "/auth/mfa/totp", map[string]string{"password": password, "code": strings.ToUpper(recovery[3])})
	require.Equal(t, http.StatusNoContent, got.status, "%s", got.body)
	require.Equal(t, "TOKEN_REVOKED", w.do(request{as: "plain", method: http.MethodGet, path: "/users/me"}).at("error.code"))
	require.Empty(t, w.column(t, "SELECT id::text FROM sentinel.mfa_recovery_codes"))
	everything := w.log.String() + strings.Join(w.records(), "\n")
	for _, s := range append(recovery, secret) {
		require.NotContains(t, everything, s)
	}
}

func TestMFA_BoundsGuesses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	guess := func(as string) *response {
		return w.do(request{as: as, method: http.MethodPost, path: "/auth/mfa/totp", body: `{"password":"not this one either"}`})
	}
	for range 5 {
		require.Equal(t, http.StatusUnauthorized, guess("plain").status)
	}
	got := guess("plain")
	require.Equal(t, http.StatusTooManyRequests, got.status, "%s", got.body)
	require.Equal(t, "RATE_LIMIT_EXCEEDED", got.at("error.code"))
	require.NotEmpty(t, got.at("error.details.retry_after"))
	require.NotEmpty(t, got.header.Get("Retry-After"))
	got = w.do(request{as: "plain", method: http.MethodPost, path: "/auth/mfa/totp", body: `{"password":"` + password + `"}`})
	require.Equal(t, http.StatusTooManyRequests, got.status, "the right one too")
	require.Equal(t, http.StatusUnauthorized, guess("manager").status, "others are not concerned")
}

func TestDevMail_IsThereForDevelopmentOnly(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*app.Config){
		"a public URL": func(c *app.Config) { c.PublicURL = "https://sentinel.example.com" },
		"a proxy":      func(c *app.Config) { c.TrustedProxies = []string{"127.0.0.1"} },
		"SMTP":         func(c *app.Config) { c.SMTPURL, c.MailFrom = "smtp://127.0.0.1:1", "sentinel@example.com" },
		"any address":  func(c *app.Config) { c.HTTPAddr = "0.0.0.0:0" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := startWorld(t, newDatabase(t), change)
			require.False(t, slices.ContainsFunc(w.app.Routes(), func(r httpapi.Route) bool { return r.Path == "/dev/mail" }))
			if name == "SMTP" {
				return
			}
			require.Eventually(t, func() bool { return strings.Contains(w.log.String(), "mails are dropped") }, 20*time.Second, 10*time.Millisecond)
		})
	}
	w := startWorld(t, newDatabase(t))
	require.Empty(t, w.letters())
	for _, header := range []map[string]string{{"X-Forwarded-For": "127.0.0.1"}, {"X-Forwarded-For": ""}, {"Forwarded": "for=127.0.0.1"}, {"Via": "1.1 proxy"}} {
		require.Equal(t, http.StatusNotFound, w.do(request{method: http.MethodGet, path: "//dev/mail", header: header}).status, "%v", header)
	}
}
