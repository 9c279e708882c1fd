package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/personal"
	"github.com/sentinel-access/sentinel/models"
)

// Subject is a user or service account as decisions see it: stored facts only.
// It is loaded one by one, kept until the subject changes, and never changes
// itself.
type Subject struct {
	ID               uuid.UUID
	TenantID         uuid.UUID
	Email            string
	EmailVerified    bool
	Username         string
	ExternalID       string
	IsServiceAccount bool
	IsActive         bool
	LockedUntil      *time.Time
	// TokenEpoch is the oldest generation of tokens that still counts.
	TokenEpoch int
	// AllowedIPs are addresses or CIDR ranges from which the account may call;
	// empty for any.
	AllowedIPs []string
	// AssertSubject lets the account say what attributes the subjects of its
	// questions have. AssertOverride are those in which its word replaces what is
	// stored.
	AssertSubject  bool
	AssertOverride []string
	// Revoked are the ids of tokens ("jti") and of sessions ("sid") that ended
	// before their time.
	Revoked    map[string]bool
	Attributes map[string]any
	// Assignments are all that are stored, whatever their validity: it is judged
	// at the moment of the question.
	Assignments []Assignment
	// Requests are the pending and approved access requests for resources of
	// which the subject is the beneficiary, oldest first.
	Requests []Request

	// attributes are Attributes as policies read them.
	attributes converted
}

// Request is an access request that waits or was approved.
type Request struct {
	ID uuid.UUID
	// Approved is false for one that waits.
	Approved bool
	// Chain is the chain it went through.
	Chain uuid.UUID
	// Type and ResourceID name the resource: a registered node by its code, with
	// its id in Node. An empty ResourceID is the type as a whole.
	Type, ResourceID string
	Node             uuid.UUID
	// Action is the action asked for, or [grants.AnyAction].
	Action string
	// ExpiresAt ends what an approved request grants, nil for never; the end is
	// excluded.
	ExpiresAt *time.Time
}

// Assignment binds a subject to a role or group.
type Assignment struct {
	// Node is the role's or group's name in the role graph.
	Node      string
	ValidFrom *time.Time
	ExpiresAt *time.Time
}

// Valid reports whether the assignment counts at now. The end is excluded.
func (a *Assignment) Valid(now time.Time) bool {
	return (a.ValidFrom == nil || !now.Before(*a.ValidFrom)) && (a.ExpiresAt == nil || now.Before(*a.ExpiresAt))
}

// Usable reports whether the account may act at now: active and not locked.
func (s *Subject) Usable(now time.Time) bool {
	return s.IsActive && (s.LockedUntil == nil || !now.Before(*s.LockedUntil))
}

// LoadSubject reads a user of the transaction's tenant, nil if there is none.
func LoadSubject(tx *db.Tx, tenant, id uuid.UUID) (*Subject, error) {
	var u models.User
	err := tx.Where("tenant_id = ? AND id = ?", tenant, id).Take(&u).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, nil //nolint:nilnil // "no such user" is an answer, not a failure
	}
	if err != nil {
		return nil, fmt.Errorf("load subject: %w", err)
	}
	list, err := subjects(tx, tenant, []models.User{u})
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// ErrTooManySubjects is of a tenant that has more subjects than were wanted.
var ErrTooManySubjects = errors.New("there are more")

// LoadSubjects reads all users of the transaction's tenant. It fails if there
// are more than most: whoever is left out would be an unknown subject. most may
// be 50,000 or less.
func LoadSubjects(tx *db.Tx, tenant uuid.UUID, most int) ([]*Subject, error) {
	var rows []models.User
	if err := tx.Where("tenant_id = ?", tenant).Order("created_at, id").Limit(most + 1).Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("load subjects: %w", err)
	}
	if len(rows) > most {
		return nil, fmt.Errorf("load subjects: %w than %d", ErrTooManySubjects, most)
	}
	return subjects(tx, tenant, rows)
}

