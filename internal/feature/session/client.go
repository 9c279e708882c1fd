package session

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// ClientIn proves which service account calls.
type ClientIn struct {
	Authorization string `header:"Authorization" hidden:"true"`
	Body          struct {
		GrantType    string `json:"grant_type,omitempty" maxLength:"100" doc:"client_credentials. Required in a form."`
		APIKey       string `json:"api_key,omitempty" maxLength:"200" doc:"The account's key. Instead: client_id and client_secret."`
		ClientID     string `json:"client_id,omitempty" maxLength:"100" doc:"The account's id or that of its key."`
		ClientSecret string `json:"client_secret,omitempty" maxLength:"200" doc:"The key."`
		TenantID     string `json:"tenant_id,omitempty" maxLength:"50" doc:"The tenant's id or code. Not needed, but held to."`
		Scope        string `json:"scope,omitempty" maxLength:"2000" doc:"Narrows the token to some permissions of the API, such as \"users:read decisions:execute\"; * is every action. Default: no limit."`
	}
}

// ClientToken is a service account's access token. There is no refresh token:
// the key gives the next.
type ClientToken struct {
	AccessToken    string `json:"access_token"`
	TokenType      string `json:"token_type" enum:"Bearer"`
	ExpiresIn      int    `json:"expires_in" doc:"Seconds."`
	Scope          string `json:"scope,omitempty"`
	ServiceAccount struct {
		ID     uuid.UUID `json:"id"`
		Name   string    `json:"name"`
		Tenant struct {
			ID   uuid.UUID `json:"id"`
			Name string    `json:"name"`
			Code string    `json:"code"`
		} `json:"tenant"`
	} `json:"service_account"`
}

func invalidClient() error {
	return fault.New(fault.ServiceAccountInvalid, "The key is not that of an active service account that may call from here.")
}

// clientToken gives one answer to whatever is wrong with the credentials, at
// one moment after its start.
func (s *Service) clientToken(ctx context.Context, in *ClientIn) (out *ClientToken, err error) {
	start := s.now()
	if in.Authorization != "" && httpapi.IsForm(ctx) { // RFC 6749, 5.2
		defer func() {
			if fault.Is(err, fault.ServiceAccountInvalid) {
				httpapi.SetHeader(ctx, "WWW-Authenticate", `Basic realm="sentinel"`)
			}
		}()
	}
	secret, id, err := in.credentials(httpapi.IsForm(ctx))
	if err != nil {
		return nil, err
	}
	scope, err := s.scope(in.Body.Scope)
	if err != nil {
		return nil, err
	}
	httpapi.SetHeader(ctx, "Cache-Control", "no-store")
	out, err = s.exchange(ctx, secret, id, in.Body.TenantID, scope, start)
	if fault.Is(err, fault.ServiceAccountInvalid) {
		if waiting := s.WaitUntil(ctx, start.Add(s.FailureFloor)); waiting != nil {
			return nil, fmt.Errorf("wait to answer: %w", waiting)
		}
	}
	return out, err
}

// credentials are a key and, where the caller says so, whose it is.
func (in *ClientIn) credentials(form bool) (secret, id string, err error) {
	b := &in.Body
	if b.GrantType != "client_credentials" && (form || b.GrantType != "") {
		return "", "", fault.InvalidAt("grant_type", "must be client_credentials")
	}
	given := b.APIKey != "" || b.ClientID != "" || b.ClientSecret != ""
	if scheme, text, ok := strings.Cut(in.Authorization, " "); ok && form && strings.EqualFold(scheme, "Basic") {
		if given {
			return "", "", fault.InvalidAt("client_id", "authenticate by the header or by the form, not by both")
		}
		return basic(text)
	}
	switch {
	case b.APIKey != "" && b.ClientID == "" && b.ClientSecret == "":
		return b.APIKey, "", nil
	case b.APIKey == "" && b.ClientID != "" && b.ClientSecret != "":
		return b.ClientSecret, b.ClientID, nil
	default:
		return "", "", fault.InvalidAt("api_key", "give api_key, or client_id and client_secret")
	}
}

