package user

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// UpdateIn changes the members given.
type UpdateIn struct {
	IDIn
	httpapi.IfMatchIn
	Body struct {
		Email       *string                     `json:"email,omitempty" format:"email" maxLength:"320"`
		Username    httpapi.Opt[string]         `json:"username,omitempty" minLength:"1" maxLength:"255"`
		DisplayName httpapi.Opt[string]         `json:"display_name,omitempty" maxLength:"255"`
		ExternalID  httpapi.Opt[string]         `json:"external_id,omitempty" minLength:"1" maxLength:"255"`
		Password    *string                     `json:"password,omitempty" maxLength:"1000" doc:"Ends every session of the account."`
		Attributes  httpapi.Opt[httpapi.Object] `json:"attributes,omitempty" doc:"Replaces them all."`
		Preferences httpapi.Opt[httpapi.Object] `json:"preferences,omitempty" doc:"Replaces them all."`
		IsActive    *bool                       `json:"is_active,omitempty" doc:"false ends every session and token at once."`

		AllowedIPs     *[]string `json:"allowed_ips,omitempty" maxItems:"100" doc:"Addresses and CIDR ranges from which the account may call; none for any."`
		AssertSubject  *bool     `json:"assert_subject,omitempty" doc:"Whether it may state properties of the subjects it asks about. A tenant_admin sets it."`
		AssertOverride *[]string `json:"assert_override,omitempty" maxItems:"100" doc:"Attributes in which what it states replaces what is stored. A tenant_admin sets them."`
	}
}

// touches reports whether the change is of what the account is or may do:
// identity, attributes, credentials or state. A name to show and preferences
// are neither.
func (in *UpdateIn) touches() bool {
	b := &in.Body
	return b.Email != nil || b.Username.Set || b.ExternalID.Set || b.Password != nil || b.Attributes.Set || b.IsActive != nil ||
		b.AllowedIPs != nil || in.asserts()
}

// asserts reports whether the change is of what the account may say of others.
func (in *UpdateIn) asserts() bool {
	return in.Body.AssertSubject != nil || in.Body.AssertOverride != nil
}

// fits refuses for a service account what only people have.
func (in *UpdateIn) fits(m *models.User) error {
	if !m.IsServiceAccount {
		return nil
	}
	var fields []fault.Field
	if in.Body.Email != nil {
		fields = append(fields, fault.Field{Path: "email", Message: "a service account has no e-mail address"})
	}
	if in.Body.Password != nil {
		fields = append(fields, fault.Field{Path: "password", Message: "a service account has a key and no password"})
	}
	if in.Body.Username.Set {
		fields = append(fields, fault.Field{Path: "username", Message: "is the name of a service account, which is unique: change it at /service-accounts/{id}"})
	}
	if fields == nil {
		return nil
	}
	return fault.Invalid(fields...)
}

func (s *Service) update(ctx context.Context, in *UpdateIn) (out *Detail, err error) {
	tenant, _ := identity.TenantFrom(ctx)
	hash, err := s.newPassword(ctx, in.Body.Password)
	if err != nil {
		return nil, err
	}
	if in.Body.AllowedIPs != nil {
		if *in.Body.AllowedIPs, err = addresses(*in.Body.AllowedIPs); err != nil {
			return nil, err
		}
	}
	err = s.Write.Granting(ctx, "user.update", func(w *change.Write) (c granting.Change, err error) {
		m, err := crud.Locked[models.User](w.Tx, tenant, in.ID, "user")
		if err != nil {
			return c, err
		}
		if err := checkTag(w.Tx, m, in.IfMatchIn); err != nil {
			return c, err
		}
		before := account(m)
		if err := in.apply(w, m, hash); err != nil {
			return c, err
		}
		if err := w.Save(m).Error; err != nil {
			return c, refusals.Refused(fmt.Errorf("update user: %w", err))
		}
		if in.touches() {
			c.Accounts = []uuid.UUID{m.ID}
			if c.Handed, err = has(w, m.TenantID, m.ID); err != nil {
				return c, err
			}
		}
		out, err = saved(w, m, audit.Event{Action: "user.update", Before: before})
		return c, err
	})
	return out, err
}

// apply writes the members given over m.
func (in *UpdateIn) apply(w *change.Write, m *models.User, hash *string) (err error) {
	b := &in.Body
	if err := in.fits(m); err != nil {
		return err
	}
	if in.asserts() && !w.Judge.Admin() {
		return fault.New(fault.Denied, "assert_subject and assert_override let an account state others' properties: only a tenant_admin sets them.")
	}
	if b.IsActive != nil && *b.IsActive && !m.IsActive {
		if err := directory.HasRoom(w, m.TenantID); err != nil {
			return err
		}
	}
	email := m.Email
	httpapi.Set(&m.Email, b.Email)
	b.Username.ToPointer(&m.Username)
	b.DisplayName.To(&m.DisplayName)
	b.ExternalID.ToPointer(&m.ExternalID)
	if b.Attributes.Set {
		m.Attributes = models.Object(b.Attributes.Value)
	}
	if b.Preferences.Set {
		m.Preferences = models.Object(b.Preferences.Value)
	}
	if m.Email, err = checkIdentity(m.Email, m.ExternalID, "", m.IsServiceAccount); err != nil {
		return err
	}
	if m.Email != email {
		m.EmailVerifiedAt = &w.Now // an administrator's word is proof enough
		if err := endLinks(w, m); err != nil {
			return err
		}
	}
	if hash != nil {
		if err := setPassword(w, m, hash, false); err != nil {
			return err
		}
	}
	if b.IsActive != nil && *b.IsActive != m.IsActive {
		m.IsActive = *b.IsActive
		m.TokenEpoch++
	}
	if b.AllowedIPs != nil {
		m.AllowedIPs = *b.AllowedIPs
	}
	httpapi.Set(&m.AssertSubject, b.AssertSubject)
	if b.AssertOverride != nil {
		m.AssertOverride = *b.AssertOverride
	}
	return nil
}

// addresses returns IP addresses and CIDR ranges in one way of writing them.
func addresses(list []string) ([]string, error) {
	out := []string{}
	var fields []fault.Field
	for i, text := range list {
		if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
			out = append(out, a.Unmap().String())
		} else if p, err := netip.ParsePrefix(text); err == nil && p == p.Masked() {
			out = append(out, p.String())
		} else {
			fields = append(fields, fault.Field{Path: fmt.Sprintf("allowed_ips[%d]", i), Message: "must be an IP address, or a CIDR range such as 10.0.0.0/8"})
		}
	}
	if fields != nil {
		return nil, fault.Invalid(fields...)
	}
	return out, nil
}
