package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
)

// holdings lists what roles and groups the subject has, and by which paths.
func (e *explainer) holdings() {
	decided := map[int32]bool{}
	for _, g := range e.d.Matched {
		for _, o := range g.Owners {
			decided[o] = true
		}
	}
	held := slices.Clone(e.x.d.held)
	slices.SortFunc(held, func(a, b int32) int {
		return cmp.Or(-compareBool(decided[a], decided[b]), strings.Compare(e.nameAt(a), e.nameAt(b)), cmp.Compare(a, b))
	})
	ends := e.ends()
	for _, at := range held {
		list, member := &e.out.Roles, "roles"
		if e.s.groups[at] != nil {
			list, member = &e.out.Groups, "groups"
		}
		if len(*list) == mostListed {
			e.cut(member)
			continue
		}
		_, id := rbac.Parse(e.s.Graph.Node(at).Key)
		h := ExplainedHolding{ID: id, Name: e.nameAt(at), Decided: decided[at]}
		paths, all := e.s.Graph.Paths(e.x.d.direct, at, mostPaths)
		for _, path := range paths {
			h.Paths = append(h.Paths, ExplainedPath{Path: e.s.Label(path), ExpiresAt: ends[path[0]]})
		}
		h.Cut = !all
		*list = append(*list, h)
	}
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}

func (e *explainer) nameAt(at int32) string {
	if r := e.s.roles[at]; r != nil {
		return r.Name
	}
	return e.s.groups[at].Name
}

// ends are when the subject's own assignments end, by position; the latest of
// several.
func (e *explainer) ends() map[int32]*time.Time {
	out := map[int32]*time.Time{}
	for i := range e.subject.Assignments {
		a := &e.subject.Assignments[i]
		at, ok := e.s.Graph.Index(a.Node)
		if !ok || !a.Valid(e.d.now) {
			continue
		}
		if end, seen := out[at]; !seen || end != nil && (a.ExpiresAt == nil || a.ExpiresAt.After(*end)) {
			out[at] = a.ExpiresAt
		}
	}
	return out
}

// absences lists what the subject is given and does not have.
func (e *explainer) absences() {
	for i := range e.subject.Assignments {
		a := &e.subject.Assignments[i]
		at, present := e.s.Graph.Index(a.Node)
		out := ExplainedAssignment{Why: "inactive"}
		switch {
		case a.ValidFrom != nil && e.d.now.Before(*a.ValidFrom):
			out.Why, out.At = "not_yet_valid", a.ValidFrom
		case a.ExpiresAt != nil && !e.d.now.Before(*a.ExpiresAt):
			out.Why, out.At = "expired", a.ExpiresAt
		case present:
			continue
		}
		if len(e.out.NotCounting) == mostListed {
			e.cut("not_counting")
			return
		}
		kind, id := rbac.Parse(a.Node)
		out.Kind, out.ID = string(kind), id
		if present {
			out.Name = e.nameAt(at)
		}
		e.out.NotCounting = append(e.out.NotCounting, out)
	}
}

func (a *ExplainedAssignment) render() {
	name := a.Name
	if name == "" {
		name = a.ID.String()
	}
	switch a.Why {
	case "expired":
		a.Detail = fmt.Sprintf("The %s %s ended at %s.", a.Kind, name, a.At.UTC().Format(time.RFC3339))
	case "not_yet_valid":
		a.Detail = fmt.Sprintf("The %s %s begins at %s.", a.Kind, name, a.At.UTC().Format(time.RFC3339))
	default:
		a.Detail = fmt.Sprintf("The %s %s is inactive, or no longer there for this tenant.", a.Kind, name)
	}
}

// complete looks up in the database what the graph does not have: the names of what
// is inactive, and the chains by which roles can be asked for.
func (e *Engine) complete(ctx context.Context, s *Snapshot, x *Explanation) error {
	var roles, groups []uuid.UUID
	for i := range x.NotCounting {
		switch a := &x.NotCounting[i]; {
		case a.Name != "":
		case a.Kind == string(rbac.RoleKind):
			roles = append(roles, a.ID)
		default:
			groups = append(groups, a.ID)
		}
	}
	offers := x.offers()
	if roles == nil && groups == nil && offers == nil {
		return nil
	}
	names := map[uuid.UUID]string{}
	err := e.db.InReadTx(identity.WithTenant(ctx, s.Tenant.ID), func(tx *db.Tx) error {
		for _, one := range []struct {
			sql string
			ids []uuid.UUID
		}{
			{"SELECT id, name FROM sentinel.usable_roles() WHERE id = ANY(CAST(? AS uuid[]))", roles},
			{"SELECT id, name FROM sentinel.groups WHERE id = ANY(CAST(? AS uuid[]))", groups},
		} {
			if one.ids == nil {
				continue
			}
			var rows []struct {
				ID   uuid.UUID
				Name string
			}
			if err := tx.Raw(one.sql, db.UUIDs(one.ids)).Scan(&rows).Error; err != nil {
				return fmt.Errorf("names for an explanation: %w", err)
			}
			for _, r := range rows {
				names[r.ID] = r.Name
			}
		}
		return s.offer(tx, offers)
	})
	if err != nil {
		return err
	}
	for i := range x.NotCounting {
		if a := &x.NotCounting[i]; a.Name == "" {
			a.Name = names[a.ID]
		}
	}
	x.render()
	return nil
}
