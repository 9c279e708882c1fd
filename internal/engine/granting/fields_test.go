package granting_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// fields makes a permission that says something of fields.
func (w *world) fields(role uuid.UUID, path, fields string) uuid.UUID {
	id := w.Permission(w.tenant, role, path, "allow", "", "read")
	w.SQL(`UPDATE sentinel.permissions SET field_permissions = $2 WHERE id = $1`, id, fields)
	return id
}

func TestGranting_APermissionThatNamesFieldsCoversTheVerySameOnly(t *testing.T) {
	w := setup(t)
	none := uuid.UUID{}
	draft := w.Role(w.tenant, "draft", 1, none)
	held := w.fields(w.captain, "vessel/one", `{"tonnage": "read"}`)
	w.fields(w.captain, "crane/*", `{"load": "write"}`)
	w.accepted(w.author, w.own(draft, held), "what one holds oneself")
	w.accepted(w.author, w.own(draft, w.Permission(w.tenant, none, "vessel/one", "allow", "", "read")), "by the permission on all vessels, which names no fields")
	for path, fields := range map[string]string{
		"vessel/one": `{"tonnage": "read"}`,
		"vessel/two": `{"cost": "write"}`,
		"vessel/*":   `{"tonnage": "read"}`,
		"crane/*":    `{}`,
		"crane/one":  `{"load": "write", "reach": "read"}`,
	} {
		w.refused(w.author, w.own(draft, w.fields(none, path, fields)), path+" "+fields)
	}
	w.accepted(w.admin, w.own(draft, w.fields(none, "vessel/*", `{"cost": "write"}`)), "a tenant_admin may")
	w.SQL(`UPDATE sentinel.permissions SET field_permissions = '{"tonnage": "write"}' WHERE id = $1`, held)
	w.SQL(`DELETE FROM sentinel.role_permissions WHERE permission_id = $1 AND role_id = $2`, held, w.captain)
	w.refused(w.author, w.disown(draft, held), "nor taken away by who has not the like")
}

func TestGranting_AHiddenFieldIsLikeADeny(t *testing.T) {
	w := setup(t)
	none := uuid.UUID{}
	draft := w.Role(w.tenant, "draft", 1, none)
	vessel := w.Permission(w.tenant, none, "vessel/one", "allow", "", "read")
	crane := w.Permission(w.tenant, w.captain, "crane/*", "allow", "", "read")
	blind := w.Role(w.tenant, "blind", 1, none)
	hiding := w.fields(blind, "vessel/two", `{"cost": "hidden", "tonnage": "read"}`)
	w.accepted(w.author, w.own(draft, vessel), "before")
	w.SQL(`DELETE FROM sentinel.role_permissions WHERE permission_id = $1`, vessel)
	w.Assign(w.tenant, w.author, blind)
	w.refused(w.author, w.own(draft, vessel), "the author does not see the costs of every vessel")
	w.accepted(w.author, w.own(draft, crane), "no crane is a vessel")
	w.Own(w.tenant, draft, hiding)
	w.refused(w.author, w.disown(draft, hiding), "who does not see a field frees nobody else")

	err := w.try(w.As(w.tenant, w.author), w.unassign(w.author, blind))
	require.True(t, fault.Is(err, fault.Denied), "%v", err)
	w.SQL(`UPDATE sentinel.permissions SET field_permissions = '{"cost": "read"}' WHERE id = $1`, hiding)
	w.accepted(w.author, w.unassign(w.author, blind), "what hides nothing can be given up")
	w.Assign(w.tenant, w.author, blind)
	w.SQL(`UPDATE sentinel.permissions SET field_permissions = '{"cost": ["read"]}' WHERE id = $1`, hiding)
	w.refused(w.author, w.unassign(w.author, blind), "what cannot be read is taken to hide")
}
