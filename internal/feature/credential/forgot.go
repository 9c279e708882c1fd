package credential

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
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

const (
	// pleaQueue is how many requests for a new password may wait.
	pleaQueue = 256
	// pleaTimeout ends the work on one of them.
	pleaTimeout = 10 * time.Second
	// drainTimeout bounds how long a shutdown waits for those that are left.
	drainTimeout = 10 * time.Second
)

// ForgotIn names an account, by what somebody remembers of it.
type ForgotIn struct {
	Body struct {
		TenantID string `json:"tenant_id" minLength:"1" maxLength:"50" doc:"The tenant's id or code."`
		Email    string `json:"email" minLength:"1" maxLength:"320"`
	}
}

// plea is a request for a new password, to be looked into.
type plea struct {
	tenant, email string
	request       identity.Request
}

// forgot answers before it looks: neither the answer nor its time tells whether
// there is such an account. When the queue is full the plea is dropped and
// counted; whoever waits for the mail asks again.
func (s *Service) forgot(ctx context.Context, in *ForgotIn) (*Done, error) {
	select {
	case s.pleas <- plea{tenant: in.Body.TenantID, email: in.Body.Email, request: identity.RequestFrom(ctx)}:
	default:
		s.dropped.Inc()
	}
	return &Done{Message: "If there is such an account, a mail is on its way to it."}, nil
}

// Run looks into the requests for new passwords until ctx ends, then into those
// that are left. The outbox has to run for longer than this.
func (s *Service) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			s.drain(context.WithoutCancel(ctx))
			return nil
		case p := <-s.pleas:
			s.hear(context.WithoutCancel(ctx), p)
		}
	}
}

func (s *Service) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	for {
		select {
		case p := <-s.pleas:
			s.hear(ctx, p)
		default:
			return
		}
	}
}

func (s *Service) hear(ctx context.Context, p plea) {
	ctx, cancel := context.WithTimeout(identity.WithRequest(ctx, p.request), pleaTimeout)
	defer cancel()
	if err := s.answer(ctx, p); err != nil {
		s.dropped.Inc()
		s.cfg.Logger.WarnContext(ctx, "a request for a new password", "error", err, "request_id", p.request.ID)
	}
}

// answer mails a token to the account, if it is one that gets any.
func (s *Service) answer(ctx context.Context, p plea) error {
	email, ok := s.cfg.NormaliseEmail(p.email)
	if !ok {
		return nil
	}
	tenant, err := s.tenant(ctx, p.tenant)
	if err != nil || tenant == nil {
		return err
	}
	ctx = identity.WithTenant(ctx, tenant.ID)
	user, err := s.person(ctx, tenant.ID, email)
	if err != nil || user == nil {
		return err
	}
	if _, err := s.cfg.Write.Engine.Account(ctx, tenant.ID, user.ID); err != nil {
		if fault.Is(err, fault.TokenRevoked) {
			return nil
		}
		return err
	}
	var send func()
	err = s.cfg.Write.Plain(ctx, func(w *change.Write) error {
		send = nil
		user, err := crud.Locked[models.User](w.Tx, tenant.ID, user.ID, "user")
		if err != nil {
			return err
		}
		flooded, err := isFlooded(w, user, passwordReset)
		if err != nil || flooded || !getsMail(user) || user.Email != email {
			return err
		}
		if send, err = s.RequestReset(ctx, w, user); err != nil {
			return err
		}
		return w.Record(audit.Event{Action: "credential.forgot_password", ResourceType: "user", ResourceID: user.ID})
	})
	if err == nil && send != nil {
		send()
	}
	return err
}

// getsMail reports whether a person may be sent a token: active, and at an
// address that is proved to be theirs.
func getsMail(u *models.User) bool {
	return !u.IsServiceAccount && u.IsActive && u.Email != "" && u.EmailVerifiedAt != nil
}

// tenant finds a tenant by id or code, nil if there is none.
func (s *Service) tenant(ctx context.Context, idOrCode string) (*models.Tenant, error) {
	var t models.Tenant
	err := s.cfg.Write.DB.InSystemReadTx(ctx, db.LoginTenant, func(tx *db.Tx) error {
		if id, err := uuid.Parse(idOrCode); err == nil {
			return tx.Where("id = ?", id).Take(&t).Error
		}
		return tx.Where("code = ?", strings.ToUpper(idOrCode)).Take(&t).Error
	})
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, nil //nolint:nilnil // no such tenant is no failure
	}
	if err != nil {
		return nil, fmt.Errorf("find tenant: %w", err)
	}
	return &t, nil
}

// person finds an account by its address, nil if there is none.
func (s *Service) person(ctx context.Context, tenant uuid.UUID, email string) (*models.User, error) {
	var u models.User
	err := s.cfg.Write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		return tx.Where("tenant_id = ? AND email = ?", tenant, email).Take(&u).Error
	})
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, nil //nolint:nilnil // likewise
	}
	if err != nil {
		return nil, fmt.Errorf("find account: %w", err)
	}
	return &u, nil
}
