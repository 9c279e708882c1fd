package directory

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/approval"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/condition"
	"github.com/sentinel-access/sentinel/internal/engine/pattern"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// MaxChains bounds the approval chains of a tenant: every question looks for the
// one that guards its resource.
const MaxChains = 1000

// ChainInput is an approval chain as callers write it.
type ChainInput struct {
	Name                  string               `json:"name" minLength:"1" maxLength:"255" doc:"Unique in the tenant."`
	Description           string               `json:"description,omitempty" maxLength:"2000"`
	ResourceType          string               `json:"resource_type" minLength:"1" maxLength:"100" doc:"The type it guards, * for every type but api, or role for requests for roles."`
	ResourcePattern       string               `json:"resource_pattern,omitempty" maxLength:"512" default:"*" doc:"Which ids of the type, as type:glob or the glob alone; a final * crosses segments. Of type role: role:<name>."`
	Mode                  string               `json:"mode,omitempty" enum:"gate,escalation" default:"gate" doc:"gate: a permission and an approval. escalation: a permission or an approval."`
	ApprovalLevels        []approval.LevelSpec `json:"approval_levels" minItems:"1" maxItems:"20" doc:"Who must agree, level by level."`
	AutoApproveConditions httpapi.Object       `json:"auto_approve_conditions,omitempty" doc:"Where they hold, no person is asked. They read stored attributes and the server's clock alone. Default: none."`
	MaxDurationHours      *int                 `json:"max_duration_hours,omitempty" minimum:"1" maximum:"87600" doc:"The longest time for which an approval grants. Default: no limit."`
	IsActive              *bool                `json:"is_active,omitempty" doc:"Default true. An inactive chain guards nothing, and none of its approvals counts."`
}

// Validate returns every offending member, with prefix before its path, and the
// levels in their normal form. timeoutHours is how long a level waits that does
// not say so.
func (in *ChainInput) Validate(timeoutHours int, prefix string) ([]approval.Level, []fault.Field) {
	c := Checker{Prefix: prefix}
	c.Length("name", in.Name, 1, 255)
	c.Length("description", in.Description, 0, 2000)
	switch in.ResourceType {
	case pattern.AnyType:
	case pattern.APIType:
		c.Add("resource_type", "must not be api: the platform's own sections have no chains")
	default:
		c.Add("resource_type", engine.CheckType(in.ResourceType))
	}
	if path, err := approval.Path(in.ResourceType, in.ResourcePattern); err != nil {
		c.Add("resource_pattern", err.Error())
	} else if _, err := pattern.Compile(path, true); err != nil && c.Fields == nil {
		c.Add("resource_pattern", err.Error())
	}
	c.Add("mode", oneOf(in.mode(), string(approval.Gate), string(approval.Escalation)))
	if in.MaxDurationHours != nil && (*in.MaxDurationHours < 1 || *in.MaxDurationHours > approval.MaxDurationHours) {
		c.Add("max_duration_hours", fmt.Sprintf("must be 1 to %d", approval.MaxDurationHours))
	}
	levels, wrong := approval.NewLevels(in.ApprovalLevels, timeoutHours, prefix+"approval_levels")
	c.Fields = append(c.Fields, wrong...)
	in.checkConditions(&c)
	return levels, c.Fields
}

func (in *ChainInput) checkConditions(c *Checker) {
	const at = "auto_approve_conditions"
	if len(in.AutoApproveConditions) == 0 {
		return
	}
	if in.ResourceType == approval.RoleType {
		c.Add(at, "must be left out for resource_type role: people decide on roles")
		return
	}
	raw, err := json.Marshal(in.AutoApproveConditions)
	if err != nil {
		c.Add(at, "must be a JSON object")
		return
	}
	_, violations := condition.CompileFor(raw, approval.AutoForbidden)
	for _, v := range violations {
		c.Add(strings.TrimSuffix(at+"."+v.Path, "."), v.Message)
	}
}

func (in *ChainInput) mode() string {
	if in.Mode == "" {
		return string(approval.Gate)
	}
	return in.Mode
}

// Apply writes the input's members over m, with the levels that
// [ChainInput.Validate] returned.
func (in *ChainInput) Apply(m *models.ApprovalChain, levels []approval.Level) error {
	raw, err := json.Marshal(levels)
	if err != nil {
		return fmt.Errorf("encode approval levels: %w", err)
	}
	m.Name, m.Description, m.ResourceType, m.ResourcePattern, m.Mode = in.Name, in.Description, in.ResourceType, in.ResourcePattern, in.mode()
	if m.ResourcePattern == "" {
		m.ResourcePattern = "*"
	}
	m.ApprovalLevels, m.AutoApproveConditions = models.JSON(raw), models.Object(in.AutoApproveConditions)
	m.MaxDurationHours, m.IsActive = in.MaxDurationHours, in.IsActive == nil || *in.IsActive
	return nil
}

