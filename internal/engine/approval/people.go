package approval

import "github.com/google/uuid"

// People says which accounts count as one person: a delegator and a delegate, a
// service account and its owner. What is one with the same is one. The zero
// value has every account by itself.
type People struct{ parent map[uuid.UUID]uuid.UUID }

// Join makes two accounts, and all that are one with either, one person.
func (p *People) Join(a, b uuid.UUID) {
	ra, rb := p.Person(a), p.Person(b)
	if ra == rb {
		return
	}
	if p.parent == nil {
		p.parent = map[uuid.UUID]uuid.UUID{}
	}
	p.parent[ra] = rb
}

// Person returns an account that stands for the person: the same for all that
// are one.
func (p *People) Person(account uuid.UUID) uuid.UUID {
	for p != nil {
		up, ok := p.parent[account]
		if !ok {
			return account
		}
		account = up
	}
	return account
}

// Same reports whether two accounts are one person.
func (p *People) Same(a, b uuid.UUID) bool { return p.Person(a) == p.Person(b) }

// clone lets a decision join more without the caller's noticing.
func (p *People) clone() *People {
	out := &People{}
	if p != nil {
		for a, b := range p.parent {
			out.Join(a, b)
		}
	}
	return out
}
