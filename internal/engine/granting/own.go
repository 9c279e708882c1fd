package granting

import (
	"slices"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/platform/db"
)

// ownGrants returns what the actor's account has in the tenant, whatever the
// validity of its assignments. That is nothing for an actor of another tenant.
func (j *Judge) ownGrants(tx *db.Tx, s *engine.Snapshot) ([]*grants.Grant, error) {
	nodes, err := directNodes(tx, j.tenant, []uuid.UUID{j.actor})
	if err != nil {
		return nil, err
	}
	return s.Implied(nodes), nil
}

// gains reports whether the actor's account has an allow that it had not, or is
// free of a deny that it was under, whatever the write says of itself.
func (j *Judge) gains(tx *db.Tx, after *engine.Snapshot) (bool, error) {
	now, err := j.ownGrants(tx, after)
	if err != nil {
		return false, err
	}
	return more(now, j.own, allows) || more(j.own, now, restrains), nil
}

// more reports whether list has a permission of a kind which than lacks.
func more(list, than []*grants.Grant, kind func(*grants.Grant) bool) bool {
	return slices.ContainsFunc(list, func(g *grants.Grant) bool {
		return kind(g) && !slices.ContainsFunc(than, func(t *grants.Grant) bool { return same(g, t) })
	})
}
