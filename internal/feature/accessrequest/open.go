package accessrequest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/approval"
	"github.com/sentinel-access/sentinel/internal/engine/audit"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// The types of a request.
const (
	forRole       = "role"
	forPermission = "permission"
	forResource   = "resource_access"
)

// mostPending is how many requests may wait by which one person gains.
const mostPending = 20

// CreateIn asks for access.
type CreateIn struct {
	Body struct {
		RequestType    string         `json:"request_type" enum:"role,permission,resource_access" doc:"A role; one action; every action on a registered node."`
		RequestDetails approval.Asked `json:"request_details"`
		Justification  string         `json:"justification" minLength:"1" maxLength:"4000" doc:"Why it is needed. The approvers read it."`
		ExpiresAt      *time.Time     `json:"expires_at,omitempty" doc:"Until when it is wanted. From then on the request is over, and so is what it grants. Default: for ever."`
		BeneficiaryID  *uuid.UUID     `json:"beneficiary_id,omitempty" doc:"Who is to gain. Default: the caller. Another needs create on api/access-requests."`
	}
}

// ask is what a request is opened with.
type ask struct {
	tenant                 uuid.UUID
	requester, beneficiary uuid.UUID
	typ                    string
	d                      approval.Details
	justification          string
	expires                *time.Time
	// chain is the one that is wanted, uuid.Nil for the first that matches.
	chain uuid.UUID
}

func (s *Service) create(ctx context.Context, in *CreateIn) (created httpapi.Created[Detail], err error) {
	if err := s.featured(ctx); err != nil {
		return created, err
	}
	b := &in.Body
	tenant, _ := identity.TenantFrom(ctx)
	caller, home := self(ctx)
	if !home {
		return created, fault.Conflict("", "Requests are made by accounts of the tenant. Give access in another tenant by its roles and permissions.")
	}
	a := &ask{
		tenant: tenant, requester: caller, beneficiary: caller, typ: b.RequestType, d: approval.Details{Asked: b.RequestDetails},
		justification: b.Justification, expires: b.ExpiresAt,
	}
	if b.BeneficiaryID != nil && *b.BeneficiaryID != caller {
		if err := s.must(ctx, "create"); err != nil {
			return created, err
		}
		a.beneficiary = *b.BeneficiaryID
	}
	if fields := a.validate(s.write.Engine.Now()); fields != nil {
		return created, fault.Invalid(fields...)
	}
	m, again, err := s.open(ctx, a)
	if err == nil && again {
		e := fault.Conflict("", "This is asked for already, by a request that waits. Cancel that one to ask otherwise.")
		e.Details = map[string]any{"access_request_id": m.ID}
		err = e
	}
	if err != nil {
		return created, err
	}
	out, err := s.read(ctx, &IDIn{ID: m.ID})
	if err != nil {
		return created, err
	}
	return httpapi.Created[Detail]{Location: "/access-requests/" + m.ID.String(), Data: *out}, nil
}

// validate returns every offending member of what is asked for.
func (a *ask) validate(now time.Time) (fields []fault.Field) {
	d := &a.d.Asked
	add := func(path, message string) {
		if message != "" {
			fields = append(fields, fault.Field{Path: path, Message: message})
		}
	}
	without := func(path string, given bool) {
		if given {
			add("request_details."+path, "does not belong to a request of type "+a.typ)
		}
	}
	if a.typ == forRole {
		if d.RoleID == nil {
			add("request_details.role_id", "must be given")
		}
		without("resource_type", d.ResourceType != "")
		without("resource_id", d.ResourceID != "")
	} else {
		without("role_id", d.RoleID != nil)
		add("request_details.resource_type", engine.CheckType(d.ResourceType))
		add("request_details.resource_id", engine.CheckResourceID(d.ResourceID))
	}
	if a.typ == forPermission {
		add("request_details.action", engine.CheckAction(d.Action))
	} else {
		without("action", d.Action != "")
	}
	if a.typ == forResource && d.ResourceID == "" {
		add("request_details.resource_id", "must name a registered node, by its id or code")
	}
	switch {
	case a.expires == nil:
	case !a.expires.After(now):
		add("expires_at", "must be in the future")
	case !directory.Writable(*a.expires):
		add("expires_at", directory.Unwritable)
	}
	return fields
}

