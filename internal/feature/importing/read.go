package importing

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/models"
)

const (
	// maxLine is the longest row, in bytes.
	maxLine = 1 << 20
	// mostRows is how many rows a file may have: each takes its place in memory,
	// however short it is.
	mostRows = 1_000_000
	// keptRefusals is how many are kept of one import: what is beyond is counted.
	keptRefusals = 10_000
	// partBytes is about how much of a file is sealed, and written, together.
	partBytes = 4 << 20
)

// file is what was read of one.
type file struct {
	// entries are the rows that may be written, by kind in the order of the file.
	entries map[Kind][]*entry
	at      map[Kind]map[string]*entry
	total   int
	refused int
	// refusals are those that are kept.
	refusals []models.ImportRefusal
	email    func(string) (string, bool)
}

// entry is a row with what its place in the order depends on.
type entry struct {
	row
	key    string
	parent string
	// owners are the roles that a permission names.
	owners []string
}

// part is some rows of one kind that are written together.
type part struct {
	kind Kind
	rows []row
}

// read splits a file into its rows and checks the form of each. What is wrong
// with one row refuses that row; what is wrong with the file is an error.
func read(body []byte, kind, format string, email func(string) (string, bool)) (*file, error) {
	f := &file{entries: map[Kind][]*entry{}, at: map[Kind]map[string]*entry{}, email: email}
	if format == "csv" {
		if kind == mixed {
			return nil, fault.InvalidAt("query.kind", "must not be mixed for CSV: a header has the members of one kind")
		}
		k := rowKind(kind)
		err := readCSV(body, k, func(line int, raw []byte) { f.take(line, k, raw) }, func(line int, field fault.Field) { f.unread(line, k, field) })
		return f, err
	}
	body = bytes.TrimPrefix(body, []byte("\xEF\xBB\xBF"))
	for line := 1; len(body) > 0; line++ {
		var text []byte
		text, body, _ = bytes.Cut(body, []byte("\n"))
		if text = bytes.TrimSpace(text); len(text) == 0 {
			continue
		}
		if f.total >= mostRows {
			return nil, tooMany()
		}
		f.line(line, rowKind(kind), text)
	}
	return f, nil
}

func tooMany() error {
	return fault.InvalidAt("body", "has more than %d rows: send it in parts", mostRows)
}

// line reads a line of JSON. kind is empty in a mixed file.
func (f *file) line(line int, kind Kind, text []byte) {
	if len(text) > maxLine {
		f.unread(line, kind, fault.Field{Message: "is longer than 1 MiB"})
		return
	}
	if fields := checkJSON(text); len(fields) > 0 {
		f.unread(line, kind, fields[0])
		return
	}
	if kind == "" || bytes.Contains(text, []byte(`"kind"`)) {
		var said struct {
			Kind *string `json:"kind"`
		}
		err := json.Unmarshal(text, &said)
		switch {
		case kind == "" && (err != nil || said.Kind == nil || !isKind(*said.Kind)):
			f.unread(line, kind, fault.Field{Path: "kind", Message: "must be resource, permission, role, group, user or assignment"})
			return
		case kind == "":
			kind = Kind(*said.Kind)
		case err != nil || said.Kind != nil && *said.Kind != string(kind):
			f.unread(line, kind, fault.Field{Path: "kind", Message: "must be " + string(kind) + " in this file, or left out"})
			return
		}
	}
	f.take(line, kind, text)
}

func isKind(s string) bool {
	for _, k := range kinds() {
		if string(k) == s {
			return true
		}
	}
	return false
}

// unread refuses what was no row.
func (f *file) unread(line int, kind Kind, field fault.Field) {
	f.total++
	f.refuse(line, kind, "", field)
}

func (f *file) refuse(line int, kind Kind, key string, fields ...fault.Field) {
	f.refused++
	if len(f.refusals) < keptRefusals {
		f.refusals = append(f.refusals, refusal(line, kind, key, fields))
	}
}

// refusal is a row that is not written, with the first thing that is wrong, and
// how much else is.
func refusal(line int, kind Kind, key string, fields []fault.Field) models.ImportRefusal {
	r := models.ImportRefusal{Line: line, Kind: string(kind), Key: shorten(key, 400)}
	if len(fields) > 0 {
		r.Field, r.Reason = shorten(fields[0].Path, 400), fields[0].Message
	}
	if r.Reason = shorten(r.Reason, 1_000); r.Reason == "" {
		r.Reason = "is not valid"
	}
	if len(fields) > 1 {
		also := make([]string, 0, len(fields)-1)
		for _, f := range fields[1:] {
			also = append(also, f.Path+" "+f.Message)
		}
		r.Reason += shorten("; "+strings.Join(also, "; "), 900)
	}
	return r
}

