// Package webhook owns the section "webhooks": programs of a tenant's that are
// told what happens in it. What happened is what the audit log records; the
// package knows nothing of the sections that make it happen.
package webhook

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/internal/platform/jobs"
	"github.com/sentinel-access/sentinel/internal/platform/outbound"
	"github.com/sentinel-access/sentinel/models"
)

const (
	section = "webhooks"
	// what a webhook is called in faults.
	what = "webhook"
	// most is how many a tenant may have.
	most = 20
	// Lane is the queue of deliveries: they wait for others' servers, for which
	// nothing else is to wait.
	Lane = "webhooks"
	// Workers is how many deliveries a process makes at once.
	Workers = 8
)

// Config is what a [Service] is made of.
type Config struct {
	Write *change.Writer
	// Queue has the lane [Lane].
	Queue  *jobs.Queue
	Master *crypto.MasterKey
	// Guard judges URLs, as does Client the addresses behind them.
	Guard  outbound.Guard
	Client *http.Client
	// Retries are the waits before a delivery that failed is tried again. Default:
	// seven, within a day.
	Retries []time.Duration
}

// Service answers the section's calls, and does its jobs.
type Service struct {
	cfg   Config
	write *change.Writer

	mu sync.Mutex
	// busy counts the deliveries under way for each tenant.
	busy map[uuid.UUID]int
}

// New makes the section and tells the queue how its jobs are done.
func New(cfg Config) *Service {
	if len(cfg.Retries) == 0 {
		cfg.Retries = []time.Duration{
			time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
		}
	}
	s := &Service{cfg: cfg, write: cfg.Write, busy: map[uuid.UUID]int{}}
	jobs.HandleAs(cfg.Queue, jobs.Plan{Lane: Lane, Retries: cfg.Retries}, s.deliver)
	return s
}

// Register adds the section's routes.
func (s *Service) Register(api *httpapi.Server) {
	sec := api.Section("Webhooks", "Programs that are told what happens in the tenant, by signed calls.")
	const one, deliveries = "/webhooks/{id}", "/webhooks/{id}/deliveries"
	once := []string{"secret"}
	httpapi.List(sec, httpapi.Route{Path: "/webhooks", Summary: "List webhooks", Access: httpapi.Requires(section, "read")}, s.list)
	httpapi.Create(sec, httpapi.Route{
		Path: "/webhooks", Summary: "Create a webhook", Access: httpapi.Requires(section, "create"), ShownOnce: once, Errors: []int{409},
		Description: "At most 20 in a tenant. The secret that signs what is sent is shown this once.",
	}, s.create)
	httpapi.Get(sec, httpapi.Route{Path: one, Summary: "Read a webhook", Access: httpapi.Requires(section, "read")}, s.read)
	httpapi.Update(sec, httpapi.Route{
		Path: one, Summary: "Change a webhook", Access: httpapi.Requires(section, "update"), Errors: []int{409},
		Description: "Deliveries that wait go to the new URL. What waits for a webhook that is switched off is dropped.",
	}, s.update)
	httpapi.Delete(sec, httpapi.Route{
		Path: one, Summary: "Delete a webhook", Access: httpapi.Requires(section, "delete"), Description: "Its deliveries go with it, those that wait too.",
	}, s.delete)
	httpapi.Call(sec, httpapi.Route{
		Path: one + "/rotate-secret", Summary: "Give a webhook a new secret", Access: httpapi.Requires(section, "update"), ShownOnce: once,
		Description: "Everything sent from now on is signed with it, also what waits.",
	}, s.rotate)
	httpapi.Call(sec, httpapi.Route{
		Path: one + "/test", Summary: "Send a test event", Access: httpapi.Requires(section, "update"), Errors: []int{409}, Status: http.StatusAccepted,
		Description: "The event webhook.test, whatever the webhook asks for. It is sent behind the answer: what came of it is among the deliveries.",
	}, s.test)
	httpapi.List(sec, httpapi.Route{
		Path: deliveries, Summary: "List the deliveries of a webhook", Access: httpapi.Requires(section, "read"), Description: "Kept for 30 days.",
	}, s.deliveries)
	httpapi.Call(sec, httpapi.Route{
		Path: deliveries + "/{delivery_id}/redeliver", Summary: "Deliver an event again", Access: httpapi.Requires(section, "update"), Errors: []int{409}, Status: http.StatusAccepted,
		Description: "As a new delivery of the same event, whose id in the body stays the same.",
	}, s.redeliver)
}

// Webhook is a webhook as the API shows it.
type Webhook struct {
	ID           uuid.UUID  `json:"id"`
	TenantID     uuid.UUID  `json:"tenant_id"`
	Name         string     `json:"name" doc:"Unique in the tenant."`
	URL          string     `json:"url"`
	Events       []string   `json:"events"`
	IsActive     bool       `json:"is_active"`
	FailingSince *time.Time `json:"failing_since" nullable:"true" doc:"When the first of the deliveries failed since which none got through. After three days the webhook is switched off."`
	CreatedBy    *uuid.UUID `json:"created_by" nullable:"true"`
	CreatedAt    time.Time  `json:"created_at"`
	UpdatedAt    time.Time  `json:"updated_at"`
}

// ETag changes with every write to the webhook.
func (w *Webhook) ETag() string { return httpapi.ETag(w.ID, w.UpdatedAt.UnixNano()) }

func view(m *models.Webhook) *Webhook {
	return &Webhook{
		ID: m.ID, TenantID: m.TenantID, Name: m.Name, URL: m.URL, Events: append([]string{}, m.Events...), IsActive: m.IsActive,
		FailingSince: m.FailingSince, CreatedBy: m.CreatedBy, CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt,
	}
}

// ListIn is the query of the list.
type ListIn struct {
	httpapi.PageIn
	httpapi.OrderIn
	Sort     string            `query:"sort" enum:"name,created_at" default:"created_at"`
	IsActive httpapi.Opt[bool] `query:"is_active"`
}

func (s *Service) list(ctx context.Context, in *ListIn) (page httpapi.Page[Webhook], err error) {
	tenant, _ := identity.TenantFrom(ctx)
	err = s.write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		q := tx.Where("tenant_id = ?", tenant)
		if in.IsActive.Set {
			q = q.Where("is_active = ?", in.IsActive.Value)
		}
		page, err = crud.List(q, in.PageIn, crud.Order{Column: in.Sort, Descending: in.Descending()}, view)
		return err
	})
	return page, err
}

// IDIn names one webhook.
type IDIn struct {
	ID uuid.UUID `path:"id" doc:"The webhook's id."`
}

func (s *Service) read(ctx context.Context, in *IDIn) (*Webhook, error) {
	return crud.Read(ctx, s.write.DB, in.ID, what, view)
}
