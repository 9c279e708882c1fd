package accessrequest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/sentinel-access/sentinel/internal/engine/approval"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/models"
)

// link makes two accounts one person.
type link struct{ A, B uuid.UUID }

// ties are what makes accounts one person: an owner and their service accounts,
// and at a moment a delegator and their delegate.
type ties struct{ owned, lent []link }

// tiesOf returns the ties of some accounts to others. It goes no further than
// that: by lending their word left and right nobody makes one person of others.
func tiesOf(tx *db.Tx, tenant uuid.UUID, accounts []uuid.UUID, now time.Time) (t ties, err error) {
	if t.owned, err = owned(tx, tenant, accounts); err != nil {
		return t, err
	}
	err = tx.Raw(`
SELECT from_user AS a, to_user AS b
FROM sentinel.approval_delegations
WHERE tenant_id = @tenant
AND (from_user = ANY(CAST(@accounts AS uuid[])) OR to_user = ANY(CAST(@accounts AS uuid[])))
AND starts_at <= @now
AND ends_at > @now`, map[string]any{"tenant": tenant, "accounts": db.UUIDs(joined(accounts, t.owned)), "now": now}).Scan(&t.lent).Error
	if err != nil {
		return t, fmt.Errorf("find delegations: %w", err)
	}
	return t, nil
}

// owned ties service accounts to their owners, as far as one of the accounts or
// of their owners goes.
func owned(tx *db.Tx, tenant uuid.UUID, accounts []uuid.UUID) (out []link, err error) {
	err = tx.Raw(`
SELECT id AS a, owner_id AS b
FROM sentinel.users
WHERE tenant_id = @tenant
AND owner_id IS NOT NULL
AND (id = ANY(CAST(@accounts AS uuid[])) OR owner_id = ANY(CAST(@accounts AS uuid[])) OR owner_id IN (
  SELECT owner_id
  FROM sentinel.users
  WHERE tenant_id = @tenant
  AND id = ANY(CAST(@accounts AS uuid[]))))`, map[string]any{"tenant": tenant, "accounts": db.UUIDs(accounts)}).Scan(&out).Error
	if err != nil {
		return nil, fmt.Errorf("find owners of service accounts: %w", err)
	}
	return out, nil
}

