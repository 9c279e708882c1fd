package granting_test

import (
	"testing"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/tenanttest"
)

// What is switched off can be switched on again: nobody is planted in it.
func TestGranting_InactiveIsNotOutOfSight(t *testing.T) {
	w := setup(t)
	strong := w.Group(w.tenant, "strong", uuid.UUID{})
	w.GroupRole(w.tenant, strong, tenanttest.TenantAdmin)
	below := w.Group(w.tenant, "below", uuid.UUID{})
	w.SQL(`UPDATE sentinel.groups SET is_active = false WHERE id = $1`, strong)
	w.refused(w.manager, w.join(w.ada, strong), "into an inactive group that has tenant_admin")
	w.refused(w.manager, w.moveGroup(below, strong), "nor a group below it")
	w.accepted(w.manager, w.join(w.ada, below), "one that has nothing")
	w.accepted(w.admin, w.moveGroup(below, strong), "tenant_admin may")
	w.refused(w.manager, w.touch(w.ada, `password_hash = 'mine'`), "nor is an account taken over that will be strong")
	w.refused(w.manager, w.join(w.manager, below), "nor joined, two steps away")
	w.accepted(w.manager, w.leave(w.ada, below), "but left")

	sleeping := w.Role(w.tenant, "sleeping", 5, w.owner)
	w.SQL(`UPDATE sentinel.roles SET is_active = false WHERE id = $1`, w.owner)
	w.refused(w.manager, w.assign(w.ada, sleeping), "a lower role whose parent is switched off")
}
