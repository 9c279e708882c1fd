package approval

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

var (
	noon      = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	requester = uuid.MustParse("00000000-0000-4000-8000-0000000000c1")
	anna      = uuid.MustParse("00000000-0000-4000-8000-0000000000d1")
	ben       = uuid.MustParse("00000000-0000-4000-8000-0000000000d2")
	cora      = uuid.MustParse("00000000-0000-4000-8000-0000000000d3")
)

func hour(n int) time.Time { return noon.Add(time.Duration(n) * time.Hour) }

// chain parses levels with the ids of the tests' roles and user.
func chain(t require.TestingT, levels string) *Snapshot {
	parsed, wrong := ParseLevels(text(levels), 48, "")
	require.Empty(t, wrong)
	return &Snapshot{ID: uuid.New(), Name: "c", Mode: Gate, Levels: parsed}
}

func opened(t require.TestingT, levels string) Request {
	return Open(chain(t, levels), requester, requester, noon, nil, 0)
}

// as is an account that has held roles for a day.
func as(account uuid.UUID, roles ...uuid.UUID) Voter {
	v := Voter{Account: account, Roles: map[uuid.UUID]time.Time{}}
	for _, role := range roles {
		v.Roles[role] = hour(-24)
	}
	return v
}

func kinds(events []Event) (out []EventKind) {
	for _, e := range events {
		out = append(out, e.Kind)
	}
	return out
}

const twoLevels = `[{"level":1,"approver_role":"$m","timeout_hours":10},{"level":2,"approver_role":"$d","timeout_hours":20}]`

func TestDecide_GoesFromLevelToLevel(t *testing.T) {
	t.Parallel()
	r := opened(t, twoLevels)
	require.Equal(t, hour(10), r.DueAt)
	next, events, err := r.Decide(as(anna, managers), Approve, nil, hour(1))
	require.NoError(t, err)
	require.Equal(t, []Event{{Kind: Voted, Level: 1, At: hour(1)}, {Kind: LevelPassed, Level: 1, To: 2, At: hour(1)}}, events)
	require.Equal(t, Pending, next.Status)
	require.Equal(t, 2, next.Level)
	require.Equal(t, hour(21), next.DueAt)
	require.Equal(t, 1, r.Level, "the request that was asked is as it was")
	require.Empty(t, r.Votes)

	done, events, err := next.Decide(as(ben, directors), Approve, nil, hour(2))
	require.NoError(t, err)
	require.Equal(t, []EventKind{Voted, RequestApproved}, kinds(events))
	require.Equal(t, Approved, done.Status)
	require.Equal(t, hour(2), *done.DecidedAt)
	require.Nil(t, done.GrantExpiresAt, "nothing bounds it")
	require.Equal(t, []Vote{
		{Account: anna, Level: 1, Verdict: Approve, Entries: []int{0}},
		{Account: ben, Level: 2, Verdict: Approve, Entries: []int{0}},
	}, done.Votes)
	_, _, err = done.Decide(as(cora, directors), Deny, nil, hour(3))
	require.True(t, fault.Is(err, fault.ConflictKind))
}

func TestDecide_AFinalLevelEndsTheChain(t *testing.T) {
	t.Parallel()
	r := opened(t, `[{"level":1,"approver_role":"$m","final":true,"escalate_to_level":2},{"level":2,"approver_role":"$d"}]`)
	r, _, err := r.Decide(as(anna, managers), Approve, nil, hour(1))
	require.NoError(t, err)
	require.Equal(t, Approved, r.Status)
	require.Equal(t, 1, r.Level)
}

func TestDecide_OneDenialEndsIt(t *testing.T) {
	t.Parallel()
	r := opened(t, `[{"level":1,"approver_role":"$m","min_approvals":3}]`)
	r, _, err := r.Decide(as(anna, managers), Approve, nil, hour(1))
	require.NoError(t, err)
	require.Equal(t, Pending, r.Status)
	r, events, err := r.Decide(as(ben, managers), Deny, nil, hour(2))
	require.NoError(t, err)
	require.Equal(t, []EventKind{RequestDenied}, kinds(events))
	require.Equal(t, Denied, r.Status)
	require.Equal(t, hour(2), *r.DecidedAt)
	require.Nil(t, r.GrantExpiresAt)
}

