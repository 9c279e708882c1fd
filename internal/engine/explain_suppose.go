package engine

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/condition"
	"github.com/sentinel-access/sentinel/internal/engine/policy"
)

// supposed is what a question is decided by when something is supposed that is
// not so.
type supposed struct {
	s       *Snapshot
	q       *Question
	subject *Subject
	// node stands for the registered node that is asked about; nil where there is
	// none, or it is as it is.
	node *Resource
}

// suppose supposes one thing more. What it is given stays as it is.
type suppose func(w supposed) supposed

func (w supposed) decide(ctx context.Context, now time.Time) *Decision {
	d := &Decision{question: w.q, now: now, snapshot: w.s}
	d.decide(ctx, w.subject, asking{fields: true, node: w.node})
	return d
}

// asked is the registered node of the question, nil for none.
func (w supposed) asked() *Resource {
	if w.node != nil {
		return w.node
	}
	return w.s.Find(w.q.Type, w.q.ID)
}

// clone copies a subject but for what is worked out of it.
func (s *Subject) clone() *Subject {
	return &Subject{
		ID: s.ID, TenantID: s.TenantID, Email: s.Email, EmailVerified: s.EmailVerified, Username: s.Username, ExternalID: s.ExternalID,
		IsServiceAccount: s.IsServiceAccount, IsActive: s.IsActive, LockedUntil: s.LockedUntil, TokenEpoch: s.TokenEpoch,
		AllowedIPs: s.AllowedIPs, AssertSubject: s.AssertSubject, AssertOverride: s.AssertOverride, Revoked: s.Revoked,
		Attributes: s.Attributes, Assignments: s.Assignments, Requests: s.Requests,
	}
}

func (r *Resource) clone() *Resource {
	return &Resource{
		ID: r.ID, Type: r.Type, Code: r.Code, Path: r.Path, Parent: r.Parent, Attributes: r.Attributes, IsActive: r.IsActive, workflow: r.workflow,
	}
}

// ofSubject supposes something of the subject, ofQuestion of what is asked, and
// ofNode of the registered node.
func ofSubject(edit func(*Subject)) suppose {
	return func(w supposed) supposed {
		w.subject = w.subject.clone()
		edit(w.subject)
		return w
	}
}

func ofQuestion(edit func(*Question)) suppose {
	return func(w supposed) supposed {
		q := *w.q
		edit(&q)
		w.q = &q
		return w
	}
}

func ofNode(edit func(*Resource)) suppose {
	return func(w supposed) supposed {
		w.node = w.asked().clone()
		edit(w.node)
		return w
	}
}

func holding(key string) suppose {
	return ofSubject(func(s *Subject) { s.Assignments = append(slices.Clone(s.Assignments), Assignment{Node: key}) })
}

func without(key string) suppose {
	return ofSubject(func(s *Subject) {
		s.Assignments = slices.DeleteFunc(slices.Clone(s.Assignments), func(a Assignment) bool { return a.Node == key })
	})
}

func usable() suppose {
	return ofSubject(func(s *Subject) { s.IsActive, s.LockedUntil = true, nil })
}

func activeTenant(w supposed) supposed {
	s := *w.s
	s.Tenant.Active = true
	w.s = &s
	return w
}

// approved supposes that a chain approved exactly what is asked.
func approved(chain uuid.UUID) suppose {
	return func(w supposed) supposed {
		r := Request{ID: newID(), Approved: true, Chain: chain, Type: w.q.Type, ResourceID: w.q.ID, Action: w.q.Action}
		if node := w.asked(); node != nil {
			r.Node, r.ResourceID = node.ID, node.Code
		}
		return ofSubject(func(s *Subject) { s.Requests = append(slices.Clone(s.Requests), r) })(w)
	}
}

func revoked(request uuid.UUID) suppose {
	return ofSubject(func(s *Subject) {
		s.Requests = slices.DeleteFunc(slices.Clone(s.Requests), func(r Request) bool { return r.ID == request })
	})
}

// inStateOf supposes another state of the node, or of what the caller knows.
func inStateOf(state string, stored bool) suppose {
	if !stored {
		return ofQuestion(func(q *Question) { q.Context = condition.Set(q.Context, workflowState, state) })
	}
	return ofNode(func(r *Resource) {
		w := *r.workflow
		w.stored = policy.Workflow{State: state, States: w.stored.States, Actions: w.stored.Actions}
		r.workflow = &w
	})
}

const (
	subjectRoot  = "subject.attributes."
	resourceRoot = "resource.attributes."
)

// settable reports whether an attribute can be another without the question
// being another.
func settable(path string) bool {
	root, _, _ := strings.Cut(path, ".")
	switch path {
	case "subject.email", "subject.username", "subject.external_id":
		return true
	case "action.name":
		return false
	}
	return root == "context" || root == "action" || strings.HasPrefix(path, subjectRoot) || strings.HasPrefix(path, resourceRoot)
}

// setting supposes a value at a path, and says who supplies it: what is stored
// wins over what the caller says, but for what the caller may override.
func (w supposed) setting(path string, value any) (apply suppose, by string) {
	text, _ := value.(string)
	switch path {
	case "subject.email":
		return ofSubject(func(s *Subject) { s.Email, s.EmailVerified = text, true }), BySubject
	case "subject.username":
		return ofSubject(func(s *Subject) { s.Username = text }), BySubject
	case "subject.external_id":
		return ofSubject(func(s *Subject) { s.ExternalID = text }), BySubject
	}
	if key, ok := strings.CutPrefix(path, subjectRoot); ok {
		if _, given := condition.Find(w.q.SubjectOverrides, key); given {
			return ofQuestion(func(q *Question) { q.SubjectOverrides = condition.Set(q.SubjectOverrides, key, value) }), ByCaller
		}
		_, stored := condition.Find(w.subject.Attributes, key)
		if _, given := condition.Find(w.q.SubjectAttributes, key); given && !stored {
			return ofQuestion(func(q *Question) { q.SubjectAttributes = condition.Set(q.SubjectAttributes, key, value) }), ByCaller
		}
		return ofSubject(func(s *Subject) { s.Attributes = condition.Set(s.Attributes, key, value) }), BySubject
	}
	if key, ok := strings.CutPrefix(path, resourceRoot); ok {
		if node := w.asked(); node != nil {
			if _, stored := condition.Find(node.Attributes, key); stored {
				return ofNode(func(r *Resource) { r.Attributes = condition.Set(r.Attributes, key, value) }), ByResource
			}
		}
		return ofQuestion(func(q *Question) { q.Attributes = condition.Set(q.Attributes, key, value) }), ByCaller
	}
	root, key, _ := strings.Cut(path, ".")
	if root == "action" {
		return ofQuestion(func(q *Question) { q.ActionProperties = condition.Set(q.ActionProperties, key, value) }), ByCaller
	}
	return ofQuestion(func(q *Question) { q.Context = condition.Set(q.Context, key, value) }), ByCaller
}
