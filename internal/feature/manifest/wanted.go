package manifest

import (
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// wantedOf are the objects of a manifest by kind, without an entry for a section
// that is left out.
func wantedOf(m *Manifest, timeout int) (map[string][]*object, []fault.Field, error) {
	g := &gatherer{wanted: map[string][]*object{}}
	if m.Settings != nil {
		g.settings(m.Settings)
	}
	gather(g, nodeKind, m.Resources, nodeObject)
	gather(g, permissionKind, m.Permissions, permissionObject)
	gather(g, roleKind, m.Roles, roleObject)
	gather(g, groupKind, m.Groups, groupObject)
	gather(g, chainKind, m.ApprovalChains, func(s *ApprovalChain) (*object, error) {
		s.timeout = timeout
		return chainObject(s)
	})
	gather(g, fieldKind, m.Fields, fieldObject)
	gather(g, menuKind, m.Menus, menuObject)
	return g.wanted, g.fields, g.err
}

type gatherer struct {
	wanted map[string][]*object
	fields []fault.Field
	err    error
}

func (g *gatherer) settings(given map[string]any) {
	g.wanted[settingKind] = []*object{}
	known := directory.Settings()
	for _, name := range slices.Sorted(maps.Keys(given)) {
		at := "manifest.settings." + name
		setting, ok := known[name]
		message := "is no setting"
		if ok && setting.FromAbove {
			message = "is decided from above, and not in a manifest"
		} else if ok {
			message = setting.Check(given[name])
		}
		if message != "" {
			g.fields = append(g.fields, fault.Field{Path: at, Message: message})
		}
		g.wanted[settingKind] = append(g.wanted[settingKind], settingObject(name, given[name], at))
	}
}

func settingObject(name string, value any, at string) *object {
	return &object{kind: settingKind, name: name, members: map[string]any{"value": value}, at: at}
}

func gather[S any](g *gatherer, kind string, specs []S, make func(*S) (*object, error)) {
	if specs == nil || g.err != nil {
		return
	}
	seen := map[string]bool{}
	list := []*object{}
	pairs := 0
	for i := range specs {
		o, err := make(&specs[i])
		if err != nil {
			g.err = err
			return
		}
		o.at = fmt.Sprintf("manifest.%s[%d]", section(kind), i)
		name := o.name
		if kind == permissionKind {
			name = o.alias.String()
		}
		if seen[name] && (kind != permissionKind || o.alias != uuid.Nil) {
			g.fields = append(g.fields, fault.Field{Path: o.at, Message: "is listed already: " + name})
		}
		seen[name] = true
		list = append(list, o)
		pairs += len(o.refs)
	}
	if pairs > mostPairs {
		g.err = fault.InvalidAt("manifest."+section(kind), "have more than %d %s together", mostPairs, setMember(kind))
		return
	}
	g.wanted[kind] = list
}
