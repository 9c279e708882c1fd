package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/platform/db"
)

// source is where candidates are read from, in the order of their ids: all users,
// the holders of a role, the members of a group, or those with an approval.
type source struct {
	kind sourceKind
	// id is the role's or group's.
	id uuid.UUID
	// buffer holds what was read and not taken yet; after is the last that was read.
	buffer []uuid.UUID
	after  uuid.UUID
	// size is how many are read next. It doubles, so that of many sources little is
	// read and of one that has everybody much.
	size int
	done bool
}

type sourceKind int

const (
	ofUsers sourceKind = iota
	ofRole
	ofGroup
	ofRequests
)

// candidateWalk merges the sources. However many there are, and however many each
// of them has, it reads not much more than is taken: a condition on all roles at
// once would have all of their holders sorted for each page.
type candidateWalk struct {
	of      candidates
	tenant  uuid.UUID
	now     time.Time
	sources []*source
	ready   []uuid.UUID
}

// leastRead is how many candidates are read of a source at first.
const leastRead = 8

// walk begins after a user. size is about how many candidates will be taken.
func (c candidates) walk(tenant, after uuid.UUID, now time.Time, size int) *candidateWalk {
	w := &candidateWalk{of: c, tenant: tenant, now: now}
	add := func(kind sourceKind, ids ...uuid.UUID) {
		for _, id := range ids {
			w.sources = append(w.sources, &source{kind: kind, id: id, after: after})
		}
	}
	if c.everybody {
		add(ofUsers, uuid.Nil)
	} else {
		add(ofRole, c.roles...)
		add(ofGroup, c.groups...)
		if c.chain != uuid.Nil {
			add(ofRequests, c.chain)
		}
	}
	for _, s := range w.sources {
		s.size = max(leastRead, min(size, 4*size/len(w.sources)))
	}
	return w
}

// next returns the next n candidates, fewer only at the end.
func (w *candidateWalk) next(tx *db.Tx, n int) ([]uuid.UUID, error) {
	for len(w.ready) < n {
		if err := w.read(tx); err != nil {
			return nil, err
		}
		if !w.merge() {
			break
		}
	}
	taken := w.ready[:min(n, len(w.ready))]
	w.ready = w.ready[len(taken):]
	return taken, nil
}

// merge moves what is read into order, up to where a source was not read to its
// end. It reports whether there is more to read.
func (w *candidateWalk) merge() bool {
	var last *uuid.UUID
	for _, s := range w.sources {
		if !s.done && (last == nil || slices.Compare(s.after[:], last[:]) < 0) {
			last = &s.after
		}
	}
	var ids []uuid.UUID
	for _, s := range w.sources {
		to := len(s.buffer)
		if last != nil {
			to, _ = slices.BinarySearchFunc(s.buffer, *last, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
			if to < len(s.buffer) && s.buffer[to] == *last {
				to++
			}
		}
		ids, s.buffer = append(ids, s.buffer[:to]...), s.buffer[to:]
	}
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	w.ready = append(w.ready, slices.Compact(ids)...)
	return last != nil
}

// read fills up the sources of which all that was read is taken.
func (w *candidateWalk) read(tx *db.Tx) error {
	for kind := ofUsers; kind <= ofRequests; kind++ {
		var empty []*source
		var ids, afters []uuid.UUID
		var sizes []int
		for _, s := range w.sources {
			if s.kind == kind && !s.done && len(s.buffer) == 0 {
				empty, ids, afters, sizes = append(empty, s), append(ids, s.id), append(afters, s.after), append(sizes, s.size)
			}
		}
		if empty == nil {
			continue
		}
		var rows []struct {
			At     int
			UserID uuid.UUID
		}
		err := tx.Raw(kind.sql(), map[string]any{
			"tenant": w.tenant, "now": w.now, "ids": db.UUIDs(ids), "afters": db.UUIDs(afters), "sizes": integers(sizes),
			"type": w.of.typ, "action": w.of.action, "node": w.of.node, "about": w.of.about(),
		}).Scan(&rows).Error
		if err != nil {
			return fmt.Errorf("find candidates: %w", err)
		}
		for _, r := range rows {
			s := empty[r.At-1]
			s.buffer = append(s.buffer, r.UserID)
		}
		for _, s := range empty {
			if s.done = len(s.buffer) < s.size; len(s.buffer) > 0 {
				s.after = s.buffer[len(s.buffer)-1]
			}
			s.size = min(2*s.size, subjectsEach)
		}
	}
	return nil
}

// about is what the index of approved requests goes by.
func (c *candidates) about() string {
	if c.node != "" {
		return c.node
	}
	return c.id
}

// integers is the text of an array.
func integers(list []int) string {
	return "{" + strings.Trim(strings.ReplaceAll(fmt.Sprint(list), " ", ","), "[]") + "}"
}

// sql reads some candidates of each of several sources of the kind, each in the
// order of its index, and says of which by its place.
func (k sourceKind) sql() string {
	const from, to = `
SELECT n.at, c.user_id
FROM unnest(CAST(@ids AS uuid[]), CAST(@afters AS uuid[]), CAST(@sizes AS integer[])) WITH ORDINALITY AS n (id, after, size, at)
CROSS JOIN LATERAL (`, `
  ORDER BY user_id
  LIMIT n.size
) AS c`
	switch k {
	case ofRole:
		return from + `
  SELECT user_id
  FROM sentinel.user_roles
  WHERE tenant_id = @tenant
  AND role_id = n.id
  AND user_id > n.after
  AND is_active
  AND (valid_from IS NULL OR valid_from <= @now)
  AND (expires_at IS NULL OR expires_at > @now)` + to
	case ofGroup:
		return from + `
  SELECT user_id
  FROM sentinel.user_groups
  WHERE tenant_id = @tenant
  AND group_id = n.id
  AND user_id > n.after` + to
	case ofRequests:
		return from + `
  SELECT DISTINCT beneficiary_id AS user_id
  FROM sentinel.access_requests
  WHERE tenant_id = @tenant
  AND chain_id = n.id
  AND COALESCE(request_details ->> 'node_id', request_details ->> 'resource_id', '') = @about
  AND beneficiary_id > n.after
  AND COALESCE(request_details ->> 'node_id', '') = @node
  AND request_details ->> 'resource_type' = @type
  AND (request_type = 'resource_access' OR request_type = 'permission' AND request_details ->> 'action' IN (@action, '*'))
  AND status = 'approved'
  AND NOT auto_approved
  AND (grant_expires_at IS NULL OR grant_expires_at > @now)` + to
	default:
		return from + `
  SELECT id AS user_id
  FROM sentinel.users
  WHERE tenant_id = @tenant
  AND id > n.after` + to
	}
}
