package approval

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// The limits of a chain.
const (
	// MaxLevels is how many levels a chain may have.
	MaxLevels = 20
	// MaxApprovers is how many roles and users a level may name.
	MaxApprovers = 20
	// MaxMin is how many people of a role a level may ask for.
	MaxMin = 20
	// MaxTimeoutHours is the longest time that a level may wait: a year.
	MaxTimeoutHours = 8760
	// MaxDurationHours is the longest time that an approval may be bounded to:
	// ten years.
	MaxDurationHours = 87_600
	// DefaultTimeoutHours is how long a level waits of which nothing says how long.
	DefaultTimeoutHours = 48

	// maxLevelsSize bounds the text of the levels, in bytes.
	maxLevelsSize = 64 << 10
)

// LevelSpec is a level as callers write it. Approvers, or in short ApproverRole
// and MinApprovals, say who must agree.
type LevelSpec struct {
	Level           int            `json:"level" minimum:"1" maximum:"20" doc:"1 for the first, each one more than the one before."`
	Approvers       *ApproversSpec `json:"approvers,omitempty" doc:"Who must agree: either all_of or any_of."`
	ApproverRole    *uuid.UUID     `json:"approver_role,omitempty" doc:"In short for approvers with one role."`
	MinApprovals    int            `json:"min_approvals,omitempty" minimum:"0" maximum:"20" doc:"With approver_role: how many of them. Default 1."`
	TimeoutHours    int            `json:"timeout_hours,omitempty" minimum:"0" maximum:"8760" doc:"How long the level waits. Default: the server's APPROVAL_TIMEOUT_HOURS."`
	EscalateToLevel int            `json:"escalate_to_level,omitempty" minimum:"0" maximum:"20" doc:"A later level, which decides in place of this one when its time is over. Without it the request expires."`
	Final           bool           `json:"final,omitempty" doc:"Whoever agrees here ends the chain. The last level always does."`
}

// ApproversSpec is the part of a [LevelSpec] that says who must agree.
type ApproversSpec struct {
	AllOf []ApproverSpec `json:"all_of,omitempty" maxItems:"20" doc:"Each of them must be met, a person counting for one only."`
	AnyOf []ApproverSpec `json:"any_of,omitempty" maxItems:"20" doc:"One of them must be met."`
}

// ApproverSpec names a role or a user.
type ApproverSpec struct {
	Role *uuid.UUID `json:"role,omitempty" doc:"Either a role or a user."`
	User *uuid.UUID `json:"user,omitempty"`
	Min  int        `json:"min,omitempty" minimum:"0" maximum:"20" doc:"How many people of the role. Default 1."`
}

// Level is a level in its normal form, in which chains are stored.
type Level struct {
	// Number is its place in the chain, from 1.
	Number    int       `json:"level"`
	Approvers Approvers `json:"approvers"`
	// TimeoutHours is how long it waits.
	TimeoutHours int `json:"timeout_hours"`
	// EscalateTo is the later level that decides in its place once its time is
	// over, 0 for none.
	EscalateTo int `json:"escalate_to_level,omitempty"`
	// Final ends the chain when the level has agreed.
	Final bool `json:"final,omitempty"`
}

// Approvers say who must agree at a level: one of the two lists is empty.
type Approvers struct {
	AllOf []Approver `json:"all_of,omitempty"`
	AnyOf []Approver `json:"any_of,omitempty"`
}

// Entries are the approvers, whichever list they are in.
func (a *Approvers) Entries() []Approver {
	if len(a.AllOf) > 0 {
		return a.AllOf
	}
	return a.AnyOf
}

// Approver is a role of which Min people must agree, or a user.
type Approver struct {
	Role uuid.UUID `json:"role,omitzero"`
	User uuid.UUID `json:"user,omitzero"`
	Min  int       `json:"min"`
}

