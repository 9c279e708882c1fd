package granting

import (
	"slices"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/platform/db"
)

// weighed is a permission as an account has it by one of its roles.
type weighed struct {
	*grants.Grant
	// priority is the role's where that decides between an allow and a deny, else 0.
	priority int
}

// ownGrants returns what the actor's account has in the tenant, whatever the
// validity of its assignments. That is nothing for an actor of another tenant.
func (j *Judge) ownGrants(tx *db.Tx, s *engine.Snapshot) ([]weighed, error) {
	nodes, err := directNodes(tx, j.tenant, []uuid.UUID{j.actor})
	if err != nil {
		return nil, err
	}
	return weigh(s, nodes), nil
}

// weigh returns what a holder of nodes has.
func weigh(s *engine.Snapshot, nodes []string) []weighed {
	var out []weighed
	for _, at := range s.Reached(nodes) {
		for _, g := range s.Grants.OfRole(at) {
			w := weighed{Grant: g}
			if s.Tenant.Conflict == engine.MostSpecific {
				w.priority = s.RoleAt(at).Priority
			}
			out = append(out, w)
		}
	}
	return out
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

// more reports whether list has a permission of a kind which than lacks, or has
// by roles of a lower priority only.
func more(list, than []weighed, kind func(*grants.Grant) bool) bool {
	return slices.ContainsFunc(list, func(g weighed) bool {
		return kind(g.Grant) && !slices.ContainsFunc(than, func(t weighed) bool { return t.priority >= g.priority && same(g.Grant, t.Grant) })
	})
}
