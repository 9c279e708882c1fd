package policy

import "context"

// Said is what one module says about an action.
type Said struct {
	// Policy is the module, such as "tenant.hours".
	Policy  string
	Finding Finding
	// Err says why it could not be evaluated.
	Err error
}

// Trace asks each of the modules that apply on its own, in their order. It is for
// explanations: the answer is made of what [Modules.Judge] finds, which it agrees
// with but where the modules have too many obligations together.
func (m *Modules) Trace(ctx context.Context, f *Facts, action string) []Said {
	var out []Said
	for i := range m.modules {
		c := &m.modules[i]
		if !c.applies(f.Question.Type, action) {
			continue
		}
		alone := Modules{timeout: m.timeout, compiler: m.compiler, store: m.store, modules: m.modules[i : i+1]}
		findings, err := alone.Judge(ctx, f, []string{action})
		if ctx.Err() != nil {
			break
		}
		out = append(out, Said{Policy: c.policy(), Finding: findings[action], Err: err})
	}
	return out
}