// ParseLevels reads the levels of a chain as [NewLevels] checks them.
func ParseLevels(raw []byte, timeoutHours int, prefix string) ([]Level, []fault.Field) {
	refuse := func(message string) ([]Level, []fault.Field) {
		return nil, []fault.Field{{Path: prefix, Message: message}}
	}
	if len(raw) > maxLevelsSize {
		return refuse(fmt.Sprintf("must have at most %d bytes", maxLevelsSize))
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	var specs []LevelSpec
	if err := dec.Decode(&specs); err != nil {
		return refuse("must be a list of levels: " + err.Error())
	}
	if _, err := dec.Token(); err != io.EOF { //nolint:errorlint // the decoder returns it as it is
		return refuse("must be one list of levels")
	}
	return NewLevels(specs, timeoutHours, prefix)
}

// NewLevels checks levels and brings them into their normal form, or returns
// everything that is wrong with them, with the path of the list before each
// path. timeoutHours is how long a level waits that does not say so, 0 for
// [DefaultTimeoutHours]. Whether there are such roles and users it does not know.
func NewLevels(specs []LevelSpec, timeoutHours int, path string) ([]Level, []fault.Field) {
	if timeoutHours == 0 {
		timeoutHours = DefaultTimeoutHours
	}
	if len(specs) < 1 || len(specs) > MaxLevels {
		return nil, []fault.Field{{Path: path, Message: fmt.Sprintf("must hold 1 to %d levels", MaxLevels)}}
	}
	c := levelChecker{timeout: timeoutHours, last: len(specs)}
	levels := make([]Level, len(specs))
	for i := range specs {
		levels[i] = c.level(&specs[i], i+1, fmt.Sprintf("%s[%d]", path, i))
	}
	if c.fields != nil {
		return nil, c.fields
	}
	return levels, nil
}

type levelChecker struct {
	timeout, last int
	fields        []fault.Field
}

func (c *levelChecker) refuse(path, format string, args ...any) {
	c.fields = append(c.fields, fault.Field{Path: path, Message: fmt.Sprintf(format, args...)})
}

func (c *levelChecker) level(in *LevelSpec, number int, at string) Level {
	out := Level{Number: number, TimeoutHours: in.TimeoutHours, EscalateTo: in.EscalateToLevel, Final: in.Final || number == c.last}
	if in.Level != number {
		c.refuse(at+".level", "must be %d: levels are numbered from 1 in their order", number)
	}
	if out.TimeoutHours == 0 {
		out.TimeoutHours = c.timeout
	}
	if out.TimeoutHours < 1 || out.TimeoutHours > MaxTimeoutHours {
		c.refuse(at+".timeout_hours", "must be 1 to %d", MaxTimeoutHours)
	}
	if to := in.EscalateToLevel; to != 0 && (to <= number || to > c.last) {
		c.refuse(at+".escalate_to_level", "must be a level of the chain after this one")
	}
	spec := in.Approvers
	switch {
	case in.ApproverRole != nil && spec != nil:
		c.refuse(at+".approver_role", "must not stand beside approvers, for which it is short")
		return out
	case in.ApproverRole != nil:
		spec = &ApproversSpec{AnyOf: []ApproverSpec{{Role: in.ApproverRole, Min: in.MinApprovals}}}
	case in.MinApprovals != 0:
		c.refuse(at+".min_approvals", "must stand beside approver_role")
	}
	if spec == nil {
		c.refuse(at+".approvers", "must be given, or approver_role")
		return out
	}
	if in.ApproverRole != nil && (in.MinApprovals < 0 || in.MinApprovals > MaxMin) {
		c.refuse(at+".min_approvals", "must be 1 to %d", MaxMin)
		return out
	}
	out.Approvers = c.approvers(spec, at+".approvers")
	return out
}

func (c *levelChecker) approvers(in *ApproversSpec, at string) Approvers {
	switch {
	case len(in.AllOf) > 0 && len(in.AnyOf) > 0:
		c.refuse(at, "must have either all_of or any_of")
	case len(in.AllOf) > 0:
		return Approvers{AllOf: c.entries(in.AllOf, at+".all_of")}
	case len(in.AnyOf) > 0:
		return Approvers{AnyOf: c.entries(in.AnyOf, at+".any_of")}
	default:
		c.refuse(at, "must name a role or user in all_of or any_of")
	}
	return Approvers{}
}

func (c *levelChecker) entries(in []ApproverSpec, at string) []Approver {
	if len(in) > MaxApprovers {
		c.refuse(at, "must name at most %d roles and users", MaxApprovers)
		return nil
	}
	out := make([]Approver, len(in))
	seen := map[uuid.UUID]bool{}
	for i, e := range in {
		path := fmt.Sprintf("%s[%d]", at, i)
		out[i] = Approver{Min: max(e.Min, 1)}
		most := MaxMin
		id := e.Role
		switch {
		case (e.Role == nil) == (e.User == nil):
			c.refuse(path, "must name either a role or a user")
			continue
		case e.Role != nil:
			out[i].Role = *e.Role
		default:
			id, most, out[i].User = e.User, 1, *e.User
		}
		if e.Min < 0 || e.Min > most {
			c.refuse(path+".min", "must be 1 to %d", most)
		}
		switch {
		case *id == uuid.Nil:
			c.refuse(path, "must not be the id of nothing")
		case seen[*id]:
			c.refuse(path, "is named twice: give it once, with min")
		}
		seen[*id] = true
	}
	return out
}

// Specs are levels as callers write them: what [NewLevels] makes of them is the
// same again.
func Specs(levels []Level) []LevelSpec {
	out := make([]LevelSpec, len(levels))
	list := func(in []Approver) (specs []ApproverSpec) {
		for _, a := range in {
			one := ApproverSpec{Min: a.Min}
			if a.Role != uuid.Nil {
				one.Role = &a.Role
			} else {
				one.User = &a.User
			}
			specs = append(specs, one)
		}
		return specs
	}
	for i, l := range levels {
		out[i] = LevelSpec{
			Level: l.Number, TimeoutHours: l.TimeoutHours, EscalateToLevel: l.EscalateTo, Final: l.Final,
			Approvers: &ApproversSpec{AllOf: list(l.Approvers.AllOf), AnyOf: list(l.Approvers.AnyOf)},
		}
	}
	return out
}

// Enough reports whether a level could agree if everybody did who may: people
// are those, each with the places of the approvers as which they may speak.
func (l *Level) Enough(people [][]int) bool {
	votes := make([]Vote, len(people))
	for i, entries := range people {
		votes[i] = Vote{Account: uuid.UUID{byte(i >> 16), byte(i >> 8), byte(i), 1}, Level: l.Number, Verdict: Approve, Entries: entries}
	}
	return l.met(votes, nil)
}
