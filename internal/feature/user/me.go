package user

import (
	"context"
	"fmt"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// UpdateMeIn changes the members given of the own account. A display name and
// preferences are in no condition and no look-up, so that nobody gains by them.
type UpdateMeIn struct {
	httpapi.IfMatchIn
	Body struct {
		DisplayName     httpapi.Opt[string]         `json:"display_name,omitempty" maxLength:"255"`
		Preferences     httpapi.Opt[httpapi.Object] `json:"preferences,omitempty" doc:"Replaces them all."`
		Email           *string                     `json:"email,omitempty" format:"email" maxLength:"320" doc:"Changes when it is confirmed by the mail that is sent to it."`
		Password        *string                     `json:"password,omitempty" maxLength:"1000" doc:"At least 12 characters. Ends every session of the account, this one too."`
		CurrentPassword *string                     `json:"current_password,omitempty" minLength:"1" maxLength:"1000" doc:"Needed for a new e-mail address or password."`
	}
}

// Me is the own account.
type Me struct {
	Detail
	PendingEmail string `json:"pending_email,omitempty" doc:"The address that waits to be confirmed."`
}

func (s *Service) updateMe(ctx context.Context, in *UpdateMeIn) (out *Me, err error) {
	b := &in.Body
	caller, _ := identity.PrincipalFrom(ctx)
	ctx = identity.WithTenant(ctx, caller.HomeTenantID)
	email, err := in.address(s.RequestEmailChange != nil)
	if err != nil {
		return nil, err
	}
	var p *proven
	if b.Email != nil || b.Password != nil {
		if b.CurrentPassword == nil {
			return nil, fault.InvalidAt("current_password", "is needed for a new e-mail address or password")
		}
		if p, err = s.ownPassword(ctx, *b.CurrentPassword, "current_password", b.Password, "password"); err != nil {
			return nil, err
		}
	}
	var send func()
	err = s.Write.Plain(ctx, func(w *change.Write) (err error) {
		out, send, err = s.storeMe(ctx, w, in, p, email)
		return err
	})
	if err != nil {
		return nil, err
	}
	if send != nil {
		send()
	}
	return out, nil
}

// address returns the new address as it will be stored.
func (in *UpdateMeIn) address(canMail bool) (string, error) {
	if in.Body.Email == nil {
		return "", nil
	}
	email, ok := NormaliseEmail(*in.Body.Email)
	switch {
	case !ok:
		return "", fault.InvalidAt("email", "must be an e-mail address")
	case !canMail:
		return "", noMail()
	}
	return email, nil
}

func (s *Service) storeMe(ctx context.Context, w *change.Write, in *UpdateMeIn, p *proven, email string) (out *Me, send func(), err error) {
	caller, _ := identity.PrincipalFrom(ctx)
	m, err := crud.Locked[models.User](w.Tx, caller.HomeTenantID, caller.UserID, "user")
	if err != nil {
		return nil, nil, err
	}
	if err := checkTag(w.Tx, m, in.IfMatchIn); err != nil {
		return nil, nil, err
	}
	event := audit.Event{Action: "user.update_me", Before: account(m)}
	if p != nil {
		if m, err = p.store(w); err != nil {
			return nil, nil, err
		}
	}
	in.Body.DisplayName.To(&m.DisplayName)
	if in.Body.Preferences.Set {
		m.Preferences = models.Object(in.Body.Preferences.Value)
	}
	if err := w.Save(m).Error; err != nil {
		return nil, nil, fmt.Errorf("update own account: %w", err)
	}
	out = &Me{}
	if email != "" && email != m.Email {
		if m.IsServiceAccount {
			return nil, nil, fault.InvalidAt("email", "a service account has no e-mail address")
		}
		if send, err = s.RequestEmailChange(ctx, w, m, email); err != nil {
			return nil, nil, err
		}
		out.PendingEmail = email
	}
	stored, err := saved(w, m, event)
	if err != nil {
		return nil, nil, err
	}
	out.Detail = *stored
	return out, send, nil
}
