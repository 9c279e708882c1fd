package grants

// Reaching returns the permissions that count for a target, whoever has a role
// that owns them, each once. Conditions are not judged.
func (x *Index) Reaching(t *Target) []*Grant {
	var out []*Grant
	seen := map[*Grant]struct{}{}
	take := func(list []owned) {
		for _, o := range list {
			if _, twice := seen[o.grant]; !twice && o.grant.matches(t) {
				seen[o.grant] = struct{}{}
				out = append(out, o.grant)
			}
		}
	}
	actions := [...]string{t.Action, AnyAction}
	for _, typ := range [...]string{t.Type, "*"} {
		if typ != t.Type && t.Type == APIType {
			continue
		}
		for _, action := range actions {
			take(x.byPath[pathKey{typ, action, ""}])
			if t.HasID {
				take(x.byPath[pathKey{typ, action, t.ID}])
			}
		}
	}
	for _, n := range t.Nodes {
		for _, action := range actions {
			take(x.byNode[nodeKey{n, action}])
		}
	}
	return out
}
