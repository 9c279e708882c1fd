package webhook

import (
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
)

const (
	// maxEvent is the longest name of an event.
	maxEvent = 100
	// testEvent is what a test sends. Neither it nor a repeated delivery is an
	// event for other webhooks: a receiver that answers events by deliveries would
	// never come to an end.
	testEvent      = "webhook.test"
	redeliverEvent = "webhook.redeliver"
)

// subscription is what a webhook can ask for.
var subscription = regexp.MustCompile(`^(\*|[a-z][a-z0-9_]*\.(\*|[a-z][a-z0-9_]*))$`)

// wants reports whether one who asks for these events is told of this one.
func wants(events []string, name string) bool {
	section, _, _ := strings.Cut(name, ".")
	for _, e := range events {
		if e == "*" || e == name || e == section+".*" {
			return true
		}
	}
	return false
}

// Payload is what a receiver is sent. It holds ids, so that whoever gets it
// without a right to it learns next to nothing, and nothing in it has to be
// forgotten with a person.
type Payload struct {
	// ID is the event's, that of the record in the audit log: the same for every
	// webhook and every attempt.
	ID        uuid.UUID `json:"id"`
	Event     string    `json:"event"`
	CreatedAt time.Time `json:"created_at"`
	TenantID  uuid.UUID `json:"tenant_id"`
	Data      Data      `json:"data"`
}

// Data is the part of a payload that says what happened.
type Data struct {
	// Action is as the audit log has it.
	Action    string       `json:"action"`
	Actor     Actor        `json:"actor"`
	Resource  Resource     `json:"resource"`
	Result    audit.Result `json:"result"`
	RequestID string       `json:"request_id"`
}

// Actor is who made it happen. The server itself has no id.
type Actor struct {
	ID   *uuid.UUID `json:"id"`
	Type string     `json:"type"`
}

// Resource is what it happened to. ID is empty where there is none.
type Resource struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

func payload(r *audit.Row, name string) *Payload {
	return &Payload{
		ID: r.ID, Event: name, CreatedAt: r.CreatedAt, TenantID: r.TenantID,
		Data: Data{
			Action: r.Action, Actor: Actor{ID: r.ActorID, Type: r.ActorType}, Resource: Resource{Type: r.ResourceType, ID: r.ResourceID},
			Result: r.Result, RequestID: r.RequestID,
		},
	}
}

// nameOf names the event that a record is: what was done by its past,
// "user.created", what was not by its result, "audit.denied". Nobody who asks for
// user.* takes a refused attempt for a deed.
func nameOf(r *audit.Row) string {
	switch r.Result {
	case audit.Success:
	case audit.Failure:
		return "audit.failed"
	default:
		return "audit.denied"
	}
	section, verb, _ := strings.Cut(r.Action, ".")
	name := section + "." + past(verb)
	if other, ok := renamed[name]; ok {
		name = other
	}
	return name[:min(len(name), maxEvent)]
}

// renamed are events that have a better name than their action gives.
var renamed = map[string]string{"access_request.created": "access_request.opened"}

// irregular are words of actions whose past is not made by the rule, and nouns,
// which have none.
var irregular = map[string]string{
	"auto_approve": "auto_approved", "cancel": "cancelled", "enrol": "enrolled", "forgot": "forgot", "login": "login", "plan": "planned",
	"put": "put", "reset": "reset", "rollback": "rolled_back", "send": "sent", "set": "set", "submit": "submitted", "switch_off": "switched_off",
	"terminology": "terminology", "token": "token",
}

// past is the past of a verb in an action, "assign_role": "assigned_role".
func past(verb string) string {
	if p, ok := irregular[verb]; ok {
		return p
	}
	word, rest, more := strings.Cut(verb, "_")
	p, ok := irregular[word]
	switch {
	case ok:
	case strings.HasSuffix(word, "ed"), word == "":
		p = word
	case strings.HasSuffix(word, "e"):
		p = word + "d"
	case strings.HasSuffix(word, "y") && len(word) > 1 && !strings.ContainsRune("aeiou", rune(word[len(word)-2])):
		p = word[:len(word)-1] + "ied"
	default:
		p = word + "ed"
	}
	if more {
		p += "_" + rest
	}
	return p
}