func TestDecide_RefusesWhoeverIsNoApprover(t *testing.T) {
	t.Parallel()
	service, owner, delegate := uuid.New(), uuid.New(), uuid.New()
	people := &People{}
	people.Join(service, owner)
	people.Join(delegate, requester)
	fresh := as(anna, managers)
	fresh.Roles[managers] = noon
	robot := as(service, managers)
	robot.Service = true
	for name, v := range map[string]Voter{
		"no role":                        as(anna),
		"a role of the next level":       as(anna, directors),
		"a role since the request":       fresh,
		"the requester":                  as(requester, managers),
		"the requester's delegate":       as(delegate, managers),
		"in place of the requester":      {Account: anna, For: requester, Roles: as(requester, managers).Roles},
		"a service account":              robot,
		"a delegate of one without role": {Account: anna, For: ben, Roles: as(ben).Roles},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := opened(t, twoLevels)
			for _, verdict := range []Verdict{Approve, Deny, PassOn} {
				after, events, err := r.Decide(v, verdict, people, hour(1))
				require.True(t, fault.Is(err, fault.Denied), "%v", err)
				require.Empty(t, events)
				require.Equal(t, r, after)
			}
		})
	}
}

func TestDecide_TheBeneficiaryIsOneWithTheRequester(t *testing.T) {
	t.Parallel()
	robot, owner := uuid.New(), uuid.New()
	people := &People{}
	people.Join(robot, owner)
	r := Open(chain(t, twoLevels), requester, robot, noon, nil, 0)
	for _, account := range []uuid.UUID{robot, owner, requester} {
		_, _, err := r.Decide(as(account, managers), Approve, people, hour(1))
		require.True(t, fault.Is(err, fault.Denied))
	}
	_, _, err := r.Decide(as(anna, managers), Approve, people, hour(1))
	require.NoError(t, err)
}

func TestDecide_APersonDecidesOnceInARequest(t *testing.T) {
	t.Parallel()
	people := &People{}
	people.Join(anna, cora)
	both := opened(t, twoLevels)
	both, _, err := both.Decide(as(anna, managers), Approve, people, hour(1))
	require.NoError(t, err)
	for _, v := range []Voter{as(anna, directors), as(cora, directors), {Account: anna, For: ben, Roles: as(ben, directors).Roles}} {
		_, _, err = both.Decide(v, Approve, people, hour(2))
		require.True(t, fault.Is(err, fault.ConflictKind), "%v", err)
	}
	// Whoever spoke for another is one with them in this request, whatever becomes
	// of the delegation.
	r := opened(t, twoLevels)
	r, _, err = r.Decide(Voter{Account: anna, For: ben, Roles: as(ben, managers).Roles}, Approve, nil, hour(1))
	require.NoError(t, err)
	require.Equal(t, 2, r.Level)
	_, _, err = r.Decide(as(ben, directors), Approve, nil, hour(2))
	require.True(t, fault.Is(err, fault.ConflictKind))
	// Two who are one count as one.
	r = opened(t, `[{"level":1,"approver_role":"$m","min_approvals":2}]`)
	r, _, err = r.Decide(as(anna, managers), Approve, nil, hour(1))
	require.NoError(t, err)
	_, _, err = r.Decide(as(cora, managers), Approve, people, hour(2))
	require.True(t, fault.Is(err, fault.ConflictKind))
	r, _, err = r.Decide(as(ben, managers), Approve, people, hour(2))
	require.NoError(t, err)
	require.Equal(t, Approved, r.Status)
}

func TestDecide_NamedUsersNeedNoRole(t *testing.T) {
	t.Parallel()
	r := opened(t, `[{"level":1,"approvers":{"any_of":[{"user":"$l"}]}}]`)
	_, _, err := r.Decide(as(anna, managers, directors), Approve, nil, hour(1))
	require.True(t, fault.Is(err, fault.Denied))
	direct, _, err := r.Decide(as(lawyer), Approve, nil, hour(1))
	require.NoError(t, err)
	require.Equal(t, Approved, direct.Status)
	delegated, _, err := r.Decide(Voter{Account: anna, For: lawyer}, Approve, nil, hour(1))
	require.NoError(t, err)
	require.Equal(t, Approved, delegated.Status)
	// Its delegate's delegate speaks for the delegate, who is no approver.
	_, _, err = r.Decide(Voter{Account: cora, For: anna}, Approve, nil, hour(1))
	require.True(t, fault.Is(err, fault.Denied))
}

func TestDecide_NobodyCountsForTwoOfAllOf(t *testing.T) {
	t.Parallel()
	levels := `[{"level":1,"approvers":{"all_of":[{"role":"$m"},{"role":"$d"},{"user":"$l"}]}}]`
	all := as(anna, managers, directors)
	step := func(r Request, v Voter) Request {
		after, _, err := r.Decide(v, Approve, nil, hour(1))
		require.NoError(t, err)
		return after
	}
	r := step(opened(t, levels), all)
	require.Equal(t, Pending, r.Status)
	r = step(r, as(lawyer, managers))
	require.Equal(t, Pending, r.Status)
	// Anna stands for the directors, the lawyer for themselves: a manager lacks.
	require.Equal(t, 1, total(r.Chain.Level(1).Missing(r.Votes, nil)))
	done := step(r, as(ben, managers))
	require.Equal(t, Approved, done.Status)
	// Or for the managers, if a director comes: nobody is bound to their first seat.
	done = step(r, as(ben, directors))
	require.Equal(t, Approved, done.Status)
	require.Empty(t, done.Chain.Level(1).Missing(done.Votes, nil))
}

