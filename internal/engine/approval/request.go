package approval

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// Status says how far a request is.
type Status string

// The statuses. Pending is the only one that the rules of a chain move on;
// an approved request can be revoked, the others are final.
const (
	Pending   Status = "pending"
	Approved  Status = "approved"
	Denied    Status = "denied"
	Expired   Status = "expired"
	Cancelled Status = "cancelled"
	Revoked   Status = "revoked"
)

// Verdict is what somebody says of a request, as it is stored.
type Verdict string

// The verdicts.
const (
	Approve Verdict = "approved"
	Deny    Verdict = "denied"
	// PassOn hands the request to the level that this one escalates to. It is no
	// approval, but whoever does it has had their say.
	PassOn Verdict = "escalated"
)

// Vote is what somebody has said of a request.
type Vote struct {
	// Account is uuid.Nil for an escalation by time.
	Account uuid.UUID
	// For is the account in whose place Account spoke, uuid.Nil for none.
	For     uuid.UUID
	Level   int
	Verdict Verdict
	// Entries are the places of the level's approvers as which the vote may count.
	// They are taken down with the vote, so that it stands whatever becomes of
	// whoever gave it.
	Entries []int
}

// Voter is somebody who wants to speak, as the database has them at that moment.
type Voter struct {
	Account uuid.UUID
	// For is the account whose delegate Account is, uuid.Nil for none. It has to
	// be a delegation of its own: one that it was given itself is not handed on.
	For uuid.UUID
	// Service is set if one of the two is a service account.
	Service bool
	// Roles are the roles that the account whose word it is holds, with the moment
	// since when it has each without a break, as far as that is known: For's, or
	// Account's if there is none.
	Roles map[uuid.UUID]time.Time
}

// principal is the account whose eligibility counts.
func (v *Voter) principal() uuid.UUID {
	if v.For != uuid.Nil {
		return v.For
	}
	return v.Account
}

// Request is an access request on its way through its chain. Its methods return
// what it becomes and leave it as it is.
type Request struct {
	Chain *Snapshot
	// Requester asks, Beneficiary gains.
	Requester, Beneficiary uuid.UUID
	OpenedAt               time.Time
	// ExpiresAt ends the request, and what it grants; nil for never.
	ExpiresAt *time.Time
	// DurationHours is for how long the grant is wanted, 0 for as long as the
	// chain gives.
	DurationHours int

	Status Status
	Level  int
	// DueAt is when the level's time is over; the moment itself is too late.
	DueAt     time.Time
	DecidedAt *time.Time
	// GrantExpiresAt ends what an approved request grants, excluded, nil for never.
	GrantExpiresAt *time.Time
	Votes          []Vote
}

// Event is a step of a request.
type Event struct {
	Kind EventKind
	// Level is where it happened.
	Level int
	// To is the level at which the request now stands, for LevelPassed and
	// Escalated.
	To int
	At time.Time
}

// EventKind names a step.
type EventKind string

// The steps of a request.
const (
	// Voted: somebody agreed.
	Voted EventKind = "voted"
	// LevelPassed: a level has agreed, and the next is asked.
	LevelPassed EventKind = "level_passed"
	// Escalated: a level was passed over, by time or by an approver.
	Escalated EventKind = "escalated"
	// RequestApproved, RequestDenied and RequestExpired end it.
	RequestApproved EventKind = "approved"
	RequestDenied   EventKind = "denied"
	RequestExpired  EventKind = "expired"
)

// Open begins a request at the first level of its chain.
func Open(chain *Snapshot, requester, beneficiary uuid.UUID, now time.Time, expires *time.Time, hours int) Request {
	r := Request{
		Chain: chain, Requester: requester, Beneficiary: beneficiary, OpenedAt: now,
		ExpiresAt: expires, DurationHours: hours, Status: Pending,
	}
	r.enter(1, now)
	return r
}

func (r *Request) enter(level int, at time.Time) {
	r.Level = level
	r.DueAt = at.Add(time.Duration(r.Chain.Level(level).TimeoutHours) * time.Hour)
}

// NextAt is when time moves a pending request on, if nobody does before.
func (r *Request) NextAt() time.Time {
	if r.ExpiresAt != nil && r.ExpiresAt.Before(r.DueAt) {
		return *r.ExpiresAt
	}
	return r.DueAt
}

// Expire returns the request as time has made it until now. The clock decides
// and not when it is asked: what happened happened when it was due, so that
// asking often or late makes no difference.
func (r Request) Expire(now time.Time) (Request, []Event) {
	var events []Event
	for r.Status == Pending && !now.Before(r.NextAt()) {
		at, from := r.NextAt(), r.Level
		to := r.Chain.Level(from).EscalateTo
		if to == 0 || r.ExpiresAt != nil && !r.ExpiresAt.After(at) {
			r.Status, r.DecidedAt = Expired, &at
			return r, append(events, Event{Kind: RequestExpired, Level: from, At: at})
		}
		r.Votes = append(slices.Clone(r.Votes), Vote{Level: from, Verdict: PassOn})
		r.enter(to, at)
		events = append(events, Event{Kind: Escalated, Level: from, To: to, At: at})
	}
	return r, events
}

