package webhook

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// secretPrefix begins every secret.
const secretPrefix = "snw_"

// Created is a new webhook with its secret.
type Created struct {
	Webhook
	Secret string `json:"secret" doc:"Shown this once."`
}

// CreateIn is a new webhook.
type CreateIn struct {
	Body struct {
		Name     string   `json:"name" minLength:"1" maxLength:"255"`
		URL      string   `json:"url" minLength:"1" maxLength:"2000" doc:"https, on port 443 or one from 1024 on, of a host that all can reach. Redirects are not followed."`
		Events   []string `json:"events" minItems:"1" maxItems:"50" doc:"Names of events such as user.created, all of a section as user.*, or * for everything."`
		IsActive *bool    `json:"is_active,omitempty" doc:"Default true."`
	}
}

var refusals = crud.Refusals{"webhooks_name_key": {Path: "name", Message: "A webhook with this name exists already in this tenant."}}

func (s *Service) create(ctx context.Context, in *CreateIn) (created httpapi.Created[Created], err error) {
	tenant, _ := identity.TenantFrom(ctx)
	caller, _ := identity.PrincipalFrom(ctx)
	b := &in.Body
	m := &models.Webhook{
		ID: uuid.Must(uuid.NewV7()), TenantID: tenant, Name: b.Name, URL: b.URL, Events: distinct(b.Events), IsActive: b.IsActive == nil || *b.IsActive,
		CreatedBy: &caller.UserID, CreatedByTenant: &caller.HomeTenantID,
	}
	if fields := s.check(m, b.Events); fields != nil {
		return created, fault.Invalid(fields...)
	}
	secret := s.newSecret(m)
	err = s.write.Plain(ctx, func(w *change.Write) error {
		if err := hasRoom(w, tenant); err != nil {
			return err
		}
		if err := w.Create(m).Error; err != nil {
			return refusals.Refused(fmt.Errorf("create webhook: %w", err))
		}
		m, err := crud.One[models.Webhook](w.Tx, tenant, m.ID, what)
		if err != nil {
			return err
		}
		created = httpapi.Created[Created]{Location: "/webhooks/" + m.ID.String(), Data: Created{Webhook: *view(m), Secret: secret}}
		return w.Record(event("webhook.create", nil, &created.Data.Webhook))
	})
	return created, err
}

// hasRoom refuses one more where there are enough. Whoever else makes one waits.
func hasRoom(w *change.Write, tenant uuid.UUID) error {
	if err := w.Exec("SELECT pg_advisory_xact_lock(hashtextextended('sentinel.webhooks/' || CAST(? AS text), 0))", tenant).Error; err != nil {
		return fmt.Errorf("lock the list of webhooks: %w", err)
	}
	var n int64
	if err := w.Model(&models.Webhook{}).Where("tenant_id = ?", tenant).Count(&n).Error; err != nil {
		return fmt.Errorf("count webhooks: %w", err)
	}
	if n >= most {
		return fault.Conflict("", "The tenant has %d webhooks, as many as there may be. Delete one, or have one serve for more events.", n)
	}
	return nil
}

// newSecret gives m a secret and returns it.
func (s *Service) newSecret(m *models.Webhook) string {
	secret := crypto.NewSecret(secretPrefix)
	m.Secret = s.cfg.Master.Seal([]byte(secret), place(m.ID))
	return secret
}

// place binds a sealed secret to its row.
func place(id uuid.UUID) string { return "webhooks/" + id.String() + "/secret" }

// check returns all that is wrong with a webhook; events are as they were given.
func (s *Service) check(m *models.Webhook, events []string) (fields []fault.Field) {
	if strings.TrimSpace(m.Name) != m.Name || strings.ContainsFunc(m.Name, func(r rune) bool { return !unicode.IsGraphic(r) }) {
		fields = append(fields, fault.Field{Path: "name", Message: "must have no hidden characters and no space at either end"})
	}
	if _, err := s.cfg.Guard.Target(m.URL); err != nil {
		fields = append(fields, fault.Field{Path: "url", Message: err.Error()})
	}
	for i, e := range events {
		if !subscription.MatchString(e) || len(e) > maxEvent {
			fields = append(fields, fault.Field{Path: fmt.Sprintf("events[%d]", i), Message: "must be the name of an event such as user.created, all of a section as user.*, or *"})
		}
	}
	return fields
}

func distinct(events []string) models.Strings {
	out := models.Strings{}
	for _, e := range events {
		if !slices.Contains(out, e) {
			out = append(out, e)
		}
	}
	return out
}

