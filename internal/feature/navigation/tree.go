package navigation

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/models"
)

// entry is an item with what an account wishes of it.
type entry struct {
	ID                 uuid.UUID
	ParentID           *uuid.UUID
	Name               string
	DisplayName        string
	Icon               string
	URL                string
	ResourceID         *uuid.UUID
	ResourceType       string
	RequiredPermission string
	DisplayOrder       int
	IsVisible          bool
	Metadata           models.JSON
	IsHidden           bool
	CustomOrder        *int
}

func (e *entry) order() int {
	if e.CustomOrder != nil {
		return *e.CustomOrder
	}
	return e.DisplayOrder
}

// asked is the question on which an item depends, as a check would put it.
type asked struct{ typ, id, action string }

// asks returns the question on which the item depends, and whether it depends on
// one. What cannot be read, or is of another type than the resource, is the zero
// question, to which nobody answers yes.
func (e *entry) asks() (q asked, needed bool) {
	if e.RequiredPermission == "" && e.ResourceID == nil {
		return asked{}, false
	}
	if e.RequiredPermission == "" {
		return asked{typ: e.ResourceType, id: e.ResourceID.String(), action: "read"}, true
	}
	p, wrong := directory.ParseMenuPermission(e.RequiredPermission)
	switch {
	case wrong != "", e.ResourceID != nil && p.Type != e.ResourceType:
		return asked{}, true
	case e.ResourceID != nil:
		return asked{typ: p.Type, id: e.ResourceID.String(), action: p.Action}, true
	default:
		return asked{typ: p.Type, id: p.Section, action: p.Action}, true
	}
}

// shown returns the entries that are switched on and permitted, as is everything
// above them.
func shown(entries []entry, permitted func(*entry) bool) []entry {
	var out []entry
	below := children(entries)
	var walk func(parent uuid.UUID)
	walk = func(parent uuid.UUID) {
		for _, e := range below[parent] {
			if e.IsVisible && permitted(e) {
				out = append(out, *e)
				walk(e.ID)
			}
		}
	}
	walk(uuid.UUID{})
	return out
}

// children are the entries by the id of their parent, of all zeros for the first
// level. What is below nothing that is there is below nothing at all, as would be
// what is below itself.
func children(entries []entry) map[uuid.UUID][]*entry {
	below := make(map[uuid.UUID][]*entry, len(entries))
	for i := range entries {
		e := &entries[i]
		var parent uuid.UUID
		if e.ParentID != nil {
			parent = *e.ParentID
		}
		below[parent] = append(below[parent], e)
	}
	return below
}

// arrange makes the tree of entries that an account may see. It leaves out what
// leads nowhere: an item without url and without anything below it.
func arrange(entries []entry, includeHidden bool) []Node {
	below := children(entries)
	for _, siblings := range below {
		slices.SortFunc(siblings, func(a, b *entry) int {
			return cmp.Or(cmp.Compare(a.order(), b.order()), strings.Compare(a.Name, b.Name), slices.Compare(a.ID[:], b.ID[:]))
		})
	}
	var build func(parent uuid.UUID) []Node
	build = func(parent uuid.UUID) []Node {
		nodes := []Node{}
		for _, e := range below[parent] {
			if e.IsHidden && !includeHidden {
				continue
			}
			n := Node{
				ID: e.ID, Name: e.Name, DisplayName: e.DisplayName, Icon: e.Icon, URL: e.URL, Order: e.order(), IsHidden: e.IsHidden,
				Metadata: json.RawMessage(e.Metadata), Children: build(e.ID),
			}
			if n.URL != "" || len(n.Children) > 0 {
				nodes = append(nodes, n)
			}
		}
		return nodes
	}
	return build(uuid.UUID{})
}
