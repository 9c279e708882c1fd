package granting

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/platform/db"
)

// Has returns the roles and groups that each of the accounts has itself, as
// nodes, whatever their validity.
func Has(tx *db.Tx, tenant uuid.UUID, accounts []uuid.UUID) (map[uuid.UUID][]string, error) {
	var rows []struct {
		UserID uuid.UUID
		Node   string
	}
	err := tx.Raw(`
SELECT user_id, 'role:' || role_id AS node
FROM sentinel.user_roles
WHERE tenant_id = @tenant
AND user_id = ANY(CAST(@users AS uuid[]))
UNION
SELECT user_id, 'group:' || group_id
FROM sentinel.user_groups
WHERE tenant_id = @tenant
AND user_id = ANY(CAST(@users AS uuid[]))`,
		map[string]any{"tenant": tenant, "users": db.UUIDs(accounts)}).Scan(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("find roles of accounts: %w", err)
	}
	has := make(map[uuid.UUID][]string, len(accounts))
	for _, r := range rows {
		has[r.UserID] = append(has[r.UserID], r.Node)
	}
	return has, nil
}

// CheckEach judges many writes before any of them is made, each as if it were
// made alone: writes that change one account's own rows, an assignment, a
// membership, state, deletion, and so leave the graph as it is. Every change
// names one account, and in Handed all that it gives or takes. has is what [Has]
// found for those accounts. It returns a fault, or nil, for each change, in order.
//
// It does not ask whether an administrator stays, which depends on all of them
// together: see [Judge.KeepsAdministrator]. Those that are made are judged once
// more, by [Judge.Check].
func (j *Judge) CheckEach(tx *db.Tx, changes []Change, has map[uuid.UUID][]string) ([]error, error) {
	var nodes []string
	for i := range changes {
		if c := &changes[i]; len(c.Accounts) != 1 || len(c.Nodes)+len(c.Content)+len(c.Permissions) > 0 {
			return nil, fmt.Errorf("judge each: change %d is not of one account's own rows", i)
		}
		nodes = append(nodes, has[changes[i].Accounts[0]]...)
		if !changes[i].Removal {
			nodes = append(nodes, changes[i].Handed...)
		}
	}
	slices.Sort(nodes)
	var dormant map[string][]string
	var deciders deciders
	if !j.admin {
		var err error
		if dormant, err = j.inactive(tx, slices.Compact(nodes)); err != nil {
			return nil, err
		}
		if deciders, err = j.deciders(tx, Change{Handed: nodes}); err != nil {
			return nil, err
		}
	}
	e := each{Judge: j, dormant: dormant, deciding: deciders, operator: map[string]bool{}, touch: map[string][]string{}, hand: map[string][]string{}}
	out := make([]error, len(changes))
	for i := range changes {
		out[i] = e.judge(&changes[i], has[changes[i].Accounts[0]])
	}
	return out, nil
}

// each judges changes one by one, and every node once: accounts of one tenant
// have much in common.
type each struct {
	*Judge
	dormant map[string][]string
	// deciding are the roles whose decisions the actor may not hand out.
	deciding deciders
	// operator says of a node whether it has super_admin; touch and hand are what
	// the actor lacks to touch a holder of it, and to give it.
	operator    map[string]bool
	touch, hand map[string][]string
}

func (e *each) judge(c *Change, direct []string) error {
	nodes := slices.Concat(direct, c.Handed)
	if !e.Judge.operator && slices.ContainsFunc(nodes, e.isOperator) {
		return refused([]string{SuperAdmin})
	}
	if e.admin {
		return nil
	}
	if !c.Removal {
		behind := map[string][]string{}
		for _, key := range nodes {
			behind[key] = e.dormant[key]
		}
		if err := e.plants(behind, *c); err != nil {
			return err
		}
	}
	var missing []string
	for _, key := range direct {
		missing = append(missing, e.toTouch(key)...)
	}
	for _, key := range c.Handed {
		missing = append(missing, e.toHand(key)...)
	}
	if len(missing) > 0 {
		return refused(missing)
	}
	if c.Accounts[0] != e.actor || c.Removal && e.givesUp(direct, c.Handed) {
		return nil
	}
	return ownGain()
}

func (e *each) isOperator(key string) bool {
	is, known := e.operator[key]
	if !known {
		is = e.before.Reaches([]string{key}, SuperAdmin)
		e.operator[key] = is
	}
	return is
}

func (e *each) toTouch(key string) []string {
	missing, known := e.touch[key]
	if !known {
		for _, g := range e.before.Implied([]string{key}) {
			if g.IsAPI() && !e.holds(g) {
				missing = append(missing, Describe(g)...)
			}
		}
		e.touch[key] = missing
	}
	return missing
}

func (e *each) toHand(key string) []string {
	missing, known := e.hand[key]
	if !known {
		missing = slices.Clone(e.toTouch(key))
		for _, role := range e.before.EntryRoles([]string{key}) {
			if role.IsAssignable && role.Priority < e.priority {
				continue
			}
			missing = append(missing, e.deciding.among(e.before, []string{rbac.Role(role.ID)})...)
			for _, g := range e.before.Implied([]string{rbac.Role(role.ID)}) {
				if !e.holds(g) {
					missing = append(missing, Describe(g)...)
				}
			}
		}
		e.hand[key] = missing
	}
	return missing
}

// givesUp reports whether the actor's account is under every restraint still when it
// has gone without what it gives away.
func (e *each) givesUp(direct, handed []string) bool {
	left := slices.DeleteFunc(slices.Clone(direct), func(key string) bool { return slices.Contains(handed, key) })
	return !more(e.own, weigh(e.before, left), restrains)
}

// IsAdministrator reports whether an account with one of the nodes is, as far as
// they go, a tenant_admin: one whose loss has to be weighed.
func (j *Judge) IsAdministrator(nodes []string) bool {
	return j.before.Reaches(nodes, TenantAdmin) || j.before.Reaches(nodes, SuperAdmin)
}

// KeepsAdministrator refuses what was written so far if it takes the tenant's
// last administrator, as [Judge.Check] would.
func (j *Judge) KeepsAdministrator(tx *db.Tx, now time.Time) error {
	after, err := j.after(tx)
	if err != nil {
		return err
	}
	return j.keepsAdministrator(tx, after, now)
}
