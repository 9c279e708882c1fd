package user

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

// Operation is what a bulk call does to each account.
type Operation string

// The operations.
const (
	Activate   Operation = "activate"
	Deactivate Operation = "deactivate"
	Delete     Operation = "delete"
	AssignRole Operation = "assign_role"
	RemoveRole Operation = "remove_role"
	AddToGroup Operation = "add_to_group"
)

// BulkIn does one thing to many accounts.
type BulkIn struct {
	Body struct {
		Operation              Operation   `json:"operation" enum:"activate,deactivate,delete,assign_role,remove_role,add_to_group" doc:"delete needs delete on api/users too."`
		UserIDs                []uuid.UUID `json:"user_ids" minItems:"1" maxItems:"1000" doc:"Each once."`
		ExcludeServiceAccounts bool        `json:"exclude_service_accounts,omitempty" doc:"Skip those that are service accounts."`
		Data                   BulkData    `json:"data,omitzero" doc:"What the operation needs."`
	}
}

// BulkData is what some operations need.
type BulkData struct {
	RoleID    *uuid.UUID `json:"role_id,omitempty" doc:"Of assign_role and remove_role."`
	GroupID   *uuid.UUID `json:"group_id,omitempty" doc:"Of add_to_group."`
	ValidFrom *time.Time `json:"valid_from,omitempty" doc:"Of assign_role. Default: at once."`
	ExpiresAt *time.Time `json:"expires_at,omitempty" doc:"Of assign_role. Default: never."`
}

// check refuses ids that are there twice, and data that the operation lacks or
// has no use for.
func (in *BulkIn) check() error {
	var fields []fault.Field
	seen := make(map[uuid.UUID]bool, len(in.Body.UserIDs))
	for i, id := range in.Body.UserIDs {
		if seen[id] {
			fields = append(fields, fault.Field{Path: fmt.Sprintf("user_ids[%d]", i), Message: "is there already"})
		}
		seen[id] = true
	}
	op, d := in.Body.Operation, &in.Body.Data
	member := func(name string, given, wanted, optional bool) {
		switch {
		case given && !wanted:
			fields = append(fields, fault.Field{Path: "data." + name, Message: fmt.Sprintf("is not of the operation %s", op)})
		case !given && wanted && !optional:
			fields = append(fields, fault.Field{Path: "data." + name, Message: fmt.Sprintf("is needed for the operation %s", op)})
		}
	}
	member("role_id", d.RoleID != nil, op == AssignRole || op == RemoveRole, false)
	member("group_id", d.GroupID != nil, op == AddToGroup, false)
	member("valid_from", d.ValidFrom != nil, op == AssignRole, true)
	member("expires_at", d.ExpiresAt != nil, op == AssignRole, true)
	fields = append(fields, directory.CheckValidity(d.ValidFrom, d.ExpiresAt, "data.")...)
	if fields != nil {
		return fault.Invalid(fields...)
	}
	return nil
}

// Bulk says what came of a bulk call.
type Bulk struct {
	Operation Operation    `json:"operation"`
	Total     int          `json:"total"`
	Succeeded int          `json:"succeeded"`
	Skipped   int          `json:"skipped"`
	Failed    int          `json:"failed"`
	Results   []BulkResult `json:"results" doc:"In the order of user_ids."`
}

// BulkResult says what came of it for one account.
type BulkResult struct {
	UserID  uuid.UUID `json:"user_id"`
	Status  string    `json:"status" enum:"success,skipped,error"`
	Code    string    `json:"code,omitempty" doc:"Of an error, as in the error envelope."`
	Message string    `json:"message,omitempty"`
}

const (
	succeeded = "success"
	skipped   = "skipped"
	failed    = "error"
)

func (s *Service) bulk(ctx context.Context, in *BulkIn) (*Bulk, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	caller, _ := identity.PrincipalFrom(ctx)
	if in.Body.Operation == Delete && !s.Write.Engine.Permits(ctx, caller.HomeTenantID, caller.UserID, "users", "delete") {
		return nil, &fault.Error{
			Kind: fault.Denied, Message: "Deleting accounts needs delete on api/users.", Details: map[string]any{"required_permission": "api/users:delete"},
		}
	}
	var b *batch
	err := s.Write.Granting(ctx, "user.bulk_"+string(in.Body.Operation), func(w *change.Write) (_ granting.Change, err error) {
		if b, err = newBatch(ctx, w, in); err != nil {
			return granting.Change{}, err
		}
		return b.run()
	})
	if err != nil {
		return nil, err
	}
	return b.answer(), nil
}

// item is one account of a batch.
type item struct {
	result  BulkResult
	account *models.User
	change  granting.Change
	// denied is set where the granting rule refused, for the audit.
	denied error
	// due is set as long as the operation is to be done.
	due bool
}

func (i *item) fail(err error) {
	var f *fault.Error
	if !errors.As(err, &f) {
		return
	}
	i.due = false
	i.result.Status, i.result.Code, i.result.Message = failed, string(f.Kind), f.Message
}

func (i *item) skip(why string) {
	i.due = false
	i.result.Status, i.result.Message = skipped, why
}

// batch is a bulk call under way.
type batch struct {
	ctx    context.Context //nolint:containedctx // a batch lives inside one call
	w      *change.Write
	in     *BulkIn
	tenant uuid.UUID
	// roleOwner is the tenant of the role that is assigned.
	roleOwner uuid.UUID
	items     []*item
	has       map[uuid.UUID][]string
}

