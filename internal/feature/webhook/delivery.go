package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// The states of a delivery.
const (
	pending   = "pending"
	delivered = "delivered"
	failed    = "failed"
	dropped   = "dropped"
)

// Delivery is one event on its way to one webhook, as the API shows it.
type Delivery struct {
	ID             uuid.UUID  `json:"id" doc:"What the header X-Sentinel-Delivery says."`
	WebhookID      uuid.UUID  `json:"webhook_id"`
	EventID        uuid.UUID  `json:"event_id" doc:"The id in the body: that of the record in the audit log."`
	Event          string     `json:"event"`
	Status         string     `json:"status" enum:"pending,delivered,failed,dropped" doc:"dropped: the webhook was switched off before it got through."`
	Attempts       int        `json:"attempts"`
	ResponseStatus *int       `json:"response_status" nullable:"true" doc:"Of the last attempt, if it was answered."`
	Error          string     `json:"error" doc:"Why the last attempt failed."`
	NextAttemptAt  *time.Time `json:"next_attempt_at" nullable:"true"`
	DeliveredAt    *time.Time `json:"delivered_at" nullable:"true"`
	CreatedAt      time.Time  `json:"created_at"`
	UpdatedAt      time.Time  `json:"updated_at"`
}

func viewDelivery(m *models.WebhookDelivery) *Delivery {
	var body struct {
		ID uuid.UUID `json:"id"`
	}
	_ = json.Unmarshal(m.Payload, &body) // of a payload that is none the id is zero
	return &Delivery{
		ID: m.ID, WebhookID: m.WebhookID, EventID: body.ID, Event: m.Event, Status: m.Status, Attempts: m.Attempts, ResponseStatus: m.ResponseStatus,
		Error: m.Error, NextAttemptAt: m.NextAttemptAt, DeliveredAt: m.DeliveredAt, CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt,
	}
}

// DeliveriesIn is the query of the list of deliveries.
type DeliveriesIn struct {
	IDIn
	httpapi.PageIn
	Order  string `query:"order" default:"desc" enum:"asc,desc" doc:"By when they were made."`
	Status string `query:"status" enum:"pending,delivered,failed,dropped"`
	Event  string `query:"event" maxLength:"100" doc:"The name of an event."`
}

func (s *Service) deliveries(ctx context.Context, in *DeliveriesIn) (page httpapi.Page[Delivery], err error) {
	tenant, _ := identity.TenantFrom(ctx)
	err = s.write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		if _, err := crud.One[models.Webhook](tx, tenant, in.ID, what); err != nil {
			return err
		}
		q := tx.Where("tenant_id = ? AND webhook_id = ?", tenant, in.ID)
		if in.Status != "" {
			q = q.Where("status = ?", in.Status)
		}
		if in.Event != "" {
			q = q.Where("event = ?", in.Event)
		}
		page, err = crud.List(q, in.PageIn, crud.Order{Descending: in.Order == "desc"}, viewDelivery)
		return err
	})
	return page, err
}

// test sends an event that nothing but this call is behind.
func (s *Service) test(ctx context.Context, in *IDIn) (out *Delivery, err error) {
	err = s.write.Plain(ctx, func(w *change.Write) error {
		m, err := active(ctx, w, in.ID)
		if err != nil {
			return err
		}
		body, err := json.Marshal(s.testPayload(ctx, m))
		if err != nil {
			return fmt.Errorf("encode event: %w", err)
		}
		out, err = s.send(ctx, w, m, testEvent, body, testEvent)
		return err
	})
	return out, err
}

func (s *Service) testPayload(ctx context.Context, m *models.Webhook) *Payload {
	p := &Payload{
		ID: uuid.Must(uuid.NewV7()), Event: testEvent, CreatedAt: s.write.Engine.Now().UTC().Truncate(time.Microsecond), TenantID: m.TenantID,
		Data: Data{
			Action: testEvent, Actor: Actor{Type: "user"}, Resource: Resource{Type: what, ID: m.ID.String()}, Result: audit.Success,
			RequestID: identity.RequestFrom(ctx).ID,
		},
	}
	if caller, ok := identity.PrincipalFrom(ctx); ok {
		p.Data.Actor.ID = &caller.UserID
		if caller.IsServiceAccount {
			p.Data.Actor.Type = "service_account"
		}
	}
	return p
}

// RedeliverIn names a delivery.
type RedeliverIn struct {
	IDIn
	DeliveryID uuid.UUID `path:"delivery_id" doc:"The delivery's id."`
}

func (s *Service) redeliver(ctx context.Context, in *RedeliverIn) (out *Delivery, err error) {
	tenant, _ := identity.TenantFrom(ctx)
	err = s.write.Plain(ctx, func(w *change.Write) error {
		d, err := crud.One[models.WebhookDelivery](w.Tx, tenant, in.DeliveryID, "delivery")
		switch {
		case err != nil:
			return err
		case d.WebhookID != in.ID:
			return fault.NotFound("delivery")
		case d.Status == pending:
			return fault.Conflict("", "This delivery still waits for its next attempt. Deliver it again once it has failed or got through.")
		}
		m, err := active(ctx, w, in.ID)
		if err != nil {
			return err
		}
		out, err = s.send(ctx, w, m, d.Event, d.Payload, redeliverEvent)
		return err
	})
	return out, err
}

// active is the webhook, refused while it is switched off: what is sent to it
// would be dropped.
func active(ctx context.Context, w *change.Write, id uuid.UUID) (*models.Webhook, error) {
	tenant, _ := identity.TenantFrom(ctx)
	m, err := crud.One[models.Webhook](w.Tx, tenant, id, what)
	if err == nil && !m.IsActive {
		err = fault.Conflict("", "The webhook is switched off. Set is_active first.")
	}
	return m, err
}

// send writes one delivery to one webhook, and the event that somebody wanted it.
func (s *Service) send(ctx context.Context, w *change.Write, m *models.Webhook, name string, body []byte, action string) (*Delivery, error) {
	d := models.WebhookDelivery{ID: uuid.Must(uuid.NewV7()), TenantID: m.TenantID, WebhookID: m.ID, Event: name, Payload: models.JSON(body)}
	if err := s.enqueue(ctx, w.Tx, []models.WebhookDelivery{d}); err != nil {
		return nil, err
	}
	stored, err := crud.One[models.WebhookDelivery](w.Tx, m.TenantID, d.ID, "delivery")
	if err != nil {
		return nil, err
	}
	return viewDelivery(stored), w.Record(audit.Event{
		Action: action, ResourceType: what, ResourceID: m.ID, Detail: map[string]any{"delivery_id": d.ID},
	})
}
