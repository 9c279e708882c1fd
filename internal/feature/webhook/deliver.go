package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/entitlement"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/jobs"
	"github.com/sentinel-access/sentinel/internal/platform/outbound"
	"github.com/sentinel-access/sentinel/models"
)

const (
	// giveUpAfter is how long a webhook may fail before it is switched off.
	giveUpAfter = 3 * 24 * time.Hour
	// mostOfOne is how many deliveries of one tenant a process makes at once, so
	// that its slow receivers leave workers to others, and busyWait how long one
	// more waits.
	mostOfOne = Workers / 2
	busyWait  = 5 * time.Second
	// noteTimeout bounds noting what came of an attempt.
	noteTimeout = 10 * time.Second
	// maxDrained is how much of an answer is read before it is thrown away.
	maxDrained = 4 << 10
)

// errNotDelivered is what the queue is told: why is for the tenant.
var errNotDelivered = errors.New("the delivery failed")

// Job makes one delivery.
type Job struct {
	Tenant   uuid.UUID `json:"tenant_id"`
	Delivery uuid.UUID `json:"delivery_id"`
}

// Kind implements [jobs.Args].
func (Job) Kind() string { return "webhook_delivery" }

// TenantID implements [jobs.Args].
func (j Job) TenantID() uuid.UUID { return j.Tenant }

// deliver makes one attempt: at least one gets through if any does, since a
// process may die between the answer and the note of it.
func (s *Service) deliver(ctx context.Context, job Job) error {
	if !s.enter(job.Tenant) {
		return jobs.After(busyWait)
	}
	defer s.leave(job.Tenant)
	d, m, err := s.due(ctx, job)
	if err != nil || d == nil {
		return err
	}
	status, problem := s.post(ctx, d, m)
	if problem != "" && errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("the process ends: %w", ctx.Err())
	}
	noting, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTimeout)
	defer cancel()
	if err := s.note(noting, d, status, problem); err != nil || problem == "" {
		return err
	}
	if m.FailingSince != nil && s.write.Engine.Now().Sub(*m.FailingSince) >= giveUpAfter {
		if err := s.switchOff(noting, m); err != nil {
			return err
		}
	}
	return errNotDelivered
}

func (s *Service) enter(tenant uuid.UUID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[tenant] >= mostOfOne {
		return false
	}
	s.busy[tenant]++
	return true
}

func (s *Service) leave(tenant uuid.UUID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[tenant]--; s.busy[tenant] == 0 {
		delete(s.busy, tenant)
	}
}

// due returns a delivery that is to be made, and its webhook. nil is for what is
// made already, or to nobody any more.
func (s *Service) due(ctx context.Context, job Job) (*models.WebhookDelivery, *models.Webhook, error) {
	d, m, err := s.find(ctx, job)
	if err != nil || d == nil {
		return nil, nil, err
	}
	if !m.IsActive {
		return nil, nil, s.drop(ctx, d, "The webhook was switched off.")
	}
	has, err := s.write.Engine.HasFeature(ctx, job.Tenant, entitlement.Webhooks)
	if err != nil {
		return nil, nil, err
	}
	if !has {
		return nil, nil, s.drop(ctx, d, "The tenant does not have the feature webhooks.")
	}
	return d, m, nil
}

// find returns a delivery that waits, and its webhook, nil if there is none.
func (s *Service) find(ctx context.Context, job Job) (*models.WebhookDelivery, *models.Webhook, error) {
	var d models.WebhookDelivery
	var m models.Webhook
	err := s.write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		d, m = models.WebhookDelivery{}, models.Webhook{}
		err := tx.Where("tenant_id = ? AND id = ? AND status = ?", job.Tenant, job.Delivery, pending).Take(&d).Error
		if err != nil {
			return err
		}
		return tx.Where("tenant_id = ? AND id = ?", job.Tenant, d.WebhookID).Take(&m).Error
	})
	switch {
	case errors.Is(err, gorm.ErrRecordNotFound):
		return nil, nil, nil
	case err != nil:
		return nil, nil, fmt.Errorf("find delivery: %w", err)
	default:
		return &d, &m, nil
	}
}

func (s *Service) drop(ctx context.Context, d *models.WebhookDelivery, why string) error {
	return s.write.DB.InTx(ctx, func(tx *db.Tx) error {
		err := tx.Model(&models.WebhookDelivery{}).Where("tenant_id = ? AND id = ? AND status = ?", d.TenantID, d.ID, pending).
			Updates(map[string]any{"status": dropped, "error": why, "next_attempt_at": nil}).Error
		if err != nil {
			return fmt.Errorf("drop delivery: %w", err)
		}
		return nil
	})
}

