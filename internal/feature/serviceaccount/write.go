package serviceaccount

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// Created is a new account with its key.
type Created struct {
	Account
	APIKey string `json:"api_key" doc:"Shown this once."`
}

// CreateIn is a new service account.
type CreateIn struct {
	Body struct {
		Name        string         `json:"name" minLength:"1" maxLength:"100"`
		Description string         `json:"description,omitempty" maxLength:"2000"`
		ExternalID  *string        `json:"external_id,omitempty" minLength:"1" maxLength:"255"`
		OwnerID     *uuid.UUID     `json:"owner_id,omitempty" doc:"A person of this tenant. Default: whoever creates it, if of this tenant; for a service account, its owner."`
		AllowedIPs  []string       `json:"allowed_ips,omitempty" doc:"Addresses and ranges from which it may call; none for any."`
		Attributes  httpapi.Object `json:"attributes,omitempty" doc:"A member allowed_ips means the one beside it."`
		Roles       []uuid.UUID    `json:"roles,omitempty" maxItems:"100" doc:"Ids of roles to assign."`
		Groups      []uuid.UUID    `json:"groups,omitempty" maxItems:"100" doc:"Ids of groups to join."`
	}
}

func (s *Service) create(ctx context.Context, in *CreateIn) (created httpapi.Created[Created], err error) {
	tenant, _ := identity.TenantFrom(ctx)
	b := &in.Body
	attributes, ips, fields := split(b.Attributes, b.AllowedIPs)
	if fields = slices.Concat(checkName(b.Name), s.checkExternalID(b.ExternalID), fields); len(fields) > 0 {
		return created, fault.Invalid(fields...)
	}
	err = s.write.Granting(ctx, "service_account.create", func(w *change.Write) (granting.Change, error) {
		key := crypto.NewAPIKey()
		m := &models.User{
			ID: uuid.Must(uuid.NewV7()), TenantID: tenant, Username: &b.Name, DisplayName: b.Name, Description: b.Description,
			ExternalID: b.ExternalID, IsServiceAccount: true, ServiceAccountKeyID: &key.ID, ServiceAccountKeyHash: key.Hash, IsActive: true,
			Attributes: models.Object(attributes), Preferences: models.Object(nil),
			AllowedIPs: append(models.Strings{}, ips...), AssertOverride: models.Strings{},
		}
		if err := unused(w.Tx, tenant, m.ID, b.Name); err != nil {
			return granting.Change{}, err
		}
		if m.OwnerID, err = ownerOf(ctx, w, b.OwnerID); err != nil {
			return granting.Change{}, err
		}
		if err := directory.HasRoom(w, tenant); err != nil {
			return granting.Change{}, err
		}
		if err := w.Create(m).Error; err != nil {
			return granting.Change{}, refusals.Refused(fmt.Errorf("create service account: %w", err))
		}
		handed, err := directory.Give(ctx, w, m.ID, b.Roles, b.Groups)
		if err != nil {
			return granting.Change{}, err
		}
		account, _, err := shown(w.Tx, tenant, m.ID)
		if err != nil {
			return granting.Change{}, err
		}
		created = httpapi.Created[Created]{Location: "/service-accounts/" + m.ID.String(), Data: Created{Account: *account, APIKey: key.Text}}
		return granting.Change{Accounts: []uuid.UUID{m.ID}, Handed: handed}, w.Record(event("create", m.ID, nil, account))
	})
	return created, err
}

// event is of an account's own views; nil is none.
func event(verb string, id uuid.UUID, before, after *Account) audit.Event {
	e := audit.Event{Action: "service_account." + verb, ResourceType: "service_account", ResourceID: id, Person: id}
	if before != nil {
		e.Before = before
	}
	if after != nil {
		e.After = after
	}
	return e
}

// ownerOf returns the owner of a new account: the person given, else whoever is
// behind the caller.
func ownerOf(ctx context.Context, w *change.Write, given *uuid.UUID) (*uuid.UUID, error) {
	tenant, _ := identity.TenantFrom(ctx)
	caller, _ := identity.PrincipalFrom(ctx)
	switch {
	case given != nil:
		return given, person(w.Tx, tenant, *given)
	case caller.HomeTenantID != tenant:
		return nil, nil //nolint:nilnil // an operator from elsewhere owns nothing here
	case !caller.IsServiceAccount:
		return &caller.UserID, nil
	}
	m, err := crud.One[models.User](w.Tx, tenant, caller.UserID, what)
	if err != nil {
		return nil, err
	}
	return m.OwnerID, nil
}

