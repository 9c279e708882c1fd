package approval

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// world is a chain, and people of some accounts each. The first is whoever asks.
type world struct {
	chain    *Snapshot
	accounts []uuid.UUID
	people   *People
	roles    []uuid.UUID
}

func drawWorld(t *rapid.T) *world {
	w := &world{people: &People{}}
	for i := range 3 {
		w.roles = append(w.roles, uuid.UUID{1, byte(i + 1)})
	}
	for i := range 8 {
		w.accounts = append(w.accounts, uuid.UUID{2, byte(i + 1)})
	}
	for range rapid.IntRange(0, 4).Draw(t, "joins") {
		w.people.Join(w.account(t), w.account(t))
	}
	n := rapid.IntRange(1, 4).Draw(t, "levels")
	specs := make([]LevelSpec, n)
	for i := range specs {
		var list []ApproverSpec
		for _, e := range rapid.SliceOfNDistinct(rapid.IntRange(0, 5), 1, 3, rapid.ID[int]).Draw(t, "entries") {
			if e < len(w.roles) {
				list = append(list, ApproverSpec{Role: &w.roles[e], Min: rapid.IntRange(1, 3).Draw(t, "min")})
			} else {
				list = append(list, ApproverSpec{User: &w.accounts[e]})
			}
		}
		specs[i] = LevelSpec{Level: i + 1, TimeoutHours: rapid.IntRange(1, 5).Draw(t, "timeout"), Final: rapid.Bool().Draw(t, "final")}
		specs[i].Approvers = &ApproversSpec{AnyOf: list}
		if rapid.Bool().Draw(t, "all") {
			specs[i].Approvers = &ApproversSpec{AllOf: list}
		}
		if i+1 < n && rapid.Bool().Draw(t, "escalates") {
			specs[i].EscalateToLevel = rapid.IntRange(i+2, n).Draw(t, "to")
		}
	}
	levels, wrong := NewLevels(specs, 48, "")
	require.Empty(t, wrong)
	w.chain = &Snapshot{Levels: levels}
	return w
}

func (w *world) account(t *rapid.T) uuid.UUID {
	return rapid.SampledFrom(w.accounts).Draw(t, "account")
}

func (w *world) voter(t *rapid.T) Voter {
	v := Voter{Account: w.account(t), Roles: map[uuid.UUID]time.Time{}}
	if rapid.IntRange(0, 3).Draw(t, "delegated") == 0 {
		v.For = w.account(t)
	}
	v.Service = rapid.IntRange(0, 9).Draw(t, "service") == 0
	for _, role := range w.roles {
		if rapid.Bool().Draw(t, "holds") {
			v.Roles[role] = noon.Add(time.Duration(rapid.IntRange(-2, 1).Draw(t, "since")) * time.Hour)
		}
	}
	return v
}

// Whatever happens in whatever order, a request is approved only by enough
// people at each level that was not passed over, none of them whoever asks and
// none of them twice; and what has happened stays.
func TestRequest_IsApprovedByEnoughOthersOnly(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		r := Open(w.chain, w.accounts[0], w.accounts[1], noon, nil, 0)
		now := noon
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 90).Draw(t, "minutes")) * time.Minute)
			before, v := r, w.voter(t)
			var events []Event
			var err error
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0:
				r, events = r.Expire(now)
			case 1:
				r, events, err = r.Escalate(v.Account, w.people, now)
			case 2:
				r, events, err = r.Decide(v, PassOn, w.people, now)
			case 3:
				r, events, err = r.Decide(v, Deny, w.people, now)
			default:
				r, events, err = r.Decide(v, Approve, w.people, now)
			}
			if err != nil {
				require.Equal(t, before, r, "what is refused changes nothing")
				require.Empty(t, events)
			}
			w.goesOn(t, before, r)
		}
		w.settledBy(t, r)
	})
}

// goesOn holds a step to what was before it.
func (w *world) goesOn(t *rapid.T, before, after Request) {
	require.GreaterOrEqual(t, after.Level, before.Level)
	require.GreaterOrEqual(t, len(after.Votes), len(before.Votes))
	require.True(t, slices.EqualFunc(before.Votes, after.Votes[:len(before.Votes)], func(a, b Vote) bool { return reflect.DeepEqual(a, b) }))
	if before.Status != Pending {
		require.Equal(t, before, after)
	}
}

