package session

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

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

// LoginIn proves who somebody is.
type LoginIn struct {
	Body struct {
		Email    string         `json:"email" minLength:"1" maxLength:"320"`
		Password string         `json:"password" minLength:"1" maxLength:"1000"`
		TenantID string         `json:"tenant_id" minLength:"1" maxLength:"50" doc:"The tenant's id or code."`
		MFACode  string         `json:"mfa_code,omitempty" maxLength:"100" doc:"A second factor, for accounts that have one: MFA_REQUIRED asks for it."`
		Device   httpapi.Object `json:"device,omitempty" doc:"Whatever tells this session from others in the list of sessions, such as name. At most 2,000 bytes."`
	}
}

// maxDevice bounds what is kept of a device, in bytes of JSON.
const maxDevice = 2000

// Login is a session's tokens and whose it is.
type Login struct {
	Pair
	MustChangePassword bool `json:"must_change_password" doc:"If so the token is good for changing the password and nothing else."`
	User               Who  `json:"user"`
}

// attempt is one login under way.
type attempt struct {
	tenant  *models.Tenant
	user    *models.User
	network string
	in      *LoginIn
	// account names the account, known or not. All ways to write its tenant and
	// its address are one, so that writing them in another way gains no tries.
	account string
	// key is account for the account-wide delay.
	key [32]byte
	// verified is the hash that the password was right for.
	verified string
	// rehashed replaces it, if not nil.
	rehashed *string
	roles    []string
	now      time.Time
}

func wrong() error {
	return fault.New(fault.InvalidCredentials, "The tenant, the e-mail address or the password is wrong.")
}

// locked is told only to whoever knows the password.
func locked(until time.Time) error {
	f := fault.New(fault.AccountLocked, "This account is locked, after failed logins from this network or by an administrator. Wait until details.locked_until.")
	f.Details = map[string]any{"locked_until": until.UTC()}
	return f
}

// login answers every failure at the same moment after its start, since there
// is more to write for an account that exists.
func (s *Service) login(ctx context.Context, in *LoginIn) (*Login, error) {
	start := s.now()
	device := models.Object(in.Body.Device)
	if len(device) > maxDevice {
		return nil, fault.InvalidAt("device", "must have at most %d bytes", maxDevice)
	}
	a, err := s.attempt(ctx, in, start)
	if err != nil {
		return nil, err
	}
	if s.Limit != nil {
		if err := s.Limit(ctx, a.account); err != nil {
			return nil, err
		}
	}
	delay := s.patience.delay(a.key, start)
	if delay > 0 {
		if err := s.patience.wait(ctx, start.Add(delay), s.WaitUntil); err != nil {
			return nil, err
		}
	}
	out, err := s.enter(ctx, a)
	switch fault.KindOf(err) {
	case fault.InvalidCredentials:
		s.patience.failed(a.key, s.now())
	case fault.AccountLocked, fault.MFARequired:
	default:
		if err == nil {
			s.patience.succeeded(a.key)
		}
		return out, err
	}
	if waiting := s.WaitUntil(ctx, start.Add(delay+s.FailureFloor)); waiting != nil {
		return nil, fmt.Errorf("wait to answer a login: %w", waiting)
	}
	return nil, err
}

// attempt finds out what the login is about, without telling.
func (s *Service) attempt(ctx context.Context, in *LoginIn, now time.Time) (*attempt, error) {
	a := &attempt{in: in, network: network(identity.RequestFrom(ctx).Address), now: now}
	email, ok := s.NormaliseEmail(in.Body.Email)
	if !ok {
		email = strings.ToLower(in.Body.Email)
	}
	var err error
	if a.tenant, err = s.tenant(ctx, in.Body.TenantID); err != nil {
		return nil, err
	}
	place := strings.ToUpper(in.Body.TenantID)
	if a.tenant != nil {
		place = a.tenant.ID.String()
	}
	a.account = place + "\x00" + email
	a.key = [32]byte(crypto.HashSecret(a.account))
	if a.tenant == nil || !ok {
		return a, nil
	}
	a.user, err = s.find(identity.WithTenant(ctx, a.tenant.ID), a.tenant.ID, email)
	return a, err
}

// tenant finds a tenant by id or code, nil if there is none.
func (s *Service) tenant(ctx context.Context, idOrCode string) (*models.Tenant, error) {
	var t models.Tenant
	err := s.Write.DB.InSystemReadTx(ctx, db.LoginTenant, func(tx *db.Tx) error {
		if id, err := uuid.Parse(idOrCode); err == nil {
			return tx.Where("id = ?", id).Take(&t).Error
		}
		return tx.Where("code = ?", strings.ToUpper(idOrCode)).Take(&t).Error
	})
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, nil //nolint:nilnil // no such tenant is an answer that login must not tell
	}
	if err != nil {
		return nil, fmt.Errorf("find tenant: %w", err)
	}
	return &t, nil
}

func (s *Service) find(ctx context.Context, tenant uuid.UUID, email string) (*models.User, error) {
	var u models.User
	err := s.Write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		return tx.Where("tenant_id = ? AND email = ?", tenant, email).Take(&u).Error
	})
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, nil //nolint:nilnil // as above
	}
	if err != nil {
		return nil, fmt.Errorf("find account: %w", err)
	}
	return &u, nil
}