// CheckApprovers refuses roles that the transaction's tenant cannot use and
// users that it does not have: of others' it says the same as of none. So it
// does service accounts, which approve nothing. The levels are valid; path is
// the list's.
func CheckApprovers(tx *db.Tx, tenant uuid.UUID, specs []approval.LevelSpec, path string) error {
	roles, users := map[uuid.UUID][]string{}, map[uuid.UUID][]string{}
	for i := range specs {
		at := fmt.Sprintf("%s[%d]", path, i)
		if role := specs[i].ApproverRole; role != nil {
			roles[*role] = append(roles[*role], at+".approver_role")
		}
		if specs[i].Approvers == nil {
			continue
		}
		for name, list := range map[string][]approval.ApproverSpec{"all_of": specs[i].Approvers.AllOf, "any_of": specs[i].Approvers.AnyOf} {
			for n, one := range list {
				at := fmt.Sprintf("%s.approvers.%s[%d]", at, name, n)
				if one.Role != nil {
					roles[*one.Role] = append(roles[*one.Role], at+".role")
				}
				if one.User != nil {
					users[*one.User] = append(users[*one.User], at+".user")
				}
			}
		}
	}
	usable, err := usableRoles(tx, roles)
	if err != nil {
		return err
	}
	e := fault.NotFound("role")
	e.Fields = unknown(roles, usable, "there is no such role that this tenant can use")
	if len(e.Fields) > 0 {
		return e
	}
	people, err := usersOf(tx, tenant, users)
	if err != nil {
		return err
	}
	e = fault.NotFound("user")
	e.Fields = unknown(users, people, "there is no such person in this tenant; service accounts approve nothing")
	if len(e.Fields) > 0 {
		return e
	}
	return nil
}

func usableRoles(tx *db.Tx, places map[uuid.UUID][]string) (found []uuid.UUID, err error) {
	if len(places) == 0 {
		return nil, nil
	}
	err = tx.Raw("SELECT id FROM sentinel.usable_roles() WHERE id = ANY(CAST(? AS uuid[]))", db.UUIDs(keys(places))).Scan(&found).Error
	if err != nil {
		return nil, fmt.Errorf("find the roles of approvers: %w", err)
	}
	return found, nil
}

func usersOf(tx *db.Tx, tenant uuid.UUID, places map[uuid.UUID][]string) (found []uuid.UUID, err error) {
	if len(places) == 0 {
		return nil, nil
	}
	err = tx.Raw("SELECT id FROM sentinel.users WHERE tenant_id = ? AND NOT is_service_account AND id = ANY(CAST(? AS uuid[]))",
		tenant, db.UUIDs(keys(places))).Scan(&found).Error
	if err != nil {
		return nil, fmt.Errorf("find approvers: %w", err)
	}
	return found, nil
}

func keys(places map[uuid.UUID][]string) []uuid.UUID {
	out := make([]uuid.UUID, 0, len(places))
	for id := range places {
		out = append(out, id)
	}
	return out
}

// unknown are the places of ids that were not found, in order.
func unknown(places map[uuid.UUID][]string, found []uuid.UUID, message string) (fields []fault.Field) {
	for id, paths := range places {
		if slices.Contains(found, id) {
			continue
		}
		for _, path := range paths {
			fields = append(fields, fault.Field{Path: path, Message: message})
		}
	}
	slices.SortFunc(fields, func(a, b fault.Field) int { return strings.Compare(a.Path, b.Path) })
	return fields
}

// WritesChains refuses everybody but administrators of the tenant to write its
// chains: an approval grants what its chain was written to grant, so that
// whoever writes one grants it.
func WritesChains(w *change.Write) error {
	if w.Judge.Admin() {
		return nil
	}
	return fault.New(fault.Denied, "Only a tenant_admin may write approval chains: what they guard, and what they open, is given by them. Ask one to make the change.")
}

// RoomForChains refuses more chains than a tenant may have. It is asked under
// the tenant's lock.
func RoomForChains(w *change.Write, tenant uuid.UUID, more int) error {
	var n int64
	if err := w.Model(&models.ApprovalChain{}).Where("tenant_id = ?", tenant).Count(&n).Error; err != nil {
		return fmt.Errorf("count approval chains: %w", err)
	}
	if n+int64(more) > MaxChains {
		return fault.Conflict("", "A tenant has at most %d approval chains. Delete some first.", MaxChains)
	}
	return nil
}

// ChainUse counts what goes through a chain.
type ChainUse struct {
	// Pending requests go on by what they have kept of it, and can open nothing
	// while it is not there or not active.
	Pending int64 `json:"pending_requests"`
	// Approved are those that grant something now.
	Approved int64 `json:"approved_requests"`
}

// UseOfChain counts what goes through a chain now, of which the write holds the
// row, so that nothing more comes in the meantime.
func UseOfChain(w *change.Write, tenant, id uuid.UUID) (use ChainUse, err error) {
	err = w.Raw(`
SELECT
  count(*) FILTER (WHERE status = 'pending') AS pending,
  count(*) FILTER (WHERE status = 'approved' AND NOT auto_approved AND (grant_expires_at IS NULL OR grant_expires_at > @now)) AS approved
FROM sentinel.access_requests
WHERE tenant_id = @tenant
AND chain_id = @id`, map[string]any{"tenant": tenant, "id": id, "now": w.Now}).Scan(&use).Error
	if err != nil {
		return use, fmt.Errorf("count requests of an approval chain: %w", err)
	}
	return use, nil
}

// Idle refuses to delete a chain through which requests wait: nobody could
// decide them any more.
func (u ChainUse) Idle(name string) error {
	if u.Pending == 0 {
		return nil
	}
	return fault.Conflict("", "%d requests wait for the approval chain %s. Have them decided or cancelled first, or switch the chain off with is_active instead.", u.Pending, name)
}