// joined adds to accounts those that links name, in order and each once.
func joined(accounts []uuid.UUID, links ...[]link) []uuid.UUID {
	out := slices.Clone(accounts)
	for _, list := range links {
		for _, l := range list {
			out = append(out, l.A, l.B)
		}
	}
	slices.SortFunc(out, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	return slices.Compact(out)
}

// persons returns the accounts that are the same as one of some by ownership,
// and all that count as one person with them at now, those included.
func persons(tx *db.Tx, tenant uuid.UUID, accounts []uuid.UUID, now time.Time) (same, all []uuid.UUID, err error) {
	t, err := tiesOf(tx, tenant, accounts, now)
	if err != nil {
		return nil, nil, err
	}
	same = joined(accounts, t.owned)
	further, err := owned(tx, tenant, joined(same, t.lent))
	return same, joined(same, t.lent, further), err
}

// peopleOf joins the accounts that count as one person, as far as a request and
// one voter go: the two who ask and gain, who has spoken, and the voter, with
// those whom they own or are owned by. Those who counted as one when the request
// was made do so still.
func (t *ties) peopleOf(d *approval.Details, r *approval.Request, v approval.Voter) *approval.People {
	people := &approval.People{}
	concerned := map[uuid.UUID]bool{r.Requester: true, r.Beneficiary: true, v.Account: true, v.For: true}
	for _, vote := range r.Votes {
		concerned[vote.Account], concerned[vote.For] = true, true
	}
	for range 2 { // from a service account to its owner, and on to their others
		for _, l := range t.owned {
			people.Join(l.A, l.B)
			if concerned[l.A] || concerned[l.B] {
				concerned[l.A], concerned[l.B] = true, true
			}
		}
	}
	for _, l := range t.lent {
		if concerned[l.A] && concerned[l.B] {
			people.Join(l.A, l.B)
		}
	}
	for _, id := range d.Persons {
		if concerned[id] {
			people.Join(r.Requester, id)
		}
	}
	return people
}

// tiesTo returns the ties of all whom a request and some voters concern.
func tiesTo(tx *db.Tx, m *models.AccessRequest, r *approval.Request, voters []approval.Voter, now time.Time) (ties, error) {
	accounts := []uuid.UUID{r.Requester, r.Beneficiary}
	for _, v := range r.Votes {
		accounts = append(accounts, v.Account, v.For)
	}
	for _, v := range voters {
		accounts = append(accounts, v.Account, v.For)
	}
	return tiesOf(tx, m.TenantID, joined(accounts), now)
}

// delegators returns the people for whom the account may decide at now: those
// who can act and have not handed on what they were lent themselves, since only their
// own word is theirs to lend.
func delegators(tx *db.Tx, tenant, account uuid.UUID, now time.Time) ([]uuid.UUID, error) {
	var out []uuid.UUID
	err := tx.Raw(`
SELECT d.from_user
FROM sentinel.approval_delegations d
JOIN sentinel.users u ON u.tenant_id = d.tenant_id AND u.id = d.from_user
WHERE d.tenant_id = @tenant
AND d.to_user = @account
AND d.starts_at <= @now
AND d.ends_at > @now
AND u.is_active
AND NOT u.is_service_account
AND (u.locked_until IS NULL OR u.locked_until <= @now)
GROUP BY d.from_user
ORDER BY min(d.created_at), d.from_user`, map[string]any{"tenant": tenant, "account": account, "now": now}).Scan(&out).Error
	if err != nil {
		return nil, fmt.Errorf("find delegators: %w", err)
	}
	return out, nil
}

// voices are what the account may say at a request now: its own word first, then
// that of each of its delegators. It is none for an account that cannot act.
func voices(tx *db.Tx, tenant, account uuid.UUID, roles []uuid.UUID, now time.Time) ([]approval.Voter, error) {
	var u models.User
	err := tx.Where("tenant_id = ? AND id = ?", tenant, account).Take(&u).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find approver: %w", err)
	}
	if !u.IsActive || u.LockedUntil != nil && u.LockedUntil.After(now) {
		return nil, nil
	}
	lent, err := delegators(tx, tenant, account, now)
	if err != nil {
		return nil, err
	}
	held, err := held(tx, tenant, roles, append([]uuid.UUID{account}, lent...), now, 0)
	if err != nil {
		return nil, err
	}
	out := []approval.Voter{{Account: account, Service: u.IsServiceAccount, Roles: held[account]}}
	for _, from := range lent {
		out = append(out, approval.Voter{Account: account, For: from, Service: u.IsServiceAccount, Roles: held[from]})
	}
	return out, nil
}

// held returns since when each account has each of the roles. accounts may be
// nil for whoever has them, at most most.
func held(tx *db.Tx, tenant uuid.UUID, roles, accounts []uuid.UUID, now time.Time, most int) (map[uuid.UUID]map[uuid.UUID]time.Time, error) {
	if accounts != nil {
		most = len(accounts) * len(roles)
	}
	list, err := directory.Holders(tx, tenant, roles, accounts, now, most)
	if err != nil {
		return nil, err
	}
	out := map[uuid.UUID]map[uuid.UUID]time.Time{}
	for _, h := range list {
		if out[h.UserID] == nil {
			out[h.UserID] = map[uuid.UUID]time.Time{}
		}
		out[h.UserID][h.RoleID] = h.Since
	}
	return out, nil
}

// Decider is somebody who may decide a request now.
type Decider struct {
	UserID      uuid.UUID  `json:"user_id"`
	DisplayName string     `json:"display_name"`
	For         *uuid.UUID `json:"for,omitempty" doc:"The account in whose place they decide while it is away."`

	// email is empty where none is verified.
	email string
}

const (
	// mostCandidates bounds the holders of a level's roles who are looked at, and
	// mostDeciders those who are told, and shown.
	mostCandidates = 500
	mostDeciders   = 50
)

