package manifest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/identity"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
)

// apiSection is the section of the API whose routes write a kind.
func apiSection(kind string) string {
	switch kind {
	case settingKind:
		return "tenants"
	case fieldKind:
		return "field-definitions"
	case chainKind:
		return "approval-chains"
	case menuKind:
		return "navigation"
	default:
		return section(kind)
	}
}

// ExportIn has no members.
type ExportIn struct{}

func (s *Service) export(ctx context.Context, _ *ExportIn) (out *Manifest, err error) {
	tenant, _ := identity.TenantFrom(ctx)
	without, err := s.without(ctx)
	if err != nil {
		return nil, err
	}
	err = s.Write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		current, err := load(tx, tenant, s.TimeoutHours)
		if err != nil {
			return err
		}
		out, err = current.manifest(without, tenant == identity.PlatformTenant)
		return err
	})
	return out, err
}

// without are the kinds of objects that the caller is not shown, each with the
// fault that says why: the tenant is without the feature, or the caller may not
// read the section.
func (s *Service) without(ctx context.Context) (map[string]error, error) {
	out := map[string]error{}
	for _, kind := range kinds() {
		needed := []string{apiSection(kind)}
		switch kind {
		case menuKind:
			// An item says what others may, as a permission does.
			needed = append(needed, apiSection(permissionKind))
		case chainKind:
			// A chain names people by their e-mail addresses.
			needed = append(needed, "users")
		}
		for _, section := range needed {
			err := s.Authorize(ctx, httpapi.Permission{Section: section, Action: "read"})
			switch {
			case err == nil:
			case fault.Is(err, fault.FeatureDisabled) || fault.Is(err, fault.Denied):
				out[kind] = err
			default:
				return nil, err
			}
		}
	}
	return out, nil
}

// manifest is the document of all that is the tenant's own.
func (s *state) manifest(without map[string]error, platform bool) (*Manifest, error) {
	document := map[string]any{"version": Version}
	permissions := &index{what: "permission", objects: s.objects[permissionKind]}
	roles := &index{what: "role", objects: slices.Concat(s.objects[roleKind], s.roles)}
	permissions.build()
	for _, kind := range kinds() {
		if without[kind] != nil || kind == settingKind { // settings are no list
			continue
		}
		list := []map[string]any{}
		for _, o := range s.objects[kind] {
			if o.fixed {
				continue
			}
			members := map[string]any{}
			for name, value := range o.members {
				members[name] = brief(value)
			}
			switch kind {
			case permissionKind:
				if permissions.reference(o) != o.name || len(permissions.byName[o.name]) > 1 {
					members["id"] = o.id
				}
			case roleKind:
				members[setMember(kind)] = references(o.set, permissions)
			case groupKind:
				members[setMember(kind)] = references(o.set, roles)
			}
			list = append(list, members)
		}
		document[section(kind)] = list
	}
	if !platform && without[settingKind] == nil {
		settings := map[string]any{}
		for _, o := range s.objects[settingKind] {
			settings[o.name] = o.members["value"]
		}
		document["settings"] = settings
	}
	raw, err := json.Marshal(document)
	if err != nil {
		return nil, fmt.Errorf("encode manifest: %w", err)
	}
	out := &Manifest{}
	if err := json.Unmarshal(raw, out); err != nil {
		return nil, fmt.Errorf("decode manifest: %w", err)
	}
	return out, nil
}

func references(set []*object, x *index) []string {
	refs := make([]string, len(set))
	for i, o := range set {
		refs[i] = x.reference(o)
	}
	slices.Sort(refs)
	return refs
}

func (s *Service) plan(ctx context.Context, in *PlanIn) (out *Plan, err error) {
	tenant, _ := identity.TenantFrom(ctx)
	if err := s.has(ctx, tenant, &in.Body.Manifest); err != nil {
		return nil, err
	}
	err = s.Write.DB.InReadTx(ctx, func(tx *db.Tx) error {
		current, err := load(tx, tenant, s.TimeoutHours)
		if err != nil {
			return err
		}
		if err := current.find(tx, tenant, &in.Body.Manifest); err != nil {
			return err
		}
		o, err := plan(current, &in.Body.Manifest, in.Body.Prune)
		if err != nil {
			return err
		}
		out = o.view(current.revision)
		return nil
	})
	return out, err
}