// UpdateIn changes the members given.
type UpdateIn struct {
	IDIn
	httpapi.IfMatchIn
	Body struct {
		Name        *string                     `json:"name,omitempty" minLength:"1" maxLength:"100"`
		Description httpapi.Opt[string]         `json:"description,omitempty" maxLength:"2000"`
		ExternalID  httpapi.Opt[string]         `json:"external_id,omitempty" minLength:"1" maxLength:"255"`
		OwnerID     httpapi.Opt[uuid.UUID]      `json:"owner_id,omitempty"`
		AllowedIPs  httpapi.Opt[[]string]       `json:"allowed_ips,omitempty" doc:"Replaces them all; null allows any."`
		Attributes  httpapi.Opt[httpapi.Object] `json:"attributes,omitempty" doc:"Replaces them all. A member allowed_ips means the one beside it."`
		IsActive    *bool                       `json:"is_active,omitempty" doc:"false ends every token at once."`
	}
}

// touches reports whether the change is of more than what the account is
// described as.
func (in *UpdateIn) touches() bool {
	b := &in.Body
	return b.Name != nil || b.ExternalID.Set || b.OwnerID.Set || b.AllowedIPs.Set || b.Attributes.Set || b.IsActive != nil
}

func (s *Service) update(ctx context.Context, in *UpdateIn) (out *Account, err error) {
	tenant, _ := identity.TenantFrom(ctx)
	err = s.write.Granting(ctx, "service_account.update", func(w *change.Write) (granting.Change, error) {
		m, err := locked(w.Tx, tenant, in.ID)
		if err != nil {
			return granting.Change{}, err
		}
		before, handed, err := shown(w.Tx, tenant, in.ID)
		if err != nil {
			return granting.Change{}, err
		}
		if err := in.Check(before.ETag()); err != nil {
			return granting.Change{}, err
		}
		if err := s.merge(w, in, m); err != nil {
			return granting.Change{}, err
		}
		if err := w.Save(m).Error; err != nil {
			return granting.Change{}, refusals.Refused(fmt.Errorf("update service account: %w", err))
		}
		if out, _, err = shown(w.Tx, tenant, in.ID); err != nil {
			return granting.Change{}, err
		}
		c := granting.Change{}
		if in.touches() {
			c.Accounts, c.Handed = []uuid.UUID{m.ID}, handed
		}
		return c, w.Record(event("update", m.ID, before, out))
	})
	return out, err
}

// merge applies the members given and checks what comes of it.
func (s *Service) merge(w *change.Write, in *UpdateIn, m *models.User) error {
	b := &in.Body
	var given []string
	if b.AllowedIPs.Set {
		given = append([]string{}, b.AllowedIPs.Value...)
	}
	attributes, ips, fields := split(b.Attributes.Value, given)
	b.ExternalID.ToPointer(&m.ExternalID)
	if b.ExternalID.Set {
		fields = append(fields, s.checkExternalID(m.ExternalID)...)
	}
	if b.Name != nil {
		fields = append(fields, checkName(*b.Name)...)
	}
	if len(fields) > 0 {
		return fault.Invalid(fields...)
	}
	if b.Name != nil {
		if err := unused(w.Tx, m.TenantID, m.ID, *b.Name); err != nil {
			return err
		}
		m.Username, m.DisplayName = b.Name, *b.Name
	}
	if b.OwnerID.Set {
		if m.OwnerID = b.OwnerID.Ptr(); m.OwnerID != nil {
			if err := person(w.Tx, m.TenantID, *m.OwnerID); err != nil {
				return err
			}
		}
	}
	b.Description.To(&m.Description)
	if b.Attributes.Set {
		m.Attributes = models.Object(attributes)
	}
	if ips != nil {
		m.AllowedIPs = models.Strings(ips)
	}
	if b.IsActive != nil && *b.IsActive != m.IsActive {
		if *b.IsActive {
			if err := directory.HasRoom(w, m.TenantID); err != nil {
				return err
			}
		}
		m.IsActive = *b.IsActive
		m.TokenEpoch++
	}
	return nil
}

// DeleteIn names the account to delete.
type DeleteIn struct {
	IDIn
	httpapi.IfMatchIn
}

func (s *Service) delete(ctx context.Context, in *DeleteIn) error {
	tenant, _ := identity.TenantFrom(ctx)
	return s.write.Granting(ctx, "service_account.delete", func(w *change.Write) (granting.Change, error) {
		m, err := locked(w.Tx, tenant, in.ID)
		if err != nil {
			return granting.Change{}, err
		}
		before, handed, err := shown(w.Tx, tenant, in.ID)
		if err != nil {
			return granting.Change{}, err
		}
		if err := in.Check(before.ETag()); err != nil {
			return granting.Change{}, err
		}
		if err := w.Delete(m).Error; err != nil {
			return granting.Change{}, fmt.Errorf("delete service account: %w", err)
		}
		return granting.Change{Accounts: []uuid.UUID{m.ID}, Handed: handed, Removal: true}, w.Record(event("delete", m.ID, before, nil))
	})
}
