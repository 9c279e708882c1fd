package approvalchain

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/approval"
	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/models"
)

const (
	// longestWaiting is how many requests the status shows.
	longestWaiting = 20
	// seatsAtMost is how many people a level can ask for together: of more
	// approvers of one role nobody needs to be looked at.
	seatsAtMost = approval.MaxApprovers * approval.MaxMin
)

// Status says how it stands with a chain.
type Status struct {
	IsActive bool `json:"is_active"`
	// Requests are counted by their status.
	Requests              map[string]int64 `json:"requests" doc:"How many there are, by status: pending, approved, denied, expired, cancelled, revoked."`
	MedianDecisionSeconds *int64           `json:"median_decision_seconds" nullable:"true" doc:"From the request to the approval or denial; null while there is none. What the chain's conditions approved is left out."`
	Waiting               []Waiting        `json:"waiting" nullable:"false" doc:"Requests that wait, the oldest 20."`
	Levels                []LevelStatus    `json:"levels" nullable:"false"`
}

// Waiting is a request that waits.
type Waiting struct {
	ID           uuid.UUID  `json:"id"`
	CurrentLevel int        `json:"current_level"`
	LevelDueAt   *time.Time `json:"level_due_at" nullable:"true" doc:"When the level's time is over."`
	CreatedAt    time.Time  `json:"created_at"`
}

// LevelStatus says how it stands with a level.
type LevelStatus struct {
	Level     int              `json:"level"`
	Pending   int64            `json:"pending" doc:"Requests that wait at this level."`
	Enough    bool             `json:"enough_approvers" doc:"Whether there are enough people now, whoever asks left aside."`
	Approvers []ApproverStatus `json:"approvers" nullable:"false"`
}

// ApproverStatus says how many people an entry of a level has.
type ApproverStatus struct {
	Role     *uuid.UUID `json:"role,omitempty"`
	User     *uuid.UUID `json:"user,omitempty"`
	Min      int        `json:"min"`
	Eligible int64      `json:"eligible" doc:"People who hold the role now, or 1 for a user; inactive and locked accounts and service accounts do not count."`
}

func (s *Service) status(ctx context.Context, in *IDIn) (out *Status, err error) {
	tenant, _ := identity.TenantFrom(ctx)
	now := s.Write.Engine.Now()
	err = s.Write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		m, err := crud.One[models.ApprovalChain](tx, tenant, in.ID, what)
		if err != nil {
			return err
		}
		r := statusReader{Tx: tx, tenant: tenant, chain: m.ID, now: now}
		out = &Status{IsActive: m.IsActive, Waiting: []Waiting{}}
		if err := r.requests(out); err != nil {
			return err
		}
		out.Levels, err = r.levels(m)
		return err
	})
	return out, err
}

// statusReader reads what belongs to a chain in one transaction.
type statusReader struct {
	*db.Tx
	tenant, chain uuid.UUID
	now           time.Time
}

func (r *statusReader) scan(into any, sql string, more map[string]any) error {
	args := map[string]any{"tenant": r.tenant, "chain": r.chain, "now": r.now, "longest": longestWaiting}
	maps.Copy(args, more)
	if err := r.Raw(sql, args).Scan(into).Error; err != nil {
		return fmt.Errorf("read the status of an approval chain: %w", err)
	}
	return nil
}

func (r *statusReader) requests(out *Status) error {
	var counts []struct {
		Status string
		N      int64
	}
	if err := r.scan(&counts, `SELECT status, count(*) AS n FROM sentinel.access_requests WHERE tenant_id = @tenant AND chain_id = @chain GROUP BY status`, nil); err != nil {
		return err
	}
	out.Requests = map[string]int64{"pending": 0, "approved": 0, "denied": 0, "expired": 0, "cancelled": 0, "revoked": 0}
	for _, c := range counts {
		out.Requests[c.Status] = c.N
	}
	err := r.scan(&out.MedianDecisionSeconds, `
SELECT CAST(percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM decided_at - created_at)) AS bigint)
FROM sentinel.access_requests
WHERE tenant_id = @tenant
AND chain_id = @chain
AND status IN ('approved', 'denied', 'revoked')
AND NOT auto_approved
AND decided_at IS NOT NULL`, nil)
	if err != nil {
		return err
	}
	return r.scan(&out.Waiting, `
SELECT id, current_level, level_due_at, created_at
FROM sentinel.access_requests
WHERE tenant_id = @tenant
AND chain_id = @chain
AND status = 'pending'
ORDER BY created_at, id
LIMIT @longest`, nil)
}

func (r *statusReader) levels(m *models.ApprovalChain) ([]LevelStatus, error) {
	stored, _ := approval.ParseLevels(m.ApprovalLevels, 0, "")
	var waiting []struct {
		Level int
		N     int64
	}
	err := r.scan(&waiting, `
SELECT current_level AS level, count(*) AS n
FROM sentinel.access_requests
WHERE tenant_id = @tenant
AND chain_id = @chain
AND status = 'pending'
GROUP BY current_level`, nil)
	if err != nil {
		return nil, err
	}
	out := make([]LevelStatus, len(stored))
	for i := range stored {
		l := &stored[i]
		out[i] = LevelStatus{Level: l.Number, Approvers: []ApproverStatus{}}
		for _, w := range waiting {
			if w.Level == l.Number {
				out[i].Pending = w.N
			}
		}
		if err := r.approvers(l, &out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// approvers counts for each entry of a level who may speak as it, and whether
// all of them are enough for the level.
func (r *statusReader) approvers(l *approval.Level, out *LevelStatus) error {
	people := map[uuid.UUID][]int{}
	for place, a := range l.Approvers.Entries() {
		one := ApproverStatus{Min: a.Min}
		var found []uuid.UUID
		var err error
		if a.Role != uuid.Nil {
			one.Role = &a.Role
			found, one.Eligible, err = r.holders(a.Role)
		} else {
			one.User = &a.User
			found, one.Eligible, err = r.person(a.User)
		}
		if err != nil {
			return err
		}
		for _, id := range found {
			people[id] = append(people[id], place)
		}
		out.Approvers = append(out.Approvers, one)
	}
	out.Enough = l.Enough(slices.Collect(maps.Values(people)))
	return nil
}

// holders are those who have a role now by whatever path, as many as a level can
// ask for, and how many there are.
func (r *statusReader) holders(role uuid.UUID) (found []uuid.UUID, total int64, err error) {
	list, err := directory.Holders(r.Tx, r.tenant, []uuid.UUID{role}, nil, r.now, seatsAtMost)
	if err != nil {
		return nil, 0, err
	}
	for _, h := range list {
		found = append(found, h.UserID)
	}
	if len(found) < seatsAtMost {
		return found, int64(len(found)), nil
	}
	total, err = directory.CountHolders(r.Tx, r.tenant, role, r.now)
	return found, total, err
}

// person is a user who can be an approver now, none where they cannot.
func (r *statusReader) person(user uuid.UUID) (found []uuid.UUID, total int64, err error) {
	err = r.scan(&found, `
SELECT id
FROM sentinel.users
WHERE tenant_id = @tenant
AND id = @user
AND is_active
AND NOT is_service_account
AND (locked_until IS NULL OR locked_until <= @now)`, map[string]any{"user": user})
	return found, int64(len(found)), err
}