// subjects adds to users what they are assigned.
func subjects(tx *db.Tx, tenant uuid.UUID, users []models.User) ([]*Subject, error) {
	out := make([]*Subject, len(users))
	byID := make(map[uuid.UUID]*Subject, len(users))
	ids := make([]uuid.UUID, len(users))
	for i := range users {
		s, err := newSubject(&users[i])
		if err != nil {
			return nil, err
		}
		out[i], byID[s.ID], ids[i] = s, s, s.ID
	}
	var groups []models.UserGroup
	if err := tx.Where("tenant_id = ? AND user_id IN ?", tenant, ids).Order("created_at, id").Find(&groups).Error; err != nil {
		return nil, fmt.Errorf("load groups of subjects: %w", err)
	}
	for i := range groups {
		s := byID[groups[i].UserID]
		s.Assignments = append(s.Assignments, Assignment{Node: rbac.Group(groups[i].GroupID)})
	}
	var roles []models.UserRole
	err := tx.Where("tenant_id = ? AND user_id IN ? AND is_active", tenant, ids).Order("created_at, id").Find(&roles).Error
	if err != nil {
		return nil, fmt.Errorf("load roles of subjects: %w", err)
	}
	for i := range roles {
		r, s := &roles[i], byID[roles[i].UserID]
		s.Assignments = append(s.Assignments, Assignment{Node: rbac.Role(r.RoleID), ValidFrom: r.ValidFrom, ExpiresAt: r.ExpiresAt})
	}
	if err := loadRequests(tx, tenant, ids, byID); err != nil {
		return nil, err
	}
	var revoked []models.BlacklistedToken
	err = tx.Select("user_id", "jti").Where("tenant_id = ? AND user_id IN ? AND expires_at > now()", tenant, ids).Find(&revoked).Error
	if err != nil {
		return nil, fmt.Errorf("load revoked tokens of subjects: %w", err)
	}
	for i := range revoked {
		s := byID[revoked[i].UserID]
		if s.Revoked == nil {
			s.Revoked = map[string]bool{}
		}
		s.Revoked[revoked[i].JTI] = true
	}
	return out, nil
}

// loadRequests adds to subjects the pending and approved requests for resources
// by which they gain, whatever the end of what was approved: it is judged at the
// moment of the question. What conditions approved is left out, being judged
// anew each time; so is what names no chain any more or no node that could be.
func loadRequests(tx *db.Tx, tenant uuid.UUID, ids []uuid.UUID, byID map[uuid.UUID]*Subject) error {
	var rows []struct {
		ID, BeneficiaryID, ChainID uuid.UUID
		Approved                   bool
		Type, ResourceID, Node     string
		Action                     string
		GrantExpiresAt             *time.Time
	}
	err := tx.Raw(`
SELECT id, beneficiary_id, chain_id, status = 'approved' AS approved, grant_expires_at,
  request_details ->> 'resource_type' AS type,
  COALESCE(request_details ->> 'resource_id', '') AS resource_id,
  COALESCE(request_details ->> 'node_id', '') AS node,
  CASE WHEN request_type = 'resource_access' THEN '*' ELSE COALESCE(request_details ->> 'action', '') END AS action
FROM sentinel.access_requests
WHERE tenant_id = ?
AND beneficiary_id = ANY(CAST(? AS uuid[]))
AND status IN ('pending', 'approved')
AND request_type IN ('permission', 'resource_access')
AND NOT auto_approved
AND chain_id IS NOT NULL
ORDER BY created_at, id`, tenant, db.UUIDs(ids)).Scan(&rows).Error
	if err != nil {
		return fmt.Errorf("load requests of subjects: %w", err)
	}
	for i := range rows {
		r := &rows[i]
		request := Request{ID: r.ID, Approved: r.Approved, Chain: r.ChainID, Type: r.Type, ResourceID: r.ResourceID, Action: r.Action}
		if r.Node != "" {
			if request.Node, err = uuid.Parse(r.Node); err != nil {
				continue
			}
		}
		if r.Approved {
			request.ExpiresAt = r.GrantExpiresAt
		}
		s := byID[r.BeneficiaryID]
		s.Requests = append(s.Requests, request)
	}
	return nil
}

func newSubject(u *models.User) (*Subject, error) {
	s := &Subject{
		ID: u.ID, TenantID: u.TenantID, Email: u.Email, EmailVerified: u.EmailVerifiedAt != nil,
		IsServiceAccount: u.IsServiceAccount, IsActive: u.IsActive, LockedUntil: u.LockedUntil, TokenEpoch: u.TokenEpoch,
		AllowedIPs: u.AllowedIPs, AssertSubject: u.AssertSubject, AssertOverride: u.AssertOverride,
	}
	if u.Username != nil {
		s.Username = *u.Username
	}
	if u.ExternalID != nil {
		s.ExternalID = *u.ExternalID
	}
	// They are opened on the way out of the database. One that is not must not be
	// taken for another value, nor for none.
	if personal.Sealed(u.Attributes) {
		return nil, fmt.Errorf("attributes of subject %s: still sealed", u.ID)
	}
	var err error
	if s.Attributes, err = object(json.RawMessage(u.Attributes)); err != nil {
		return nil, fmt.Errorf("attributes of subject %s: %w", u.ID, err)
	}
	return s, nil
}

// object decodes a stored JSON object, keeping numbers exact.
func object(raw json.RawMessage) (map[string]any, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	if string(raw) == "{}" {
		return map[string]any{}, nil
	}
	return DecodeObject(raw)
}