// basic reads HTTP Basic as OAuth writes it: both parts form-encoded (RFC 6749,
// 2.3.1).
func basic(text string) (secret, id string, err error) {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil {
		return "", "", invalidClient()
	}
	user, password, _ := strings.Cut(string(raw), ":")
	id, idErr := url.QueryUnescape(user)
	secret, secretErr := url.QueryUnescape(password)
	if idErr != nil || secretErr != nil || id == "" {
		return "", "", invalidClient()
	}
	return secret, id, nil
}

// scope checks the words of a scope and returns them once each, in order.
func (s *Service) scope(text string) (string, error) {
	words := strings.Fields(text)
	for _, word := range words {
		section, action, _ := strings.Cut(word, ":")
		if !slices.Contains([]string{"create", "read", "update", "delete", "execute", "*"}, action) || s.KnowsSection == nil || !s.KnowsSection(section) {
			return "", fault.InvalidAt("scope", "invalid_scope: %q is not a section of the API and an action on it, such as users:read", word)
		}
	}
	slices.Sort(words)
	return strings.Join(slices.Compact(words), " "), nil
}

// exchange gives a token for a key.
func (s *Service) exchange(ctx context.Context, secret, id, tenantName, scope string, now time.Time) (*ClientToken, error) {
	key, ok := crypto.ParseAPIKey(secret)
	if !ok {
		return nil, invalidClient()
	}
	user, tenant, err := s.byKey(ctx, key.ID)
	if err != nil {
		return nil, err
	}
	if user == nil {
		return nil, invalidClient()
	}
	ctx = identity.WithTenant(ctx, user.TenantID)
	account, reason, err := s.judgeKey(ctx, key, user, tenant, id, tenantName)
	if err != nil {
		return nil, err
	}
	if reason != "" {
		return nil, s.refuseKey(ctx, user, reason)
	}
	roles, err := s.Write.Engine.RoleNames(ctx, user.TenantID, user.ID)
	if err != nil {
		return nil, err
	}
	claims := crypto.Claims{
		Subject: user.ID, TenantID: user.TenantID, Roles: roles, IsServiceAccount: true, SessionID: uuid.NewString(),
		Epoch: int64(account.TokenEpoch), Scope: scope,
	}
	token, err := s.sign(ctx, claims, now)
	if err != nil {
		return nil, err
	}
	ctx = identity.WithPrincipal(ctx, &identity.Principal{
		UserID: user.ID, HomeTenantID: user.TenantID, Email: user.Email, IsServiceAccount: true, SessionID: claims.SessionID,
	})
	if err := s.admitKey(ctx, key, user, account, scope); err != nil {
		return nil, err
	}
	out := &ClientToken{AccessToken: token, TokenType: "Bearer", ExpiresIn: int(TokenLifetime / time.Second), Scope: scope}
	a := &out.ServiceAccount
	a.ID, a.Name, a.Tenant.ID, a.Tenant.Name, a.Tenant.Code = user.ID, user.DisplayName, tenant.ID, tenant.Name, tenant.Code
	return out, nil
}

// admitKey counts a token, unless the key was replaced or the account's tokens
// ended since they were read: the token would outlive them.
func (s *Service) admitKey(ctx context.Context, key crypto.APIKey, user *models.User, account engine.Account, scope string) error {
	good := false
	err := s.Write.Plain(ctx, func(w *change.Write) error {
		now, err := crud.Locked[models.User](w.Tx, user.TenantID, user.ID, "user")
		if err != nil {
			return err
		}
		if good = now.IsActive && now.TokenEpoch == account.TokenEpoch && s.counts(key, now); !good {
			return nil
		}
		err = w.Exec(`
UPDATE sentinel.users
SET last_login = ?, login_count = login_count + 1, failed_login_count = 0
WHERE tenant_id = ?
AND id = ?`, w.Now, user.TenantID, user.ID).Error
		if err != nil {
			return fmt.Errorf("count a token: %w", err)
		}
		return w.Record(audit.Event{Action: "session.token", ResourceType: "user", ResourceID: user.ID, Detail: map[string]any{"scope": scope}})
	})
	switch {
	case fault.Is(err, fault.NotFoundKind): // deleted in the meantime
		return invalidClient()
	case err != nil:
		return err
	case !good:
		return s.refuseKey(ctx, user, "changed")
	}
	return nil
}

