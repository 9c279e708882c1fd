// Package approval owns the rules of approvals: which chain guards a resource,
// who must agree at which level, and how a request moves from level to level. It
// is a pure function of what it is given: it reads neither a database nor a
// clock.
package approval

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/condition"
	"github.com/sentinel-access/sentinel/internal/engine/pattern"
	"github.com/sentinel-access/sentinel/models"
)

// Mode says what an approval is for.
type Mode string

const (
	// Gate asks for a permission and an approval.
	Gate Mode = "gate"
	// Escalation asks for a permission or an approval.
	Escalation Mode = "escalation"
)

// RoleType is the type of chains that guard the assignment of roles. They have
// no say in questions about resources.
const RoleType = "role"

// Chain is an active approval chain, compiled. It never changes.
type Chain struct {
	ID   uuid.UUID
	Name string
	Mode Mode
	// Type and Pattern are what the chain guards. A final "*" crosses segments.
	Type    string
	Pattern *pattern.Pattern
	// RawLevels are the levels as stored, in their normal form.
	RawLevels json.RawMessage
	// Auto approves where it is true, nil for never. It is judged on stored
	// attributes and the evaluator's own clock alone.
	Auto *condition.Program
	// RawAuto is what Auto was compiled from.
	RawAuto   json.RawMessage
	CreatedAt time.Time
}

// Compile compiles a stored chain. One that does not compile must not be passed
// over: it would be a gate that stands open.
func Compile(m *models.ApprovalChain) (*Chain, error) {
	c := &Chain{
		ID: m.ID, Name: m.Name, Mode: Mode(m.Mode), Type: m.ResourceType, RawLevels: json.RawMessage(m.ApprovalLevels), CreatedAt: m.CreatedAt,
	}
	path, err := Path(m.ResourceType, m.ResourcePattern)
	if err != nil {
		return nil, fmt.Errorf("approval chain %s: resource_pattern %w", m.ID, err)
	}
	if c.Pattern, err = pattern.Compile(path, true); err != nil {
		return nil, fmt.Errorf("approval chain %s: resource_pattern %w", m.ID, err)
	}
	raw := json.RawMessage(m.AutoApproveConditions)
	if len(raw) == 0 || string(raw) == "null" || string(raw) == "{}" {
		return c, nil
	}
	program, violations := condition.Compile(raw)
	if len(violations) > 0 {
		return nil, fmt.Errorf("approval chain %s: auto_approve_conditions: %s: %s", m.ID, violations[0].Path, violations[0].Message)
	}
	c.Auto, c.RawAuto = program, raw
	return c, nil
}

// Path is a chain's pattern as [pattern.Compile] takes it. A chain's pattern is
// written type:glob, or as the glob alone; the type has to be the chain's.
func Path(typ, resourcePattern string) (string, error) {
	if resourcePattern == "" {
		resourcePattern = "*"
	}
	if written, glob, ok := strings.Cut(resourcePattern, ":"); ok && (written == "*" || isIdentifier(written)) {
		if written != typ {
			return "", fmt.Errorf("must begin with the chain's resource_type, as in %s:*", typ)
		}
		return typ + "/" + glob, nil
	}
	return typ + "/" + resourcePattern, nil
}

func isIdentifier(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// Matches reports whether the chain guards an instance, or with no id the type
// as a whole: only a chain for every id of the type does.
func (c *Chain) Matches(typ, id string) bool {
	if c.Type == RoleType || typ == pattern.APIType {
		return false
	}
	return c.Pattern.Match(typ, id)
}

// Sort brings chains into the order in which the first that matches applies: the
// most specific first, then the oldest.
func Sort(chains []*Chain) {
	slices.SortStableFunc(chains, func(a, b *Chain) int {
		classA, literalsA := a.Pattern.Specificity()
		classB, literalsB := b.Pattern.Specificity()
		return cmp.Or(
			cmp.Compare(classB, classA),
			cmp.Compare(literalsB, literalsA),
			a.CreatedAt.Compare(b.CreatedAt),
			slices.Compare(a.ID[:], b.ID[:]),
		)
	})
}
