package approval

import (
	"slices"

	"github.com/google/uuid"
)

// met reports whether a level has agreed by the votes that were given at it. Of
// any_of one entry has to have its number of people; of all_of each has to, and
// nobody counts for two.
func (l *Level) met(votes []Vote, one *People) bool {
	people := l.agreed(votes, one)
	if len(l.Approvers.AllOf) > 0 {
		return len(l.Missing(votes, one)) == 0
	}
	for i, a := range l.Approvers.AnyOf {
		n := 0
		for _, entries := range people {
			if slices.Contains(entries, i) {
				n++
			}
		}
		if n >= a.Min {
			return true
		}
	}
	return false
}

// Missing returns how many people each entry of an all_of lacks by the votes
// that were given, by its place; of an any_of, how many each lacks by itself. An
// entry that lacks nobody is left out.
func (l *Level) Missing(votes []Vote, one *People) map[int]int {
	people := l.agreed(votes, one)
	missing := map[int]int{}
	if len(l.Approvers.AllOf) == 0 {
		for i, a := range l.Approvers.AnyOf {
			lacks := a.Min
			for _, entries := range people {
				if slices.Contains(entries, i) {
					lacks--
				}
			}
			if lacks > 0 {
				missing[i] = lacks
			}
		}
		return missing
	}
	m := matching{people: people, seats: make([][]int, len(l.Approvers.AllOf))}
	for i, a := range l.Approvers.AllOf {
		m.room = append(m.room, a.Min)
		m.seats[i] = []int{}
	}
	for person := range people {
		m.place(person, make([]bool, len(m.seats)))
	}
	for i, a := range l.Approvers.AllOf {
		if lacks := a.Min - len(m.seats[i]); lacks > 0 {
			missing[i] = lacks
		}
	}
	return missing
}

// agreed returns the people who agreed at the level, each with the entries as
// which they may count.
func (l *Level) agreed(votes []Vote, one *People) [][]int {
	var order []uuid.UUID
	of := map[uuid.UUID][]int{}
	for _, v := range votes {
		if v.Level != l.Number || v.Verdict != Approve {
			continue
		}
		person := one.Person(v.Account)
		if _, there := of[person]; !there {
			order = append(order, person)
		}
		of[person] = append(of[person], v.Entries...)
	}
	out := make([][]int, len(order))
	for i, person := range order {
		out[i] = of[person]
	}
	return out
}

// matching seats people at entries, as many as can be: whoever sits moves on if
// that makes room (the augmenting paths of a bipartite matching).
type matching struct {
	people [][]int
	room   []int
	seats  [][]int
}

// place seats one more person if that is possible at all. tried are the entries
// at which no room was found on the way.
func (m *matching) place(person int, tried []bool) bool {
	for _, entry := range m.people[person] {
		if entry < 0 || entry >= len(m.seats) || tried[entry] {
			continue
		}
		tried[entry] = true
		if len(m.seats[entry]) < m.room[entry] {
			m.seats[entry] = append(m.seats[entry], person)
			return true
		}
		for i, sitting := range m.seats[entry] {
			if m.place(sitting, tried) {
				m.seats[entry][i] = person
				return true
			}
		}
	}
	return false
}