func total(missing map[int]int) (n int) {
	for _, lacks := range missing {
		n += lacks
	}
	return n
}

func TestDecide_AnyOfNeedsOneEntryInFull(t *testing.T) {
	t.Parallel()
	r := opened(t, `[{"level":1,"approvers":{"any_of":[{"role":"$m","min":2},{"role":"$d","min":2}]}}]`)
	for _, v := range []Voter{as(anna, managers), as(ben, directors)} {
		var err error
		r, _, err = r.Decide(v, Approve, nil, hour(1))
		require.NoError(t, err)
		require.Equal(t, Pending, r.Status, "one of each is none in full")
	}
	require.Equal(t, map[int]int{0: 1, 1: 1}, r.Chain.Level(1).Missing(r.Votes, nil))
	r, _, err := r.Decide(as(cora, directors), Approve, nil, hour(1))
	require.NoError(t, err)
	require.Equal(t, Approved, r.Status)
}

func TestExpire_EscalatesWhereTheChainSaysSo(t *testing.T) {
	t.Parallel()
	r := opened(t, `[{"level":1,"approver_role":"$m","timeout_hours":10,"escalate_to_level":3},{"level":2,"approver_role":"$m"},{"level":3,"approver_role":"$d","timeout_hours":5}]`)
	r, _, err := r.Decide(Voter{Account: lawyer}, Approve, nil, hour(1))
	require.True(t, fault.Is(err, fault.Denied))
	early, events := r.Expire(hour(10).Add(-time.Nanosecond))
	require.Equal(t, r, early)
	require.Empty(t, events)
	late, events := r.Expire(hour(12))
	require.Equal(t, []Event{{Kind: Escalated, Level: 1, To: 3, At: hour(10)}}, events)
	require.Equal(t, 3, late.Level)
	require.Equal(t, hour(15), late.DueAt, "the next level's time began when this one's ended")
	require.Equal(t, []Vote{{Level: 1, Verdict: PassOn}}, late.Votes)
	// Whoever decides after the time decides at the level where it stands then.
	_, _, err = r.Decide(as(anna, managers), Approve, nil, hour(12))
	require.True(t, fault.Is(err, fault.Denied))
	done, events, err := r.Decide(as(anna, directors), Approve, nil, hour(12))
	require.NoError(t, err)
	require.Equal(t, []EventKind{Escalated, Voted, RequestApproved}, kinds(events))
	require.Equal(t, Approved, done.Status)
	// The last level only expires.
	gone, events := r.Expire(hour(100))
	require.Equal(t, []EventKind{Escalated, RequestExpired}, kinds(events))
	require.Equal(t, Expired, gone.Status)
	require.Equal(t, hour(15), *gone.DecidedAt)
	_, _, err = r.Decide(as(anna, directors), Approve, nil, hour(15))
	require.True(t, fault.Is(err, fault.ConflictKind), "the moment itself is too late")
}

func TestExpire_KeepsLevelsPassedAndGivesNone(t *testing.T) {
	t.Parallel()
	r := opened(t, twoLevels)
	r, _, err := r.Decide(as(anna, managers), Approve, nil, hour(9))
	require.NoError(t, err)
	at, events := r.Expire(hour(28))
	require.Empty(t, events, "the second level has its own time")
	require.Equal(t, 2, at.Level)
	gone, _ := r.Expire(hour(29))
	require.Equal(t, Expired, gone.Status)
	require.Nil(t, gone.GrantExpiresAt)
}

func TestExpire_TheRequestsOwnEndComesFirst(t *testing.T) {
	t.Parallel()
	end := hour(10)
	r := Open(chain(t, `[{"level":1,"approver_role":"$m","timeout_hours":10,"escalate_to_level":2},{"level":2,"approver_role":"$d"}]`), requester, requester, noon, &end, 0)
	require.Equal(t, end, r.NextAt())
	gone, events := r.Expire(hour(10))
	require.Equal(t, []EventKind{RequestExpired}, kinds(events))
	require.Equal(t, Expired, gone.Status)
}