// settledBy counts the votes anew, person by person.
func (w *world) settledBy(t *rapid.T, r Request) {
	one := r.join(w.people, Voter{})
	spoke := map[uuid.UUID]bool{}
	for _, vote := range r.Votes {
		if vote.Account == uuid.Nil {
			continue
		}
		person := one.Person(vote.Account)
		require.True(t, vote.Verdict == PassOn || !spoke[person], "a person who had their say has decided")
		spoke[person] = true
		require.NotEqual(t, one.Person(r.Requester), person)
		require.NotEqual(t, one.Person(r.Beneficiary), person)
		require.True(t, vote.Verdict != Deny || r.Status == Denied)
	}
	over := map[int]bool{}
	for _, vote := range r.Votes {
		if vote.Verdict == PassOn {
			over[vote.Level] = true
			to := r.Chain.Level(vote.Level).EscalateTo
			require.NotZero(t, to, "a level that escalates nowhere was passed over")
			for n := vote.Level + 1; n < to; n++ {
				over[n] = true
			}
		}
	}
	for n := 1; n <= r.Level; n++ {
		reached := n < r.Level || r.Status == Approved
		require.True(t, over[n] || !reached || w.enough(r.Chain.Level(n), r.Votes), "level %d has not agreed", n)
	}
	if r.Status == Approved {
		require.True(t, r.Chain.Level(r.Level).Final)
		require.False(t, over[r.Level])
	}
}

// enough tries every way of giving each vote of the level one entry or none.
func (w *world) enough(l *Level, votes []Vote) bool {
	var mine []Vote
	for _, v := range votes {
		if v.Level == l.Number && v.Verdict == Approve {
			mine = append(mine, v)
		}
	}
	entries := l.Approvers.Entries()
	var try func(i int, got []int) bool
	try = func(i int, got []int) bool {
		full := 0
		for e := range entries {
			if got[e] >= entries[e].Min {
				full++
			}
		}
		if full == len(entries) || full > 0 && len(l.Approvers.AnyOf) > 0 {
			return true
		}
		if i == len(mine) {
			return false
		}
		for _, e := range mine[i].Entries {
			next := slices.Clone(got)
			next[e]++
			if try(i+1, next) {
				return true
			}
		}
		return try(i+1, got)
	}
	return try(0, make([]int, len(entries)))
}

// Enough people are never taken for too few, whatever the order in which they
// come: that is what the matching is for.
func TestLevel_CountsAsEveryWayOfSeatingDoes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var w world
		list := make([]Approver, rapid.IntRange(2, 4).Draw(t, "approvers"))
		places := make([]int, len(list))
		for i := range list {
			list[i].Min, places[i] = rapid.IntRange(1, 2).Draw(t, "min"), i
		}
		l := &Level{Number: 1, Approvers: Approvers{AllOf: list}}
		if rapid.IntRange(0, 4).Draw(t, "any") == 0 {
			l.Approvers = Approvers{AnyOf: list}
		}
		var votes []Vote
		for i := range rapid.IntRange(0, 7).Draw(t, "votes") {
			order := rapid.Permutation(places).Draw(t, "order")
			entries := order[:rapid.IntRange(1, len(order)).Draw(t, "entries")]
			votes = append(votes, Vote{Account: uuid.UUID{3, byte(i)}, Level: 1, Verdict: Approve, Entries: entries})
		}
		require.Equal(t, w.enough(l, votes), l.met(votes, nil), fmt.Sprint(votes))
	})
}

// Time moves a request on in the same way whether one looks once or often.
func TestExpire_IsTheSameHoweverOftenOneLooks(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		var end *time.Time
		if rapid.Bool().Draw(t, "ends") {
			at := noon.Add(time.Duration(rapid.IntRange(1, 900).Draw(t, "end")) * time.Minute)
			end = &at
		}
		r := Open(w.chain, w.accounts[0], w.accounts[0], noon, end, 0)
		last := noon.Add(time.Duration(rapid.IntRange(0, 1500).Draw(t, "last")) * time.Minute)
		once, all := r.Expire(last)
		often, seen := r, []Event(nil)
		for at := noon; at.Before(last); at = at.Add(time.Duration(rapid.IntRange(1, 200).Draw(t, "minutes")) * time.Minute) {
			var events []Event
			often, events = often.Expire(at)
			seen = append(seen, events...)
		}
		often, events := often.Expire(last)
		require.Equal(t, once, often)
		require.Equal(t, all, append(seen, events...))
		require.NotEqual(t, Approved, once.Status)
		require.True(t, once.Status != Pending || last.Before(once.NextAt()))
	})
}
