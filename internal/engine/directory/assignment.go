package directory

import (
	"fmt"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// AssignableRoles returns the tenant that owns each of the roles, of those that
// can be assigned in the tenant of a granting write: its own, those of ancestors
// from which it inherits, and the system roles. Others do not exist here.
func AssignableRoles(w *change.Write, ids []uuid.UUID, path string) (map[uuid.UUID]uuid.UUID, error) {
	owners := make(map[uuid.UUID]uuid.UUID, len(ids))
	var fields []fault.Field
	for i, id := range ids {
		role := w.Judge.Role(rbac.Role(id))
		if role == nil {
			fields = append(fields, fault.Field{Path: fmt.Sprintf("%s[%d]", path, i), Message: "there is no such active role in this tenant"})
			continue
		}
		owners[id] = role.TenantID
	}
	if fields != nil {
		e := fault.NotFound("role")
		e.Fields = fields
		return nil, e
	}
	return owners, nil
}

var assignmentRefusals = crud.Refusals{
	"user_roles_role_tenant":              {Path: "role_id", Message: "This role cannot be assigned in this tenant."},
	"group_roles_role_tenant":             {Path: "role_ids", Message: "This role cannot be assigned in this tenant."},
	"user_roles_super_admin_in_platform":  {Path: "role_id", Message: onlyInPlatform},
	"group_roles_super_admin_in_platform": {Path: "role_ids", Message: onlyInPlatform},
	"user_roles_validity_ordered":         {Path: "expires_at", Message: "The assignment would end before it begins."},
}

const onlyInPlatform = "super_admin can be assigned to users of the platform's tenant only."

// OnlyInPlatform refuses super_admin in any other tenant, at the member that names
// it.
func OnlyInPlatform(path string) error { return fault.Conflict(path, "%s", onlyInPlatform) }

// RefusedRole says in the caller's words why the database refused an assignment.
func RefusedRole(err error) error { return assignmentRefusals.Refused(err) }