func TestEscalate_GoesWhereTheChainSaysAndCountsForNothing(t *testing.T) {
	t.Parallel()
	levels := `[{"level":1,"approver_role":"$m","escalate_to_level":2,"timeout_hours":10},{"level":2,"approver_role":"$d"}]`
	r, events, err := opened(t, levels).Decide(as(anna, managers, directors), PassOn, nil, hour(1))
	require.NoError(t, err)
	require.Equal(t, []Event{{Kind: Escalated, Level: 1, To: 2, At: hour(1)}}, events)
	require.Equal(t, Pending, r.Status)
	_, _, err = r.Decide(as(anna, managers, directors), Approve, nil, hour(2))
	require.True(t, fault.Is(err, fault.ConflictKind), "whoever hands it on has had their say")

	operator := uuid.New()
	r, events, err = opened(t, levels).Escalate(operator, nil, hour(1))
	require.NoError(t, err)
	require.Equal(t, []EventKind{Escalated}, kinds(events))
	_, _, err = r.Decide(as(operator, directors), Approve, nil, hour(2))
	require.True(t, fault.Is(err, fault.ConflictKind))
	_, _, err = r.Escalate(operator, nil, hour(2))
	require.True(t, fault.Is(err, fault.ConflictKind), "the last level escalates to none")
	_, _, err = r.Decide(as(ben, directors), PassOn, nil, hour(2))
	require.True(t, fault.Is(err, fault.ConflictKind))
	_, _, err = opened(t, levels).Escalate(requester, nil, hour(1))
	require.True(t, fault.Is(err, fault.Denied))
	_, _, err = opened(t, levels).Escalate(operator, nil, hour(1000))
	require.True(t, fault.Is(err, fault.ConflictKind))
}

func TestCancelAndRevoke_OnlyWhatStands(t *testing.T) {
	t.Parallel()
	r := opened(t, `[{"level":1,"approver_role":"$m","timeout_hours":10}]`)
	_, err := r.Revoke(hour(1))
	require.True(t, fault.Is(err, fault.ConflictKind))
	gone, err := r.Cancel(hour(1))
	require.NoError(t, err)
	require.Equal(t, Cancelled, gone.Status)
	_, err = gone.Cancel(hour(1))
	require.True(t, fault.Is(err, fault.ConflictKind))
	_, err = r.Cancel(hour(10))
	require.True(t, fault.Is(err, fault.ConflictKind), "it has expired")

	r.DurationHours = 5
	done, _, err := r.Decide(as(anna, managers), Approve, nil, hour(1))
	require.NoError(t, err)
	require.Equal(t, hour(6), *done.GrantExpiresAt)
	_, err = done.Cancel(hour(2))
	require.True(t, fault.Is(err, fault.ConflictKind))
	ended, err := done.Revoke(hour(2))
	require.NoError(t, err)
	require.Equal(t, Revoked, ended.Status)
	require.Equal(t, hour(2), *ended.GrantExpiresAt)
	_, err = ended.Revoke(hour(2))
	require.True(t, fault.Is(err, fault.ConflictKind))
	over, err := done.Revoke(hour(8))
	require.NoError(t, err)
	require.Equal(t, hour(6), *over.GrantExpiresAt, "it had ended before")
}

func TestGrantEnd_TakesTheEarlierEnd(t *testing.T) {
	t.Parallel()
	at := func(n int) *time.Time { end := hour(n); return &end }
	for name, c := range map[string]struct {
		longest, hours int
		expires, want  *time.Time
	}{
		"nothing bounds it":                {0, 0, nil, nil},
		"the hours asked for":              {0, 3, nil, at(3)},
		"the end asked for":                {0, 0, at(7), at(7)},
		"hours before the end":             {0, 3, at(7), at(3)},
		"the end before the hours":         {0, 9, at(7), at(7)},
		"the chain's longest":              {4, 9, nil, at(4)},
		"the chain's longest by default":   {4, 0, nil, at(4)},
		"less than the chain's longest":    {4, 2, nil, at(2)},
		"the end before the chain's":       {4, 0, at(1), at(1)},
		"the chain's longest and no later": {4, 0, at(9), at(4)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, (&Snapshot{MaxDurationHours: c.longest}).GrantEnd(noon, c.hours, c.expires))
		})
	}
}

func TestPeople_WhatIsOneWithTheSameIsOne(t *testing.T) {
	t.Parallel()
	var p People
	require.False(t, p.Same(anna, ben))
	p.Join(anna, ben)
	p.Join(ben, cora)
	p.Join(cora, anna)
	require.True(t, p.Same(anna, cora))
	require.False(t, p.Same(anna, lawyer))
	require.Equal(t, anna, (*People)(nil).Person(anna))
}
