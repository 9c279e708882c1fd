package engine

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
)

// Holds returns the positions of every role and group that the subject has at
// now, directly or by inheritance, ascending.
func (s *Snapshot) Holds(subject *Subject, now time.Time) []int32 {
	direct, _ := s.direct(subject, now)
	return s.reach(direct)
}

func (s *Snapshot) reach(direct []int32) []int32 {
	var out []int32
	for _, i := range direct {
		out = append(out, s.Graph.Reach(i)...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (s *Snapshot) positions(keys []string) []int32 {
	out := make([]int32, 0, len(keys))
	for _, k := range keys {
		if i, ok := s.Graph.Index(k); ok {
			out = append(out, i)
		}
	}
	return out
}

// Reached returns the positions of the named nodes and of all that they imply,
// ascending.
func (s *Snapshot) Reached(keys []string) []int32 { return s.reach(s.positions(keys)) }

// Implied returns every permission that a holder of the named nodes has.
func (s *Snapshot) Implied(keys []string) []*grants.Grant {
	var out []*grants.Grant
	for _, i := range s.Reached(keys) {
		out = append(out, s.Grants.OfRole(i)...)
	}
	return out
}

// HolderNodes returns the names of all nodes whose holders have one of the
// named ones, those included.
func (s *Snapshot) HolderNodes(keys []string) []string {
	seen := map[int32]bool{}
	var out []string
	for _, at := range s.positions(keys) {
		for _, i := range s.Graph.Holders(at) {
			if !seen[i] {
				seen[i] = true
				out = append(out, s.Graph.Node(i).Key)
			}
		}
	}
	return out
}

// EntryRoles returns the roles that the named nodes give first: a role itself,
// and for a group the roles of it and of the groups above it.
func (s *Snapshot) EntryRoles(keys []string) []*Role {
	var out []*Role
	for _, at := range s.positions(keys) {
		for _, i := range s.Graph.Reach(at) {
			role := s.roles[i]
			if i != at && (role == nil || s.roles[at] != nil || !s.grouped(at, i)) {
				continue
			}
			if role != nil && !slices.Contains(out, role) {
				out = append(out, role)
			}
		}
	}
	return out
}

// grouped reports whether a group that is reached from at names role itself.
func (s *Snapshot) grouped(at, role int32) bool {
	return slices.ContainsFunc(s.Graph.Reach(at), func(g int32) bool {
		return s.groups[g] != nil && slices.Contains(s.Graph.Next(g), role)
	})
}

// SystemRoles returns the names of the nodes of the named system roles.
func (s *Snapshot) SystemRoles(names ...string) []string {
	var out []string
	for _, r := range s.roles {
		if r != nil && r.IsSystem && slices.Contains(names, r.Name) {
			out = append(out, rbac.Role(r.ID))
		}
	}
	return out
}

// Reaches reports whether a holder of one of the named nodes has the named
// system role.
func (s *Snapshot) Reaches(keys []string, systemRole string) bool {
	return slices.ContainsFunc(s.Reached(keys), func(i int32) bool {
		return s.roles[i] != nil && s.roles[i].IsSystem && s.roles[i].Name == systemRole
	})
}

// IsSystemRole reports whether id is one of the platform's system roles, which
// every tenant can read and assign.
func (e *Engine) IsSystemRole(ctx context.Context, tenant, id uuid.UUID) (bool, error) {
	v, err := e.view(ctx, tenant)
	if err != nil {
		return false, err
	}
	at, ok := v.snapshot.Graph.Index(rbac.Role(id))
	return ok && v.snapshot.roles[at].IsSystem, nil
}
