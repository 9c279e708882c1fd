package policy

import "errors"

// ReadVerdict reads data.sentinel.authz.decision, decoded with numbers as
// json.Number.
func ReadVerdict(v any) (Verdict, error) {
	r := reader{}
	r.members, r.odd = object(v)
	out := Verdict{
		Allowed: r.truth("allowed"), ReasonCode: r.text("reason_code"),
		MatchedPermissions: r.texts("matched_permissions"), MatchedRoles: r.texts("matched_roles"),
		Extra: Extra{
			Denials: r.denials("denials"), Obligations: r.objects("obligations"),
			Chain: r.text("approval_chain_id"), Levels: r.members["approval_levels"], Request: r.text("approval_request_id"),
			AutoApproved: r.truth("auto_approved"), Fields: r.fields("field_permissions"),
		},
	}
	if r.truth("requires_approval") != (out.ReasonCode == "approval_required") || r.odd {
		return Verdict{}, errors.New("evaluate decision: the answer has another shape")
	}
	return out, nil
}

// reader reads members of an answer. A member of another kind makes it odd.
type reader struct {
	members map[string]any
	odd     bool
}

// object returns v as an object, and whether it is none.
func object(v any) (map[string]any, bool) {
	m, ok := v.(map[string]any)
	return m, !ok
}

func (r *reader) truth(name string) bool {
	b, ok := r.members[name].(bool)
	r.odd = r.odd || !ok
	return b
}

func (r *reader) text(name string) string {
	s, ok := r.members[name].(string)
	r.odd = r.odd || !ok
	return s
}

func (r *reader) list(name string) []any {
	list, ok := r.members[name].([]any)
	r.odd = r.odd || !ok
	return list
}

func (r *reader) texts(name string) []string {
	out := []string{}
	for _, one := range r.list(name) {
		s, ok := one.(string)
		r.odd = r.odd || !ok
		out = append(out, s)
	}
	return out
}

func (r *reader) objects(name string) []map[string]any {
	var out []map[string]any
	for _, one := range r.list(name) {
		m, odd := object(one)
		r.odd = r.odd || odd
		out = append(out, m)
	}
	return out
}

func (r *reader) denials(name string) []Denial {
	var out []Denial
	for _, m := range r.objects(name) {
		one := reader{members: m}
		out = append(out, Denial{Policy: one.text("policy"), Reason: one.text("reason")})
		r.odd = r.odd || one.odd
	}
	return out
}

// fields returns visibilities by tier and name, nil for none.
func (r *reader) fields(name string) map[string]map[string]string {
	tiers, odd := object(r.members[name])
	r.odd = r.odd || odd
	var out map[string]map[string]string
	for tier, given := range tiers {
		names, odd := object(given)
		one := reader{members: names, odd: odd}
		if out == nil {
			out = map[string]map[string]string{}
		}
		out[tier] = map[string]string{}
		for field := range names {
			out[tier][field] = one.text(field)
		}
		r.odd = r.odd || one.odd
	}
	return out
}