// has refuses sections that the tenant is without, or that the caller may not
// read: a plan says what there is.
func (s *Service) has(ctx context.Context, tenant uuid.UUID, m *Manifest) error {
	if m.Settings != nil && tenant == identity.PlatformTenant {
		return fault.InvalidAt("manifest.settings", "must be left out: the platform's own tenant cannot be changed")
	}
	without, err := s.without(ctx)
	if err != nil {
		return err
	}
	given := map[string]bool{
		settingKind: m.Settings != nil, nodeKind: m.Resources != nil, permissionKind: m.Permissions != nil, roleKind: m.Roles != nil,
		groupKind: m.Groups != nil, chainKind: m.ApprovalChains != nil, fieldKind: m.Fields != nil, menuKind: m.Menus != nil,
	}
	for _, kind := range kinds() {
		if given[kind] && without[kind] != nil {
			return without[kind]
		}
	}
	return nil
}

func (s *Service) apply(ctx context.Context, in *ApplyIn) (out *Plan, err error) {
	tenant, _ := identity.TenantFrom(ctx)
	if caller, _ := identity.PrincipalFrom(ctx); caller.IsScoped() {
		return nil, fault.New(fault.Denied, "A token with a scope applies no manifest. Use one without.")
	}
	if err := s.has(ctx, tenant, &in.Body.Manifest); err != nil {
		return nil, err
	}
	// Asked before the transaction begins: an answer can need one of its own.
	lacks, err := s.lacks(ctx)
	if err != nil {
		return nil, err
	}
	err = s.Write.Granting(ctx, "manifest.apply", func(w *change.Write) (granting.Change, error) {
		current, err := load(w.Tx, tenant, s.TimeoutHours)
		if err != nil {
			return granting.Change{}, err
		}
		if err := current.find(w.Tx, tenant, &in.Body.Manifest); err != nil {
			return granting.Change{}, err
		}
		o, err := plan(current, &in.Body.Manifest, in.Body.Prune)
		if err != nil {
			return granting.Change{}, err
		}
		out = o.view(current.revision)
		if in.Body.Digest != "" && in.Body.Digest != out.Digest {
			return granting.Change{}, fault.Conflict("digest", "What the manifest would change is no longer what the plan showed. Make another plan.")
		}
		for _, s := range o.steps {
			if err := lacks[permissionOf(s.kind(), s.action())]; err != nil {
				return granting.Change{}, err
			}
			// What a role or group holds is given by an update of it.
			if err := lacks[permissionOf(s.kind(), "update")]; s.before == nil && len(s.after.set) > 0 && err != nil {
				return granting.Change{}, err
			}
		}
		a := &applier{Write: w, ctx: ctx, tenant: tenant, current: current, outcome: o, digest: out.Digest, parents: map[string]map[string]*object{}}
		c, err := a.apply()
		if err != nil {
			return c, err
		}
		for i, s := range o.steps {
			out.Changes[i].ID = nil
			if id := s.object().id; id != uuid.Nil {
				out.Changes[i].ID = &id
			}
		}
		return c, nil
	})
	return out, err
}

// permissionOf is what the routes of a kind ask for.
func permissionOf(kind, action string) httpapi.Permission {
	if kind == settingKind {
		action = "update"
	}
	return httpapi.Permission{Section: apiSection(kind), Action: action}
}

// lacks says for all that a manifest can do whether the caller may do it by the
// routes of the section.
func (s *Service) lacks(ctx context.Context) (map[httpapi.Permission]error, error) {
	out := map[httpapi.Permission]error{}
	for _, kind := range kinds() {
		for _, action := range []string{"create", "update", "delete"} {
			p := permissionOf(kind, action)
			err := s.Authorize(ctx, p)
			if err != nil && !fault.Is(err, fault.Denied) && !fault.Is(err, fault.FeatureDisabled) {
				return nil, err
			}
			out[p] = err
		}
	}
	return out, nil
}