// enter verifies the password, one hash whoever it is, and opens the session or
// counts the failure.
func (s *Service) enter(ctx context.Context, a *attempt) (*Login, error) {
	password := a.in.Body.Password
	if a.user == nil || a.user.PasswordHash == nil || a.user.IsServiceAccount {
		if err := s.Passwords.VerifyDummy(ctx, password); err != nil {
			return nil, err
		}
		return nil, s.refuse(ctx, a, "no such login")
	}
	a.verified = *a.user.PasswordHash
	ok, err := s.Passwords.Verify(ctx, password, a.verified)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, s.refuse(ctx, a, "wrong password")
	}
	account, err := s.Write.Engine.Account(ctx, a.tenant.ID, a.user.ID)
	switch {
	case fault.Is(err, fault.TokenRevoked) && a.lockedByHand():
		err := s.Write.Plain(identity.WithTenant(ctx, a.tenant.ID), func(w *change.Write) error { return a.record(w, "locked") })
		if err != nil {
			return nil, err
		}
		return nil, locked(*a.user.LockedUntil)
	case fault.Is(err, fault.TokenRevoked):
		return nil, s.refuse(ctx, a, "inactive")
	case err != nil:
		return nil, err
	case !allows(account.AllowedIPs, identity.RequestFrom(ctx).Address):
		return nil, s.refuse(ctx, a, "address")
	}
	if a.roles, err = s.Write.Engine.RoleNames(ctx, a.tenant.ID, a.user.ID); err != nil {
		return nil, err
	}
	if s.Passwords.NeedsRehash(a.verified) {
		hash, err := s.Passwords.Hash(ctx, password)
		if err != nil {
			return nil, err
		}
		a.rehashed = &hash
	}
	return s.open(ctx, a)
}

// lockedByHand reports whether all that keeps the account out is a lock that an
// administrator set.
func (a *attempt) lockedByHand() bool {
	return a.tenant.IsActive && a.user.IsActive && a.user.LockedUntil != nil && a.now.Before(*a.user.LockedUntil)
}

// refuse counts a failure of an account that exists, and gives the one answer.
func (s *Service) refuse(ctx context.Context, a *attempt, reason string) error {
	if a.user == nil {
		return wrong()
	}
	err := s.Write.Plain(identity.WithTenant(ctx, a.tenant.ID), func(w *change.Write) error {
		return a.fail(w, reason)
	})
	if err != nil {
		return err
	}
	return wrong()
}

// open makes a session for an account whose password was right, unless it is
// locked here, lacks its second factor or changed in the meantime. The row of
// the account is held, so that logins and failures of one account follow one
// another.
func (s *Service) open(ctx context.Context, a *attempt) (*Login, error) {
	family := uuid.Must(uuid.NewV7())
	ctx = identity.WithPrincipal(ctx, &identity.Principal{
		UserID: a.user.ID, HomeTenantID: a.tenant.ID, Email: a.user.Email, SessionID: family.String(),
	})
	var refusal error
	var token crypto.Opaque
	var user *models.User
	err := s.Write.Plain(ctx, func(w *change.Write) (err error) {
		refusal = nil
		if user, err = crud.Locked[models.User](w.Tx, a.tenant.ID, a.user.ID, "user"); err != nil {
			return err
		}
		if refusal, err = s.objection(ctx, w, a, user); refusal != nil || err != nil {
			return err
		}
		if err := a.succeed(w); err != nil {
			return err
		}
		row := &models.RefreshToken{
			TenantID: a.tenant.ID, UserID: user.ID, FamilyID: family, FamilyExpiresAt: w.Now.Add(familyLifetime),
			DeviceInfo: models.Object(a.in.Body.Device), TokenEpoch: user.TokenEpoch,
		}
		if token, err = insertRefresh(w, row, w.Now); err != nil {
			return err
		}
		return w.Record(audit.Event{Action: "session.login", ResourceType: "user", ResourceID: user.ID})
	})
	switch {
	case fault.Is(err, fault.NotFoundKind):
		return nil, wrong() // deleted in the meantime
	case err != nil:
		return nil, err
	case refusal != nil:
		return nil, refusal
	}
	pair, err := s.pair(ctx, user, family, a.roles, token, a.now)
	if err != nil {
		return nil, err
	}
	out := &Login{Pair: *pair, MustChangePassword: user.MustChangePassword}
	out.User = Who{ID: user.ID, Email: user.Email, IsServiceAccount: user.IsServiceAccount, Roles: a.roles}
	out.User.Tenant.ID, out.User.Tenant.Name, out.User.Tenant.Code = a.tenant.ID, a.tenant.Name, a.tenant.Code
	return out, nil
}

// objection returns why an account whose password was right may not enter after
// all, nil if it may. What it writes is to be kept.
func (s *Service) objection(ctx context.Context, w *change.Write, a *attempt, user *models.User) (refusal, err error) {
	until, err := a.lockedUntil(w)
	if err != nil {
		return nil, err
	}
	if until != nil {
		return locked(*until), a.record(w, "locked")
	}
	unusable := !user.IsActive || user.LockedUntil != nil && w.Now.Before(*user.LockedUntil)
	if unusable || user.PasswordHash == nil || *user.PasswordHash != a.verified {
		return wrong(), a.fail(w, "changed")
	}
	if !user.MFAEnabled {
		return nil, nil
	}
	code := strings.TrimSpace(a.in.Body.MFACode)
	if code == "" {
		return fault.New(fault.MFARequired, "This account has a second factor. Send its code as mfa_code."), nil
	}
	ok := false
	if s.SecondFactor != nil {
		if ok, err = s.SecondFactor(ctx, w, user, code); err != nil {
			return nil, err
		}
	}
	if !ok {
		return wrong(), a.fail(w, "wrong second factor")
	}
	return nil, nil
}
