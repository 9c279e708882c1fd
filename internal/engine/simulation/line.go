package simulation

import (
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

// line are the roles, groups or nodes of a tenant with what each stands below.
type line struct {
	steps map[uuid.UUID]step
	below map[uuid.UUID][]uuid.UUID
}

type step struct {
	name   string
	parent *uuid.UUID
}

// line returns that of a kind, which is read once: large trees take long to read.
func (w *world) line(kind string) *line {
	if l := w.lines[kind]; l != nil {
		return l
	}
	l := &line{map[uuid.UUID]step{}, map[uuid.UUID][]uuid.UUID{}}
	switch kind {
	case nodeKind:
		for i := range w.Rows.Resources {
			o := &w.Rows.Resources[i]
			l.put(o.ID, o.Code, o.ParentID)
		}
	case string(rbac.GroupKind):
		for i := range w.Rows.Groups {
			o := &w.Rows.Groups[i]
			l.put(o.ID, o.Name, o.ParentGroupID)
		}
	default:
		for i := range w.Rows.Roles {
			o := &w.Rows.Roles[i]
			l.put(o.ID, o.Name, o.ParentRoleID)
		}
	}
	if w.lines == nil {
		w.lines = map[string]*line{}
	}
	w.lines[kind] = l
	return l
}

// put has something stand below parent, nil for none.
func (l *line) put(id uuid.UUID, name string, parent *uuid.UUID) {
	if was := l.steps[id].parent; was != nil {
		l.below[*was] = slices.DeleteFunc(l.below[*was], func(o uuid.UUID) bool { return o == id })
	}
	l.steps[id] = step{name, parent}
	if parent != nil {
		l.below[*parent] = append(l.below[*parent], id)
	}
}

// check refuses what stands below itself, by the names from the one to the other,
// and what is more than [rbac.MaxDepth] steps below the top, or has something
// below it that is. Nothing else may stand below itself.
func (l *line) check(id uuid.UUID, kind, path string) error {
	above, circle := 0, l.steps[id].name
	for at := l.steps[id].parent; at != nil; at = l.steps[*at].parent {
		if *at == id {
			return fault.Conflict(path, "The %s would be above itself: %s > %s. Choose another parent.", kind, circle, l.steps[id].name)
		}
		if above++; above > rbac.MaxDepth {
			break
		}
		circle += " > " + l.steps[*at].name
	}
	if above+l.height(id, rbac.MaxDepth) > rbac.MaxDepth {
		return fault.Conflict(path, "The chain of parents would be longer than %d.", rbac.MaxDepth)
	}
	return nil
}

// height is how many steps the longest way down from id has, of at most so many.
func (l *line) height(id uuid.UUID, limit int) (most int) {
	if limit == 0 {
		return 0
	}
	for _, o := range l.below[id] {
		most = max(most, 1+l.height(o, limit-1))
	}
	return most
}

// repath writes the paths of nodes anew: the codes from the root down.
func repath(nodes []models.Resource) {
	byID := make(map[uuid.UUID]*models.Resource, len(nodes))
	for i := range nodes {
		byID[nodes[i].ID] = &nodes[i]
	}
	for i := range nodes {
		var codes []string
		for n := &nodes[i]; n != nil; {
			codes = append([]string{n.Code}, codes...)
			if n.ParentID == nil {
				break
			}
			n = byID[*n.ParentID]
		}
		nodes[i].Path = strings.Join(codes, "/")
	}
}