// Eligible returns the places of the current level's approvers as which the
// voter may speak, or a fault that says why they may not. People joins the
// accounts that count as one person at this moment.
func (r Request) Eligible(v Voter, people *People) ([]int, error) {
	if r.Status != Pending {
		return nil, settled(r.Status)
	}
	one := r.join(people, v)
	switch {
	case v.Service:
		return nil, fault.New(fault.Denied, "Service accounts approve nothing: a person has to decide.")
	case one.Same(v.Account, r.Requester):
		return nil, ownRequest()
	}
	entries := r.entries(v)
	if entries == nil {
		return nil, fault.New(fault.Denied, "You are no approver of level %d of this request. Its approvers are the users that the chain names, and those who have held its roles since before the request was made.", r.Level)
	}
	for _, vote := range r.Votes {
		if vote.Account != uuid.Nil && one.Same(vote.Account, v.Account) {
			return nil, fault.Conflict("", "You have had your say in this request, by this account or by one that counts as the same person. Somebody else has to decide.")
		}
	}
	return entries, nil
}

func settled(status Status) error {
	return fault.Conflict("", "The request is %s: there is nothing left to decide.", status)
}

func ownRequest() error {
	return fault.New(fault.Denied, "Nobody decides their own request. Whoever asks, whoever gains, their delegates and delegators and the owners of service accounts count as one person.")
}

func escalatesNowhere(level *Level) error {
	return fault.Conflict("", "Level %d of this chain escalates to no other: it waits for its approvers until its time is over.", level.Number)
}

// join adds to the caller's people those that the request itself makes one:
// whoever asks and whoever gains, and whoever spoke in another's place.
func (r *Request) join(people *People, v Voter) *People {
	one := people.clone()
	one.Join(r.Requester, r.Beneficiary)
	for _, vote := range r.Votes {
		if vote.For != uuid.Nil {
			one.Join(vote.Account, vote.For)
		}
	}
	if v.For != uuid.Nil {
		one.Join(v.Account, v.For)
	}
	return one
}

// entries are the places as which the voter's word may count.
func (r *Request) entries(v Voter) (out []int) {
	for i, a := range r.Chain.Level(r.Level).Approvers.Entries() {
		since, holds := v.Roles[a.Role]
		if a.User != uuid.Nil && a.User == v.principal() || a.Role != uuid.Nil && holds && since.Before(r.OpenedAt) {
			out = append(out, i)
		}
	}
	return out
}

// Decide returns the request after a verdict at now. A fault says why it is
// refused; nothing has changed then.
func (r Request) Decide(v Voter, verdict Verdict, people *People, now time.Time) (Request, []Event, error) {
	after, events := r.Expire(now)
	entries, err := after.Eligible(v, people)
	if err != nil {
		return r, nil, err
	}
	level := after.Chain.Level(after.Level)
	if verdict == PassOn && level.EscalateTo == 0 {
		return r, nil, escalatesNowhere(level)
	}
	after.Votes = append(slices.Clone(after.Votes), Vote{Account: v.Account, For: v.For, Level: level.Number, Verdict: verdict, Entries: entries})
	switch verdict {
	case Deny:
		after.Status, after.DecidedAt = Denied, &now
		return after, append(events, Event{Kind: RequestDenied, Level: level.Number, At: now}), nil
	case PassOn:
		after.enter(level.EscalateTo, now)
		return after, append(events, Event{Kind: Escalated, Level: level.Number, To: after.Level, At: now}), nil
	default:
		moved, more := after.agree(level, after.join(people, v), now)
		return moved, append(events, more...), nil
	}
}

// agree moves a request on if its level has agreed.
func (r Request) agree(level *Level, one *People, now time.Time) (Request, []Event) {
	events := []Event{{Kind: Voted, Level: level.Number, At: now}}
	switch {
	case !level.met(r.Votes, one):
		return r, events
	case level.Final || level.Number == len(r.Chain.Levels):
		r.Status, r.DecidedAt = Approved, &now
		r.GrantExpiresAt = r.Chain.GrantEnd(now, r.DurationHours, r.ExpiresAt)
		return r, append(events, Event{Kind: RequestApproved, Level: level.Number, At: now})
	default:
		r.enter(level.Number+1, now)
		return r, append(events, Event{Kind: LevelPassed, Level: level.Number, To: r.Level, At: now})
	}
}

// Escalate passes a pending request on by the word of an account that needs not
// be an approver: which may do that is the caller's to say, but that it is not
// the one who asks. It has had its say then.
func (r Request) Escalate(by uuid.UUID, people *People, now time.Time) (Request, []Event, error) {
	after, events := r.Expire(now)
	if after.Status != Pending {
		return r, nil, settled(after.Status)
	}
	level := after.Chain.Level(after.Level)
	one := after.join(people, Voter{Account: by})
	switch {
	case one.Same(by, r.Requester):
		return r, nil, ownRequest()
	case level.EscalateTo == 0:
		return r, nil, escalatesNowhere(level)
	}
	after.Votes = append(slices.Clone(after.Votes), Vote{Account: by, Level: level.Number, Verdict: PassOn})
	after.enter(level.EscalateTo, now)
	return after, append(events, Event{Kind: Escalated, Level: level.Number, To: after.Level, At: now}), nil
}

// Cancel takes a pending request back. Who may do that is the caller's to say.
func (r Request) Cancel(now time.Time) (Request, error) {
	after, _ := r.Expire(now)
	if after.Status != Pending {
		return r, settled(after.Status)
	}
	after.Status, after.DecidedAt = Cancelled, &now
	return after, nil
}

// Revoke ends what an approved request grants. Who may do that is the caller's
// to say.
func (r Request) Revoke(now time.Time) (Request, error) {
	if r.Status != Approved {
		return r, fault.Conflict("", "The request is %s: only what was approved can be revoked.", r.Status)
	}
	r.Status = Revoked
	if r.GrantExpiresAt == nil || now.Before(*r.GrantExpiresAt) {
		r.GrantExpiresAt = &now
	}
	return r, nil
}
