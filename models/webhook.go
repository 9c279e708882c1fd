package models

import (
	"time"

	"github.com/google/uuid"
)

// Webhook is told of events.
type Webhook struct {
	ID       uuid.UUID `gorm:"primaryKey;type:uuid;default:sentinel.uuid_v7()"`
	TenantID uuid.UUID
	Name     string
	URL      string
	Events   Strings `gorm:"type:text[];default:'{}'"`
	// Secret is encrypted with the master key.
	Secret   []byte `json:"-"`
	IsActive bool
	// FailingSince is when the first delivery failed since which none got through.
	FailingSince    *time.Time
	CreatedBy       *uuid.UUID
	CreatedByTenant *uuid.UUID
	CreatedAt       time.Time `gorm:"->;default:now()"`
	UpdatedAt       time.Time `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (Webhook) TableName() string { return "sentinel.webhooks" }

// WebhookDelivery is one event on its way to a webhook.
type WebhookDelivery struct {
	ID             uuid.UUID `gorm:"primaryKey;type:uuid;default:sentinel.uuid_v7()"`
	TenantID       uuid.UUID
	WebhookID      uuid.UUID
	Event          string
	Payload        JSON   `gorm:"type:jsonb"`
	Status         string `gorm:"default:pending"`
	Attempts       int
	ResponseStatus *int
	Error          string
	NextAttemptAt  *time.Time
	DeliveredAt    *time.Time
	CreatedAt      time.Time `gorm:"->;default:now()"`
	UpdatedAt      time.Time `gorm:"->;default:now()"`
}

// TableName implements GORM's Tabler.
func (WebhookDelivery) TableName() string { return "sentinel.webhook_deliveries" }
