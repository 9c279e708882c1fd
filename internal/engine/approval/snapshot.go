package approval

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/models"
)

// Snapshot is what a request keeps of its chain: as it was when it was asked.
// Whatever becomes of the chain, the request goes on by this. It never changes.
type Snapshot struct {
	ID     uuid.UUID `json:"id"`
	Name   string    `json:"name"`
	Mode   Mode      `json:"mode"`
	Levels []Level   `json:"levels"`
	// MaxDurationHours is the longest time for which it may grant, 0 for any.
	MaxDurationHours int `json:"max_duration_hours,omitempty"`
}

// Freeze takes a stored chain down as it is.
func Freeze(m *models.ApprovalChain) (*Snapshot, error) {
	levels, wrong := ParseLevels(m.ApprovalLevels, DefaultTimeoutHours, "approval_levels")
	if wrong != nil {
		return nil, fmt.Errorf("approval chain %s: %s %s", m.ID, wrong[0].Path, wrong[0].Message)
	}
	s := &Snapshot{ID: m.ID, Name: m.Name, Mode: Mode(m.Mode), Levels: levels}
	if m.MaxDurationHours != nil {
		s.MaxDurationHours = *m.MaxDurationHours
	}
	return s, nil
}

// Thaw reads what a request has kept of its chain.
func Thaw(raw []byte) (*Snapshot, error) {
	var stored struct {
		Snapshot
		Levels json.RawMessage `json:"levels"`
	}
	if err := json.Unmarshal(raw, &stored); err != nil {
		return nil, fmt.Errorf("read the chain of a request: %w", err)
	}
	levels, wrong := ParseLevels(stored.Levels, DefaultTimeoutHours, "levels")
	if wrong != nil {
		return nil, fmt.Errorf("read the chain of a request: %s %s", wrong[0].Path, wrong[0].Message)
	}
	s := stored.Snapshot
	s.Levels = levels
	return &s, nil
}

// JSON is what [Thaw] reads.
func (s *Snapshot) JSON() (models.JSON, error) {
	raw, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("keep the chain of a request: %w", err)
	}
	return models.JSON(raw), nil
}

// Level returns the level of that number, nil if there is none.
func (s *Snapshot) Level(number int) *Level {
	if number < 1 || number > len(s.Levels) {
		return nil
	}
	return &s.Levels[number-1]
}

// Roles are the roles that any level names, without repetition, in no order that
// means anything.
func (s *Snapshot) Roles() []uuid.UUID {
	return named(s.Levels, func(a Approver) uuid.UUID { return a.Role })
}

// Users are the users that any level names, as [Snapshot.Roles].
func (s *Snapshot) Users() []uuid.UUID {
	return named(s.Levels, func(a Approver) uuid.UUID { return a.User })
}

func named(levels []Level, of func(Approver) uuid.UUID) []uuid.UUID {
	var out []uuid.UUID
	for i := range levels {
		for _, a := range levels[i].Approvers.Entries() {
			if id := of(a); id != uuid.Nil && !slices.Contains(out, id) {
				out = append(out, id)
			}
		}
	}
	return out
}

// GrantEnd is the end of what an approval at decided grants, excluded, nil for
// none: the earlier of the hours asked for and the moment asked for. Hours are 0
// where none were asked for, and never more than the chain's longest.
func (s *Snapshot) GrantEnd(decided time.Time, hours int, expires *time.Time) *time.Time {
	if s.MaxDurationHours > 0 && (hours == 0 || hours > s.MaxDurationHours) {
		hours = s.MaxDurationHours
	}
	if hours <= 0 {
		return expires
	}
	end := decided.Add(time.Duration(hours) * time.Hour)
	if expires != nil && expires.Before(end) {
		return expires
	}
	return &end
}
