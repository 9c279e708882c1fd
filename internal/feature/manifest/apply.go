package manifest

import (
	"context"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
)

// applier makes what was planned, within a granting write.
type applier struct {
	*change.Write
	ctx     context.Context //nolint:containedctx // an applier lives inside one call
	tenant  uuid.UUID
	current *state
	outcome *outcome
	digest  string
	// parents are what there will be, by kind and name.
	parents map[string]map[string]*object
	// named are what there was and what there will be, by kind and name.
	named map[string][2]map[string]*object
	// roles are those that there will be, and those of other tenants.
	roles *index
}

// apply writes all steps and returns what they are together, for the judge: as
// things were, read before the first write, and as they are after the last.
func (a *applier) apply() (granting.Change, error) {
	if len(a.outcome.steps) == 0 {
		return granting.Change{}, nil
	}
	if err := a.reserved(); err != nil {
		return granting.Change{}, err
	}
	was, err := a.before()
	if err != nil {
		return was, err
	}
	for _, s := range a.outcome.steps {
		if s.before == nil && s.kind() != settingKind {
			s.after.id, s.after.owner = uuid.Must(uuid.NewV7()), a.tenant
		}
	}
	if err := a.write(); err != nil {
		return was, err
	}
	is, err := a.after()
	if err != nil {
		return is, err
	}
	return was.With(is), a.RecordAll(a.events())
}

// of lists the steps of one kind.
func (a *applier) of(kind string) []*step {
	var out []*step
	for _, s := range a.outcome.steps {
		if s.kind() == kind {
			out = append(out, s)
		}
	}
	return out
}

// events are one for each object that changes, each with the digest of all.
func (a *applier) events() []audit.Event {
	events := make([]audit.Event, 0, len(a.outcome.steps))
	for _, s := range a.outcome.steps {
		c := s.change()
		e := audit.Event{
			Action: eventOf(s.kind()) + "." + s.action(), ResourceType: eventOf(s.kind()), ResourceID: s.object().id,
			Detail: map[string]any{"manifest": a.digest, "name": s.object().name},
		}
		if s.kind() == settingKind {
			e.Action, e.ResourceType, e.ResourceID = "tenant.update", "tenant", a.tenant
		}
		if c.Before != nil {
			e.Before = c.Before
		}
		if c.After != nil {
			e.After = c.After
		}
		events = append(events, e)
	}
	return events
}

// eventOf names a kind as the events of its section do.
func eventOf(kind string) string {
	switch kind {
	case fieldKind:
		return "field_definition"
	case menuKind:
		return "menu_item"
	default:
		return kind
	}
}
