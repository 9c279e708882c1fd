package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/policy"
)

// policySet are the live policies of a tenant with the platform's, compiled. It
// outlives the snapshots that are made while nothing else is published.
type policySet struct {
	// publication is zero for the platform's policies alone.
	publication uuid.UUID
	// modules are nil where err is not.
	modules *policy.Modules
	// err says why they could not be compiled: every question that one of them
	// could have a say in is not evaluated then.
	err error
	// weight is a rough number of bytes.
	weight int
	// logged are the kinds of failures that were logged.
	logged sync.Map
}

// errNotCompiled is of policies that were read and not compiled.
var errNotCompiled = errors.New("the policies are not compiled: there is no library to compile them with")

// policies reads what is live of the tenant's policies, unless it is known.
func (l *loader) policies() error {
	live, err := findPublication(l.tx, l.snap.Tenant.ID)
	if err != nil {
		return err
	}
	for _, known := range l.opt.known {
		if known != nil && known.publication == live.ID {
			l.snap.policies = known
			return nil
		}
	}
	if err := live.read(l.tx, l.snap.Tenant.ID); err != nil {
		return err
	}
	l.snap.publication = live
	l.snap.policies = &policySet{publication: live.ID, err: errNotCompiled}
	return nil
}

// compile compiles the policies of a snapshot that was just loaded, outside the
// transaction, and keeps the platform's own for the tenants that have no others.
func (e *Engine) compile(ctx context.Context, s *Snapshot) {
	p := s.publication
	if p == nil {
		return
	}
	s.publication = nil
	set := &policySet{publication: p.ID}
	switch {
	case e.cfg.Library != nil:
		// Whoever asked may give up; that says nothing of the policies.
		set.modules, set.err = policy.CompileModules(context.WithoutCancel(ctx), e.cfg.Library, p.Texts)
	case len(p.Texts) > 0:
		set.err = errNotCompiled
	}
	if set.publication == uuid.Nil {
		e.platform.Store(set)
	}
	for _, text := range p.Texts {
		set.weight += policyWeight * len(text)
	}
	s.policies = set
	s.weight += set.weight
}

// policyWeight is roughly how many bytes a byte of Rego takes when compiled.
const policyWeight = 32

// The kinds of failures of policies, beside those of [policy.FailureKind].
const (
	compileFailure   = "compile"
	malformedFailure = "malformed"
)

// policiesFailed counts a failure of policies, and logs the first of its kind.
func (e *Engine) policiesFailed(ctx context.Context, d *Decision, kind string, err error) {
	e.metrics.PolicyFailures.WithLabelValues(kind).Inc()
	if _, logged := d.snapshot.policies.logged.LoadOrStore(kind, true); logged {
		return
	}
	e.log.ErrorContext(ctx, "policies could not be evaluated; further failures of this kind are counted only",
		"error", err, "kind", kind, "tenant_id", d.question.TenantID, "publication", d.snapshot.policies.publication)
}

// judge asks the policies about every action of which nothing final was said and
// on which one of them has a say, all in one evaluation. An error means that
// nothing can be said at all.
func (x *inquiry) judge(ctx context.Context, outcomes []outcome) error {
	p := x.s.policies
	if p == nil || p.err == nil && p.modules == nil {
		return nil
	}
	if p.err != nil {
		for i := range outcomes {
			if outcomes[i].code == "" {
				x.void(ctx, &outcomes[i], compileFailure, p.err)
			}
		}
		return nil
	}
	var buf [4]string
	actions := buf[:0]
	for i := range outcomes {
		action := outcomes[i].action
		if outcomes[i].code != "" || !p.modules.Applies(x.q.Type, action) {
			continue
		}
		actions = append(actions, action)
		if p.modules.ReadsClock(x.q.Type, action) {
			x.d.TTL = 0
		}
	}
	if len(actions) == 0 {
		return nil
	}
	facts, err := x.facts()
	if err != nil {
		return err
	}
	findings, err := p.modules.Judge(ctx, facts, actions)
	if err != nil {
		return err
	}
	for i := range outcomes {
		o := &outcomes[i]
		if !slices.Contains(actions, o.action) {
			continue
		}
		o.finding = findings[o.action]
		if wrong := x.malformed(&o.finding); wrong != "" {
			x.void(ctx, o, malformedFailure, errors.New(wrong))
		} else if len(o.finding.Denials) > 0 {
			o.code, o.counting, o.matched = PolicyDeny, nil, nil
		}
	}
	return nil
}

// malformed returns what is wrong with what policies said, "" if nothing is.
func (x *inquiry) malformed(f *policy.Finding) string {
	if f.Malformed != "" {
		return f.Malformed
	}
	for _, name := range f.Chains {
		if x.s.named[name] == nil {
			return fmt.Sprintf("require_approval names an approval chain that is not there or inactive: %q", name)
		}
	}
	return ""
}

// void makes an outcome one that was not evaluated.
func (x *inquiry) void(ctx context.Context, o *outcome, kind string, err error) {
	o.code, o.counting, o.matched, o.finding = NotEvaluated, nil, nil, policy.Finding{}
	x.failed(ctx, kind, err)
}

// failed tells whoever counts failures of policies.
func (x *inquiry) failed(ctx context.Context, kind string, err error) {
	if x.ask.engine != nil {
		x.ask.engine.policiesFailed(ctx, x.d, kind, err)
	}
}

// facts are what policies may read.
func (x *inquiry) facts() (*policy.Facts, error) {
	f := &policy.Facts{
		Question: policy.Question{
			UserID: x.subject.ID.String(), Type: x.q.Type, ID: x.q.ID, Attributes: x.q.Attributes,
			Action: x.q.Action, ActionProperties: x.q.ActionProperties, Context: x.q.Context,
			SubjectAttributes: x.q.SubjectAttributes, SubjectOverrides: x.q.SubjectOverrides,
		},
		Subject: policy.SubjectFacts{
			Username: x.subject.Username, ExternalID: x.subject.ExternalID,
			IsServiceAccount: x.subject.IsServiceAccount, Roles: x.roleNames(),
		},
		Resource: policy.ResourceFacts{ID: x.target.ID},
		Tenant:   x.s.document, Now: x.d.now, AllowRules: x.s.Tenant.AllowRules,
	}
	f.Subject.ID = f.Question.UserID
	if x.subject.EmailVerified {
		f.Subject.Email = x.subject.Email
	}
	var err error
	if f.Subject.Attributes, err = x.subject.attributes.of(x.subject.Attributes); err != nil || x.node == nil {
		return f, err
	}
	f.Resource.Path = x.node.Path
	f.Resource.Attributes, err = x.node.attributes.of(x.node.Attributes)
	return f, err
}

// roleNames are those of the roles held, ascending, each once.
func (x *inquiry) roleNames() []string {
	names := make([]string, 0, len(x.d.held))
	for _, at := range x.d.held {
		if r := x.s.roles[at]; r != nil {
			names = append(names, r.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
