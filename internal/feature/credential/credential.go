// Package credential owns how a person sets and proves what they log in with,
// apart from the login itself: passwords that were forgotten, invitations, new
// e-mail addresses, the second factor. Sessions are the session's, accounts the
// user's; both reach this package through functions that the composition root
// hands them.
package credential

import (
	"context"
	"log/slog"
	"strings"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/internal/platform/limit"
	"github.com/sentinel-access/sentinel/internal/platform/mail"
)

// Config is what a [Service] is made of.
type Config struct {
	Write     *change.Writer
	Passwords *crypto.Passwords
	// Master seals the secrets of authenticators, see [MFAPlace].
	Master *crypto.MasterKey
	Outbox *mail.Outbox
	// NormaliseEmail is how addresses are stored.
	NormaliseEmail func(string) (string, bool)
	// PublicURL begins the links in mails, which lead to pages of the
	// installation's own. Empty for mails without links.
	PublicURL string
	// Registerer receives the counters. Default: none.
	Registerer prometheus.Registerer
	Logger     *slog.Logger
}

// Service answers the section's calls. [Service.Run] does the work behind the
// answers of forgotten passwords.
type Service struct {
	cfg      Config
	pleas    chan plea
	dropped  prometheus.Counter
	attempts *limit.Attempts
}

// New makes a service. It starts nothing.
func New(cfg Config) *Service {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	cfg.PublicURL = strings.TrimRight(cfg.PublicURL, "/")
	s := &Service{
		cfg: cfg, pleas: make(chan plea, pleaQueue), attempts: newAttempts(cfg.Write.Engine.Now),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sentinel_password_requests_dropped_total", Help: "Requests for a forgotten password that were lost: the queue was full, or the database did not answer.",
		}),
	}
	if cfg.Registerer != nil {
		cfg.Registerer.MustRegister(s.dropped)
	}
	return s
}

// MFAPlace is where the secret of a person's authenticator is kept, as
// [crypto.MasterKey.Seal] wants to know it: column mfa_secret of users.
func MFAPlace(user uuid.UUID) string { return "users/" + user.String() + "/mfa" }

const own = "the caller's own account"

// Register adds the section's routes.
func (s *Service) Register(api *httpapi.Server) {
	sec := api.Section("Credentials", "How a person sets and proves what they log in with.")
	httpapi.Call(sec, httpapi.Route{
		Path: "/auth/password/forgot", Summary: "Ask for a mail with which to set a new password", Access: httpapi.Public(), Status: 202,
		Description: "One answer, in one time, whether or not there is such an account. Only active people with a verified e-mail address get the mail, " +
			"at most 5 an hour. Its token counts for one hour, and ends earlier ones.",
	}, s.forgot)
	httpapi.Call(sec, httpapi.Route{
		Path: "/auth/password/reset", Summary: "Set a password with a token from a mail", Access: httpapi.Public(), Errors: []int{503},
		Description: "Takes the token of a forgotten password or of an invitation, once. All sessions of the account end. A second factor stays.",
	}, s.reset)
	httpapi.Call(sec, httpapi.Route{
		Path: "/auth/email/confirm", Summary: "Confirm a new e-mail address with the token sent to it", Access: httpapi.Public(), Errors: []int{409},
		Description: "Takes the token once, unless the account's password, second factor or state changed since. 409 if another account has the address by now.",
	}, s.confirmEmail)
	httpapi.Call(sec, httpapi.Route{
		Path: "/auth/mfa/totp", Summary: "Enrol an authenticator app", Access: httpapi.Authenticated(own), Errors: []int{409, 503},
		Description: "Answers the secret and ten recovery codes, which are not shown again. It counts once POST /auth/mfa/totp/verify confirmed it; until then enrolling again replaces it. " +
			"Wrong passwords and codes: 5 in 15 minutes.",
		ShownOnce: []string{"secret", "otpauth_uri", "qr_png", "recovery_codes"},
	}, s.enrol)
	httpapi.Call(sec, httpapi.Route{
		Path: "/auth/mfa/totp/verify", Summary: "Confirm the authenticator app with a code of it", Access: httpapi.Authenticated(own), Errors: []int{409},
		Description: "From now on a login takes a code too. All sessions of the account end, this one as well: log in again.",
	}, s.confirmMFA)
	httpapi.Delete(sec, httpapi.Route{
		Path: "/auth/mfa/totp", Summary: "Remove the authenticator app", Access: httpapi.Authenticated(own), Errors: []int{409, 503},
		Description: "Takes the password and a code of the app, or a recovery code. All sessions of the account end, this one as well.",
	}, s.removeMFA)
}

// Done says in a sentence what came of a call.
type Done struct {
	Message string `json:"message"`
}

// as returns a context in which the account itself acts, in its own tenant: who
// proved to be somebody is that somebody to the audit.
func as(ctx context.Context, tenant, user uuid.UUID, email string) context.Context {
	return identity.WithPrincipal(ctx, &identity.Principal{UserID: user, HomeTenantID: tenant, Email: email})
}
