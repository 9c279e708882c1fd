package policy

import "slices"

// MayAllow reports whether a tenant's module has an allow rule that is asked about
// an action on a type. Whether it is heeded is the tenant's setting.
func (m *Modules) MayAllow(typ, action string) bool {
	return slices.ContainsFunc(m.modules, func(c module) bool { return c.allows() && c.applies(typ, action) })
}

// allows reports whether the module has an allow rule.
func (c *module) allows() bool {
	return slices.ContainsFunc(c.rules, func(r rule) bool { return r.name == ruleAllow })
}

// AllowedActions returns the actions that modules with allow rules are about, by
// the types that they name, "*" standing for every action or type.
func (m *Modules) AllowedActions() map[string][]string {
	out := map[string][]string{}
	for i := range m.modules {
		c := &m.modules[i]
		if !c.allows() {
			continue
		}
		types := c.ResourceTypes
		if len(types) == 0 {
			types = []string{"*"}
		}
		for _, typ := range types {
			out[typ] = append(out[typ], c.Actions...)
			if len(c.Actions) == 0 {
				out[typ] = append(out[typ], "*")
			}
		}
	}
	return out
}

// MayApply is [Modules.Applies] where "*" stands for any type or action.
func (m *Modules) MayApply(typ, action string) bool {
	return slices.ContainsFunc(m.modules, func(c module) bool {
		return len(c.rules) > 0 && typ != "api" && (typ == "*" || names(c.ResourceTypes, typ)) && (action == "*" || names(c.Actions, action))
	})
}
