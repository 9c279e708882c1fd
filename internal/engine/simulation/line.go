package simulation

import (
	"strings"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

// line are the roles, groups or nodes of a tenant with what each stands below.
type line map[uuid.UUID]step

type step struct {
	name   string
	parent *uuid.UUID
}

func (l line) add(id uuid.UUID, name string, parent *uuid.UUID) { l[id] = step{name, parent} }

// check refuses what stands below itself, by the names from the one to the other,
// and what is more than [rbac.MaxDepth] steps below the top, or has something
// below it that is.
func (l line) check(id uuid.UUID, kind, path string) error {
	above, circle := 0, l[id].name
	for at := l[id].parent; at != nil; at = l[*at].parent {
		if *at == id {
			return fault.Conflict(path, "The %s would be above itself: %s > %s. Choose another parent.", kind, circle, l[id].name)
		}
		if above++; above > rbac.MaxDepth {
			break
		}
		circle += " > " + l[*at].name
	}
	if above+l.height(id) > rbac.MaxDepth {
		return fault.Conflict(path, "The chain of parents would be longer than %d.", rbac.MaxDepth)
	}
	return nil
}

// height is how many steps the longest way down from id has. Nothing stands below
// itself.
func (l line) height(id uuid.UUID) (most int) {
	for from := range l {
		steps := 0
		for at := &from; at != nil && steps <= rbac.MaxDepth; at = l[*at].parent {
			if *at == id {
				most = max(most, steps)
				break
			}
			steps++
		}
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