// event is of a webhook's own views; nil is none. Of the URL it keeps where it
// leads: with many receivers the rest of it is a secret.
func event(action string, before, after *Webhook) audit.Event {
	e := audit.Event{Action: action, ResourceType: "webhook"}
	if before != nil {
		e.ResourceID, e.Before = before.ID, before.origin()
	}
	if after != nil {
		e.ResourceID, e.After = after.ID, after.origin()
	}
	return e
}

// origin is the webhook without the path and the query of its URL.
func (w Webhook) origin() *Webhook {
	if u, err := url.Parse(w.URL); err == nil {
		w.URL = u.Scheme + "://" + u.Host
	}
	return &w
}

// UpdateIn changes the members given.
type UpdateIn struct {
	IDIn
	httpapi.IfMatchIn
	Body struct {
		Name     *string   `json:"name,omitempty" minLength:"1" maxLength:"255"`
		URL      *string   `json:"url,omitempty" minLength:"1" maxLength:"2000"`
		Events   *[]string `json:"events,omitempty" minItems:"1" maxItems:"50" doc:"Replaces them all."`
		IsActive *bool     `json:"is_active,omitempty"`
	}
}

func (s *Service) update(ctx context.Context, in *UpdateIn) (out *Webhook, err error) {
	tenant, _ := identity.TenantFrom(ctx)
	err = s.write.Plain(ctx, func(w *change.Write) error {
		m, err := crud.Locked[models.Webhook](w.Tx, tenant, in.ID, what)
		if err != nil {
			return err
		}
		before := view(m)
		if err := in.Check(before.ETag()); err != nil {
			return err
		}
		if fields := s.merge(in, m); fields != nil {
			return fault.Invalid(fields...)
		}
		out, err = saved(w, m)
		if err != nil {
			return err
		}
		return w.Record(event("webhook.update", before, out))
	})
	return out, err
}

// merge applies the members given and returns what is wrong with what comes of
// it. A webhook that is led elsewhere, or switched on, fails no more.
func (s *Service) merge(in *UpdateIn, m *models.Webhook) []fault.Field {
	b := &in.Body
	if b.URL != nil && *b.URL != m.URL || b.IsActive != nil && *b.IsActive && !m.IsActive {
		m.FailingSince = nil
	}
	httpapi.Set(&m.Name, b.Name)
	httpapi.Set(&m.URL, b.URL)
	httpapi.Set(&m.IsActive, b.IsActive)
	if b.Events != nil {
		m.Events = distinct(*b.Events)
		return s.check(m, *b.Events)
	}
	return s.check(m, nil)
}

// saved writes the row and returns it as it is stored.
func saved(w *change.Write, m *models.Webhook) (*Webhook, error) {
	if err := w.Save(m).Error; err != nil {
		return nil, refusals.Refused(fmt.Errorf("update webhook: %w", err))
	}
	m, err := crud.One[models.Webhook](w.Tx, m.TenantID, m.ID, what)
	if err != nil {
		return nil, err
	}
	return view(m), nil
}

// Secret is the new secret of a webhook.
type Secret struct {
	ID     uuid.UUID `json:"id" doc:"The webhook's id."`
	Secret string    `json:"secret" doc:"Shown this once."`
}

func (s *Service) rotate(ctx context.Context, in *IDIn) (out *Secret, err error) {
	tenant, _ := identity.TenantFrom(ctx)
	err = s.write.Plain(ctx, func(w *change.Write) error {
		m, err := crud.Locked[models.Webhook](w.Tx, tenant, in.ID, what)
		if err != nil {
			return err
		}
		before := view(m)
		out = &Secret{ID: m.ID, Secret: s.newSecret(m)}
		after, err := saved(w, m)
		if err != nil {
			return err
		}
		return w.Record(event("webhook.rotate_secret", before, after))
	})
	return out, err
}

// DeleteIn names the webhook to delete.
type DeleteIn struct {
	IDIn
	httpapi.IfMatchIn
}

func (s *Service) delete(ctx context.Context, in *DeleteIn) error {
	tenant, _ := identity.TenantFrom(ctx)
	return s.write.Plain(ctx, func(w *change.Write) error {
		m, err := crud.Locked[models.Webhook](w.Tx, tenant, in.ID, what)
		if err != nil {
			return err
		}
		before := view(m)
		if err := in.Check(before.ETag()); err != nil {
			return err
		}
		if err := w.Delete(m).Error; err != nil {
			return fmt.Errorf("delete webhook: %w", err)
		}
		return w.Record(event("webhook.delete", before, nil))
	})
}