func newBatch(ctx context.Context, w *change.Write, in *BulkIn) (*batch, error) {
	b := &batch{ctx: ctx, w: w, in: in}
	b.tenant, _ = identity.TenantFrom(ctx)
	d := &in.Body.Data
	switch in.Body.Operation {
	case AssignRole:
		owners, err := directory.AssignableRoles(w, []uuid.UUID{*d.RoleID}, "data.role_id")
		if err != nil {
			return nil, err
		}
		b.roleOwner = owners[*d.RoleID]
	case AddToGroup:
		if _, err := crud.One[models.Group](w.Tx, b.tenant, *d.GroupID, "group"); err != nil {
			return nil, err
		}
	default:
	}
	for _, id := range in.Body.UserIDs {
		b.items = append(b.items, &item{result: BulkResult{UserID: id}})
	}
	return b, b.load()
}

// run decides for each account, does what may be done, and records all of it.
func (b *batch) run() (granting.Change, error) {
	b.plan()
	if err := b.judge(); err != nil {
		return granting.Change{}, err
	}
	if err := b.keepToLimit(); err != nil {
		return granting.Change{}, err
	}
	plain, weighed := b.split()
	if err := b.apply(plain); err != nil {
		return granting.Change{}, err
	}
	if err := b.applyWeighed(weighed); err != nil {
		return granting.Change{}, err
	}
	return b.change(), b.record()
}

// plan leaves out who is not there, is not meant or needs nothing, and says for
// all others what the operation is to the granting rule, as the call for a
// single account does.
func (b *batch) plan() {
	op, d := b.in.Body.Operation, &b.in.Body.Data
	for _, i := range b.items {
		m := i.account
		switch {
		case m == nil:
			i.fail(fault.NotFound("user"))
			continue
		case m.IsServiceAccount && b.in.Body.ExcludeServiceAccounts:
			i.skip("It is a service account.")
			continue
		}
		i.due = true
		has := b.has[m.ID]
		i.change = granting.Change{Accounts: []uuid.UUID{m.ID}, Handed: has}
		switch op {
		case Activate:
			if m.IsActive {
				i.skip("It is active already.")
			}
		case Deactivate:
			if !m.IsActive {
				i.skip("It is inactive already.")
			}
		case Delete:
			i.change.Removal = true
		case AssignRole:
			i.change.Handed = []string{rbac.Role(*d.RoleID)}
		case RemoveRole:
			i.change.Handed, i.change.Removal = []string{rbac.Role(*d.RoleID)}, true
			if !slices.Contains(has, i.change.Handed[0]) {
				i.skip("It does not have the role of its own.")
			}
		case AddToGroup:
			i.change.Handed = []string{rbac.Group(*d.GroupID)}
			if slices.Contains(has, i.change.Handed[0]) {
				i.skip("It is a member already.")
			}
		}
	}
}

// judge takes out what the actor may not do.
func (b *batch) judge() error {
	due := b.due()
	changes := make([]granting.Change, len(due))
	for n, i := range due {
		changes[n] = i.change
	}
	refusals, err := b.w.Judge.CheckEach(b.w.Tx, changes, b.has)
	if err != nil {
		return err
	}
	for n, refusal := range refusals {
		if refusal != nil {
			due[n].denied = refusal
			due[n].fail(refusal)
		}
	}
	return nil
}

// keepToLimit takes out whom the tenant has no room for.
func (b *batch) keepToLimit() error {
	if b.in.Body.Operation != Activate {
		return nil
	}
	left, limited, err := directory.Room(b.w.Tx, b.tenant)
	if err != nil || !limited {
		return err
	}
	for n, i := range b.due() {
		if int64(n) >= left {
			i.fail(directory.Full())
		}
	}
	return nil
}

func (b *batch) due() (due []*item) {
	for _, i := range b.items {
		if i.due {
			due = append(due, i)
		}
	}
	return due
}

// split tells the accounts whose loss could leave the tenant without an
// administrator from all others.
func (b *batch) split() (plain, weighed []*item) {
	adds := b.in.Body.Operation == Activate || b.in.Body.Operation == AddToGroup
	for _, i := range b.due() {
		if !adds && b.w.Judge.IsAdministrator(slices.Concat(b.has[i.account.ID], i.change.Handed)) {
			weighed = append(weighed, i)
		} else {
			plain = append(plain, i)
		}
	}
	return plain, weighed
}

// change is all that was done, for the granting rule to judge once more.
func (b *batch) change() (c granting.Change) {
	c.Removal = b.in.Body.Operation == Delete || b.in.Body.Operation == RemoveRole
	for _, i := range b.due() {
		c.Accounts = append(c.Accounts, i.account.ID)
		c.Handed = append(c.Handed, i.change.Handed...)
	}
	slices.Sort(c.Handed)
	c.Handed = slices.Compact(c.Handed)
	return c
}

func (b *batch) answer() *Bulk {
	out := &Bulk{Operation: b.in.Body.Operation, Total: len(b.items), Results: make([]BulkResult, len(b.items))}
	for n, i := range b.items {
		if i.due {
			i.result.Status = succeeded
		}
		switch i.result.Status {
		case succeeded:
			out.Succeeded++
		case skipped:
			out.Skipped++
		default:
			out.Failed++
		}
		out.Results[n] = i.result
	}
	return out
}