// deciders returns the people who may decide a pending request now, each once:
// those who may by themselves first, then delegates.
func deciders(tx *db.Tx, m *models.AccessRequest, d *approval.Details, r *approval.Request, now time.Time) ([]Decider, error) {
	if r.Status != approval.Pending {
		return []Decider{}, nil
	}
	candidates, err := candidates(tx, m.TenantID, r, now)
	if err != nil {
		return nil, err
	}
	t, err := tiesTo(tx, m, r, candidates, now)
	if err != nil {
		return nil, err
	}
	found := make([]Decider, 0, mostDeciders)
	ids := []uuid.UUID{}
	for _, v := range candidates {
		if _, err := r.Eligible(v, t.peopleOf(d, r, v)); err != nil || slices.Contains(ids, v.Account) || len(ids) == mostDeciders {
			continue
		}
		ids = append(ids, v.Account)
		one := Decider{UserID: v.Account}
		if v.For != uuid.Nil {
			one.For = &v.For
		}
		found = append(found, one)
	}
	return named(tx, m.TenantID, found, ids)
}

// candidates are voters for the current level, of whom the rules of the chain may
// yet refuse some.
func candidates(tx *db.Tx, tenant uuid.UUID, r *approval.Request, now time.Time) ([]approval.Voter, error) {
	roles, users := levelApprovers(r)
	holders, err := held(tx, tenant, roles, nil, now, mostCandidates)
	if err != nil {
		return nil, err
	}
	accounts := slices.Clone(users)
	for id := range holders {
		accounts = append(accounts, id)
	}
	slices.SortFunc(accounts, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	accounts = slices.Compact(accounts)
	var usable []uuid.UUID
	err = tx.Model(&models.User{}).Where("tenant_id = ? AND id = ANY(CAST(? AS uuid[])) AND is_active AND NOT is_service_account", tenant, db.UUIDs(accounts)).
		Where("(locked_until IS NULL OR locked_until <= ?)", now).Order("id").Pluck("id", &usable).Error
	if err != nil {
		return nil, fmt.Errorf("find approvers: %w", err)
	}
	out := make([]approval.Voter, 0, len(usable))
	for _, id := range usable {
		out = append(out, approval.Voter{Account: id, Roles: holders[id]})
	}
	var lent []models.ApprovalDelegation
	err = tx.Where(`tenant_id = ? AND from_user = ANY(CAST(? AS uuid[])) AND starts_at <= ? AND ends_at > ?
AND to_user IN (SELECT id FROM sentinel.users WHERE tenant_id = ? AND is_active AND NOT is_service_account AND (locked_until IS NULL OR locked_until <= ?))`,
		tenant, db.UUIDs(usable), now, now, tenant, now).
		Order("created_at, id").Limit(mostCandidates).Find(&lent).Error
	if err != nil {
		return nil, fmt.Errorf("find delegates: %w", err)
	}
	for _, l := range lent {
		out = append(out, approval.Voter{Account: l.ToUser, For: l.FromUser, Roles: holders[l.FromUser]})
	}
	return out, nil
}

// levelApprovers are the roles and users whom the current level names.
func levelApprovers(r *approval.Request) (roles, users []uuid.UUID) {
	for _, a := range r.Chain.Level(r.Level).Approvers.Entries() {
		if a.Role != uuid.Nil {
			roles = append(roles, a.Role)
		} else {
			users = append(users, a.User)
		}
	}
	return roles, users
}

// named adds what people are called, and where they get mails.
func named(tx *db.Tx, tenant uuid.UUID, list []Decider, ids []uuid.UUID) ([]Decider, error) {
	if len(list) == 0 {
		return list, nil
	}
	var users []models.User
	if err := tx.Select("id", "display_name", "email", "email_verified_at").Where("tenant_id = ? AND id IN ?", tenant, ids).Find(&users).Error; err != nil {
		return nil, fmt.Errorf("find names of approvers: %w", err)
	}
	at := make(map[uuid.UUID]*models.User, len(users))
	for i := range users {
		at[users[i].ID] = &users[i]
	}
	for i := range list {
		if u := at[list[i].UserID]; u != nil {
			list[i].DisplayName, list[i].email = u.DisplayName, verified(u)
		}
	}
	return list, nil
}

func verified(u *models.User) string {
	if u.EmailVerifiedAt == nil {
		return ""
	}
	return u.Email
}