// counts reports whether a key is the account's present one, or the one before
// within its grace period.
func (s *Service) counts(key crypto.APIKey, user *models.User) bool {
	current, previous := crypto.SameHash(user.ServiceAccountKeyHash, key.Hash), crypto.SameHash(user.PreviousKeyHash, key.Hash)
	return current || previous && user.PreviousKeyExpiresAt != nil && s.now().Before(*user.PreviousKeyExpiresAt)
}

// byKey finds the account and the tenant of a key's id, nil if there is none.
func (s *Service) byKey(ctx context.Context, keyID string) (*models.User, *models.Tenant, error) {
	var user models.User
	var tenant models.Tenant
	err := s.Write.DB.InSystemReadTx(ctx, db.LoginTenant, func(tx *db.Tx) error {
		err := tx.Where("is_service_account AND service_account_key_id = ?", keyID).Take(&user).Error
		if errors.Is(err, gorm.ErrRecordNotFound) {
			err = tx.Where("is_service_account AND previous_key_id = ?", keyID).Take(&user).Error
		}
		if err != nil {
			return err
		}
		return tx.Where("id = ?", user.TenantID).Take(&tenant).Error
	})
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("find the account of a key: %w", err)
	}
	return &user, &tenant, nil
}

// judgeKey returns the account if the key is good here and now, and else why it
// is not, for the audit log.
func (s *Service) judgeKey(ctx context.Context, key crypto.APIKey, user *models.User, tenant *models.Tenant, id, tenantName string) (account engine.Account, reason string, err error) {
	switch {
	case !s.counts(key, user):
		return account, "wrong key", nil
	case id != "" && id != user.ID.String() && id != key.ID:
		return account, "another client_id", nil
	case tenantName != "" && !strings.EqualFold(tenantName, tenant.Code) && !strings.EqualFold(tenantName, tenant.ID.String()):
		return account, "another tenant", nil
	}
	found, err := s.Write.Engine.Account(ctx, user.TenantID, user.ID)
	switch {
	case fault.Is(err, fault.TokenRevoked):
		return account, "inactive", nil
	case err != nil:
		return account, "", err
	case !allows(found.AllowedIPs, identity.RequestFrom(ctx).Address):
		return account, "address", nil
	}
	return found, "", nil
}

// refuseKey records a failure of an account that exists, and gives the one
// answer.
func (s *Service) refuseKey(ctx context.Context, user *models.User, reason string) error {
	err := s.Write.Plain(ctx, func(w *change.Write) error {
		err := w.Exec(`
UPDATE sentinel.users
SET failed_login_count = failed_login_count + 1
WHERE tenant_id = ?
AND id = ?`, user.TenantID, user.ID).Error
		if err != nil {
			return fmt.Errorf("count a refused key: %w", err)
		}
		return w.Record(audit.Event{
			Action: "session.token", ResourceType: "user", ResourceID: user.ID, Result: audit.Failure, Detail: map[string]any{"reason": reason},
		})
	})
	if err != nil {
		return err
	}
	return invalidClient()
}

// oauthErrorBody is RFC 6749, 5.2.
type oauthErrorBody struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// oauthError says a failure in the words of OAuth.
func oauthError(status int, f *fault.Error) any {
	body := oauthErrorBody{Error: "invalid_request", Description: f.Message}
	field := ""
	if len(f.Fields) > 0 {
		field = f.Fields[0].Path
		body.Description = field + ": " + f.Fields[0].Message
	}
	switch {
	case f.Kind == fault.ServiceAccountInvalid:
		body.Error = "invalid_client"
	case field == "grant_type":
		body.Error = "unsupported_grant_type"
	case field == "scope":
		body.Error = "invalid_scope"
	case status == http.StatusUnauthorized:
		body.Error = "invalid_token" // RFC 6750, 3.1: of the caller's own
	case status == http.StatusForbidden:
		body.Error = "insufficient_scope"
	case status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests:
		body.Error = "temporarily_unavailable"
	case status >= http.StatusInternalServerError:
		body.Error = "server_error"
	}
	return body
}
