package condition

// Missing returns the canonical paths that the conditions read and at which env
// has nothing, sorted. A path with an explicit null is not missing.
func (p *Program) Missing(env *Env) []string {
	var out []string
	for _, path := range p.Paths() {
		if at, wrong := parsePath(path); wrong == "" && at.lookup(env).kind == kindMissing {
			out = append(out, path)
		}
	}
	return out
}