// Open returns the request that waits for what a question asked in vain, and
// makes one if there is none: of the caller for themselves, for the one action,
// by the chain that the answer named. It is in the database when Open returns.
// The fault is a conflict where the caller has too many requests, or the chain is
// no longer there.
func (s *Service) Open(ctx context.Context, q *engine.Question, chain uuid.UUID, justification string) (uuid.UUID, error) {
	caller, home := self(ctx)
	if !home || q.UserID != caller {
		return uuid.Nil, fault.New(fault.Denied, "A justification stands with a question about oneself only.")
	}
	a := &ask{
		tenant: q.TenantID, requester: caller, beneficiary: caller, typ: forPermission, justification: justification, chain: chain,
		d: approval.Details{Asked: approval.Asked{ResourceType: q.Type, ResourceID: q.ID, Action: q.Action}},
	}
	if fields := a.validate(s.write.Engine.Now()); fields != nil {
		return uuid.Nil, fault.Invalid(fields...)
	}
	m, _, err := s.open(ctx, a)
	if err != nil {
		return uuid.Nil, err
	}
	return m.ID, nil
}

// open makes the request, or returns the one that waits for the very same.
func (s *Service) open(ctx context.Context, a *ask) (m *models.AccessRequest, again bool, err error) {
	var letters []func()
	err = s.write.Plain(ctx, func(w *change.Write) error {
		m, again, letters = nil, false, nil
		if err := granting.Lock(w.Tx, a.tenant); err != nil {
			return err
		}
		beneficiary, err := crud.One[models.User](w.Tx, a.tenant, a.beneficiary, "user")
		if err != nil {
			return at(err, "beneficiary_id")
		}
		if !beneficiary.IsActive {
			return fault.Conflict("beneficiary_id", "The account that would gain is inactive.")
		}
		c, err := s.find(w, a)
		if err != nil {
			return err
		}
		waiting, err := s.pendingOf(ctx, w, a.tenant, a.beneficiary)
		if err != nil {
			return err
		}
		for _, p := range waiting {
			letters = append(letters, p.letters...)
			if p.r.Status == approval.Pending && a.same(p, c.ID) {
				m, again = p.m, true
			}
		}
		if again {
			return nil
		}
		if n := count(waiting); n >= mostPending {
			return fault.Conflict("", "%d requests wait by which this account would gain, and no more may. Wait for a decision, or cancel some.", n)
		}
		p, err := s.insert(ctx, w, a, c)
		if err != nil {
			return err
		}
		m, letters = p.m, append(letters, p.letters...)
		return nil
	})
	if err == nil {
		send(letters)
	}
	return m, again, err
}

// at names the member at fault, unless the fault names some itself.
func at(err error, path string) error {
	var f *fault.Error
	if errors.As(err, &f) && f.Kind == fault.NotFoundKind && f.Fields == nil {
		f.Fields = []fault.Field{{Path: path, Message: f.Message}}
	}
	return err
}