// take checks the form of a row and keeps it.
func (f *file) take(line int, kind Kind, raw []byte) {
	f.total++
	if len(raw) > maxLine {
		f.refuse(line, kind, "", fault.Field{Message: "is longer than 1 MiB"})
		return
	}
	spec, fields := decodeRow(kind, raw)
	if fields != nil {
		f.refuse(line, kind, "", fields...)
		return
	}
	e := &entry{row: row{Line: line, Raw: raw}}
	f.name(e, spec)
	if f.at[kind] == nil {
		f.at[kind] = map[string]*entry{}
	}
	if other := f.at[kind][e.key]; other != nil {
		f.refuse(line, kind, e.key, fault.Field{Message: "is there already, on line " + itoa(other.Line)})
		return
	}
	f.at[kind][e.key] = e
	f.entries[kind] = append(f.entries[kind], e)
}

// name says what a row is known by, and what must come before it.
func (f *file) name(e *entry, spec validator) {
	switch s := spec.(type) {
	case *directory.NodeSpec:
		e.key, e.parent = s.Ref().String(), s.Parent
	case *PermissionSpec:
		e.key, e.owners = s.Name, s.Roles
	case *directory.RoleSpec:
		e.key, e.parent = s.Name, s.Parent
	case *directory.GroupSpec:
		e.key, e.parent = s.Name, s.Parent
	case *UserSpec:
		e.key = f.userKey(s)
	case *AssignmentSpec:
		e.key = s.User + " " + assigned(s)
	}
}

// userKey is what an account in a file is known by.
func (f *file) userKey(s *UserSpec) string {
	if s.ExternalID != "" {
		return s.ExternalID
	}
	if address, ok := f.email(s.Email); ok {
		return address
	}
	return s.Email
}

func assigned(s *AssignmentSpec) string {
	if s.Role != "" {
		return "role:" + s.Role
	}
	return "group:" + s.Group
}

// parts are the rows in the order in which they are written: kind by kind, and
// parents before what is below them. Rows that are their own ancestors are
// refused.
func (f *file) parts() (parts []part) {
	f.settleOwners()
	for _, kind := range kinds() {
		var rows []row
		size := 0
		for _, e := range f.ordered(kind) {
			if len(rows) == kind.partRows() || size > partBytes {
				parts, rows, size = append(parts, part{kind, rows}), nil, 0
			}
			rows, size = append(rows, e.row), size+len(e.Raw)
		}
		if len(rows) > 0 {
			parts = append(parts, part{kind, rows})
		}
	}
	return parts
}

// settleOwners has a role of this file take the permissions that name it, since
// it is written after them.
func (f *file) settleOwners() {
	for _, e := range f.entries[Permission] {
		for _, name := range e.owners {
			if role := f.at[Role][name]; role != nil {
				role.Also = append(role.Also, e.key)
				e.Also = append(e.Also, name)
			}
		}
	}
}

// ordered returns the rows of a kind, each after its parent.
func (f *file) ordered(kind Kind) []*entry {
	const begun, done = 1, 2
	state := map[*entry]int{}
	out := make([]*entry, 0, len(f.entries[kind]))
	for _, e := range f.entries[kind] {
		var path []*entry
		for at := e; at != nil && state[at] == 0; at = f.parentOf(kind, at) {
			state[at] = begun
			path = append(path, at)
		}
		top := path
		if len(path) > 0 {
			if above := f.parentOf(kind, path[len(path)-1]); above != nil && state[above] == begun {
				top = f.refuseCycle(kind, path, above)
			}
		}
		for i := len(top) - 1; i >= 0; i-- {
			out = append(out, top[i])
		}
		for _, at := range path {
			state[at] = done
		}
	}
	return out
}

func (f *file) parentOf(kind Kind, e *entry) *entry {
	if e.parent == "" {
		return nil
	}
	return f.at[kind][e.parent]
}

// refuseCycle refuses the rows of a path from first on, which end where they
// began, and returns those before it.
func (f *file) refuseCycle(kind Kind, path []*entry, first *entry) []*entry {
	for i, e := range path {
		if e != first {
			continue
		}
		for _, e := range path[i:] {
			f.refuse(e.Line, kind, e.key, fault.Field{Path: "parent", Message: "makes it its own ancestor in this file"})
		}
		return path[:i]
	}
	return path
}