// post sends the event, outside of any transaction. status is zero where nobody
// answered; problem says why it is no delivery, empty if it is one. Of the answer
// nothing but its status is kept: it may be anything.
func (s *Service) post(ctx context.Context, d *models.WebhookDelivery, m *models.Webhook) (status int, problem string) {
	secret, err := s.cfg.Master.Open(m.Secret, place(m.ID))
	if err != nil {
		s.write.Logger.WarnContext(ctx, "open the secret of a webhook", "error", err, "tenant_id", m.TenantID, "webhook_id", m.ID)
		return 0, "The secret cannot be read. Give the webhook a new one."
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, m.URL, bytes.NewReader(d.Payload))
	if err != nil {
		return 0, "The URL cannot be read."
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "User-Agent": "Sentinel-Webhook", "X-Sentinel-Event": d.Event, "X-Sentinel-Delivery": d.ID.String(),
		"X-Sentinel-Signature": Signature(string(secret), d.Payload, s.write.Engine.Now()),
	} {
		r.Header.Set(name, value)
	}
	answer, err := s.cfg.Client.Do(r)
	if err != nil {
		return 0, outbound.Explain(err)
	}
	defer func() { _ = answer.Body.Close() }()
	_, _ = io.CopyN(io.Discard, answer.Body, maxDrained)
	switch status = answer.StatusCode; {
	case status >= 200 && status < 300:
		return status, ""
	case status >= 300 && status < 400:
		return status, fmt.Sprintf("The answer was %d: redirects are not followed.", status)
	default:
		return status, fmt.Sprintf("The answer was %d.", status)
	}
}

// Signature is the header X-Sentinel-Signature of a body that is sent now:
// HMAC-SHA-256 of "<t>.<body>" with the secret as it was shown, in hexadecimal.
func Signature(secret string, body []byte, now time.Time) string {
	t := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(t + "."))
	mac.Write(body)
	return "t=" + t + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}

// note keeps what came of an attempt. What another process noted first stays.
func (s *Service) note(ctx context.Context, d *models.WebhookDelivery, status int, problem string) error {
	now := s.write.Engine.Now()
	values := map[string]any{
		"status": delivered, "attempts": gorm.Expr("attempts + 1"), "response_status": nil, "error": problem, "next_attempt_at": nil, "delivered_at": now,
	}
	if status != 0 {
		values["response_status"] = status
	}
	failing := tried{"NULL", "failing_since IS NOT NULL"}
	if problem != "" {
		failing = tried{"now()", "failing_since IS NULL"}
		values["delivered_at"], values["status"] = nil, failed
		if !jobs.IsLastAttempt(ctx) {
			values["status"] = pending
		}
		if wait, known := jobs.RetryWait(ctx); known {
			values["next_attempt_at"] = now.Add(wait)
		}
	}
	return s.write.DB.InTx(ctx, func(tx *db.Tx) error {
		done := tx.Model(&models.WebhookDelivery{}).Where("tenant_id = ? AND id = ? AND status = ?", d.TenantID, d.ID, pending).Updates(values)
		if done.Error != nil {
			return fmt.Errorf("note an attempt: %w", done.Error)
		}
		// Only at a turn, so that the webhook's ETag does not change with each.
		err := tx.Exec(`
UPDATE sentinel.webhooks
SET failing_since = `+failing.since+`
WHERE tenant_id = ?
AND id = ?
AND `+failing.until, d.TenantID, d.WebhookID).Error
		if err != nil {
			return fmt.Errorf("note how the webhook fares: %w", err)
		}
		return nil
	})
}

// tried is SQL for what an attempt means for its webhook.
type tried struct{ since, until string }

// switchOff ends a webhook that has failed for too long, unless somebody mended
// it meanwhile.
func (s *Service) switchOff(ctx context.Context, m *models.Webhook) error {
	ctx = identity.WithTenant(ctx, m.TenantID)
	return s.write.Plain(ctx, func(w *change.Write) error {
		m, err := crud.Locked[models.Webhook](w.Tx, m.TenantID, m.ID, what)
		if err != nil {
			return err
		}
		if !m.IsActive || m.FailingSince == nil || w.Now.Sub(*m.FailingSince) < giveUpAfter {
			return nil
		}
		before := view(m)
		m.IsActive = false
		after, err := saved(w, m)
		if err != nil {
			return err
		}
		e := event("webhook.switch_off", before, after)
		e.Detail = map[string]any{"reason": "every delivery failed", "failing_since": m.FailingSince}
		return w.Record(e)
	})
}