// pendingOf takes all requests that wait by which an account would gain, and
// writes down what time has made of them.
func (s *Service) pendingOf(ctx context.Context, w *change.Write, tenant, beneficiary uuid.UUID) ([]*process, error) {
	var rows []models.AccessRequest
	err := w.Clauses(clause.Locking{Strength: "UPDATE"}).
		Where("tenant_id = ? AND beneficiary_id = ? AND status = 'pending'", tenant, beneficiary).Order("created_at, id").Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("find requests that wait: %w", err)
	}
	out := make([]*process, len(rows))
	for i := range rows {
		if out[i], err = s.begin(ctx, w, &rows[i]); err != nil {
			return nil, err
		}
		if err := out[i].settle(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func count(list []*process) (pending int) {
	for _, p := range list {
		if p.r.Status == approval.Pending {
			pending++
		}
	}
	return pending
}

// same reports whether a request asks for the very same by the same chain.
func (a *ask) same(p *process, chain uuid.UUID) bool {
	x, y := &a.d, &p.d
	return p.m.RequestType == a.typ && p.m.ChainID != nil && *p.m.ChainID == chain && x.ResourceType == y.ResourceType &&
		x.ResourceID == y.ResourceID && x.Action == y.Action && equal(x.NodeID, y.NodeID) && equal(x.RoleID, y.RoleID)
}

func equal(a, b *uuid.UUID) bool { return a == b || a != nil && b != nil && *a == *b }

// insert stores a new request at the first level of its chain.
func (s *Service) insert(ctx context.Context, w *change.Write, a *ask, c *models.ApprovalChain) (*process, error) {
	frozen, err := approval.Freeze(c)
	if err != nil {
		return nil, err
	}
	if most := frozen.MaxDurationHours; most > 0 && a.d.DurationHours > most {
		return nil, fault.InvalidAt("request_details.duration_hours", "must be at most %d: the chain grants for no longer", most)
	}
	if _, a.d.Persons, err = persons(w.Tx, a.tenant, []uuid.UUID{a.requester, a.beneficiary}, w.Now); err != nil {
		return nil, err
	}
	now := moment(w.Now)
	if a.expires != nil {
		expires := moment(*a.expires)
		a.expires = &expires
	}
	r := approval.Open(frozen, a.requester, a.beneficiary, now, a.expires, a.d.DurationHours)
	m := &models.AccessRequest{
		ID: uuid.Must(uuid.NewV7()), TenantID: a.tenant, RequesterID: a.requester, BeneficiaryID: a.beneficiary, RequestType: a.typ,
		Justification: a.justification, ChainID: &c.ID, CurrentLevel: r.Level, Status: string(r.Status), ExpiresAt: r.ExpiresAt, LevelDueAt: &r.DueAt,
	}
	if m.ChainSnapshot, err = frozen.JSON(); err != nil {
		return nil, err
	}
	raw, err := json.Marshal(a.d)
	if err != nil {
		return nil, fmt.Errorf("encode request details: %w", err)
	}
	m.RequestDetails = raw
	if err := w.Create(m).Error; err != nil {
		return nil, fmt.Errorf("create access request: %w", err)
	}
	stored, err := crud.One[models.AccessRequest](w.Tx, a.tenant, m.ID, what)
	if err != nil {
		return nil, err
	}
	p, err := s.begin(ctx, w, stored)
	if err != nil {
		return nil, err
	}
	if err := p.wait(&p.r); err != nil {
		return nil, err
	}
	after := *p.before
	after.Justification = ""
	return p, w.Record(audit.Event{Action: "access_request.create", ResourceType: "access_request", ResourceID: m.ID, After: &after})
}

// find settles what is asked for, as the engine names it, and returns the active
// chain that guards it.
func (s *Service) find(w *change.Write, a *ask) (*models.ApprovalChain, error) {
	name := ""
	if a.typ == forRole {
		role, err := requestable(w.Tx, a.tenant, *a.d.RoleID)
		if err != nil {
			return nil, err
		}
		if err := lacks(w, a, role); err != nil {
			return nil, err
		}
		name = role.Name
	} else if err := node(w, a); err != nil {
		return nil, err
	}
	chains, rows, err := chainsOf(w, a.tenant)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(chains, func(c *approval.Chain) bool {
		switch {
		case a.chain != uuid.Nil:
			return c.ID == a.chain // which guards it by its pattern, or because a policy names it
		case a.typ == forRole:
			// A pattern for many roles does not hand out the administration of all.
			return c.Type == approval.RoleType && c.Pattern.MatchID(name) && (name != granting.TenantAdmin || c.Pattern.Exact())
		default:
			return c.Matches(a.d.ResourceType, a.d.ResourceID)
		}
	})
	if i < 0 {
		return nil, fault.Conflict("", "No active approval chain guards this, so that nobody could approve it. Ask an administrator of your tenant.")
	}
	return rows[chains[i].ID], nil
}

// node names a registered node by its code and its id, as questions find it.
func node(w *change.Write, a *ask) error {
	d := &a.d
	if a.typ == forResource {
		d.Action = "*"
	}
	if d.ResourceID == "" {
		return nil
	}
	var m models.Resource
	err := w.Where("tenant_id = ? AND type = ? AND code = ?", a.tenant, d.ResourceType, d.ResourceID).Take(&m).Error
	if id, bad := uuid.Parse(d.ResourceID); errors.Is(err, gorm.ErrRecordNotFound) && bad == nil && len(d.ResourceID) == 36 {
		err = w.Where("tenant_id = ? AND type = ? AND id = ?", a.tenant, d.ResourceType, id).Take(&m).Error
	}
	switch {
	case err == nil:
		d.ResourceID, d.NodeID = m.Code, &m.ID
		return nil
	case !errors.Is(err, gorm.ErrRecordNotFound):
		return fmt.Errorf("find resource: %w", err)
	case a.typ == forResource:
		return at(fault.NotFound("resource"), "request_details.resource_id")
	default:
		return nil
	}
}

// chainsOf returns the active chains in the order in which the first that matches
// applies, and their rows by id.
func chainsOf(w *change.Write, tenant uuid.UUID) ([]*approval.Chain, map[uuid.UUID]*models.ApprovalChain, error) {
	var rows []models.ApprovalChain
	if err := w.Where("tenant_id = ? AND is_active", tenant).Find(&rows).Error; err != nil {
		return nil, nil, fmt.Errorf("find approval chains: %w", err)
	}
	chains := make([]*approval.Chain, len(rows))
	byID := make(map[uuid.UUID]*models.ApprovalChain, len(rows))
	for i := range rows {
		c, err := approval.Compile(&rows[i])
		if err != nil {
			return nil, nil, err
		}
		chains[i], byID[c.ID] = c, &rows[i]
	}
	approval.Sort(chains)
	return chains, byID, nil
}
