// Package workload turns a synthetic data set, neutral of any engine, into files
// for POST /imports, so that Sentinel can be loaded with it and measured.
package workload

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
)

// Tenant is an isolated customer of the data set. Ids are unique within it.
type Tenant struct {
	ID          string       `json:"id"`
	Roles       []Role       `json:"roles"`
	Permissions []Permission `json:"permissions"`
	Groups      []Group      `json:"groups"`
	Users       []User       `json:"users"`
	Resources   []Resource   `json:"resources"`
}

// Role has permissions of its own, and those of all its parents.
type Role struct {
	ID          string   `json:"id"`
	Parents     []string `json:"parents"`
	Permissions []string `json:"permissions"`
}

// Permission allows actions on the resources of a type that a pattern matches.
type Permission struct {
	ID         string      `json:"id"`
	Type       string      `json:"type"`
	Pattern    string      `json:"pattern"`
	Actions    []string    `json:"actions"`
	Conditions []Condition `json:"conditions"`
}

// Condition is about one attribute of the resource: "eq" and "in" of Values,
// "le" of Max.
type Condition struct {
	Attr   string   `json:"attr"`
	Op     string   `json:"op"`
	Values []string `json:"values"`
	Max    int      `json:"max"`
}

// Group has roles and may lie in another.
type Group struct {
	ID     string   `json:"id"`
	Parent string   `json:"parent"`
	Roles  []string `json:"roles"`
}

// User is in groups and may have roles.
type User struct {
	ID     string   `json:"id"`
	Groups []string `json:"groups"`
	Roles  []string `json:"roles"`
}

// Resource is a known object.
type Resource struct {
	Type  string         `json:"type"`
	ID    string         `json:"id"`
	Attrs map[string]any `json:"attrs"`
}

// Check is a question with the answer that it has.
type Check struct {
	Tenant   string   `json:"tenant"`
	User     string   `json:"user"`
	Action   string   `json:"action"`
	Resource Resource `json:"resource"`
	Allowed  bool     `json:"allowed"`
}

// Read reads the tenants of a data set.
func Read(r io.Reader) ([]Tenant, error) {
	var data struct {
		Tenants []Tenant `json:"tenants"`
	}
	if err := json.NewDecoder(r).Decode(&data); err != nil {
		return nil, fmt.Errorf("read the data set: %w", err)
	}
	return data.Tenants, nil
}

// Code is the tenant's code in Sentinel.
func (t *Tenant) Code() string { return "BENCH-" + t.ID }

// File is all of the tenant as a mixed file of JSON lines. A role of several
// parents keeps the first, and has what the others imply of its own; users are
// known by their id as external id.
func (t *Tenant) File() ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	var rows []map[string]any
	for _, r := range t.Resources {
		rows = append(rows, map[string]any{"kind": "resource", "type": r.Type, "code": r.ID, "attributes": r.Attrs})
	}
	for _, p := range t.Permissions {
		rows = append(rows, map[string]any{
			"kind": "permission", "name": p.ID, "resource_path": p.Type + "/" + p.Pattern, "actions": p.Actions, "conditions": conditions(p.Conditions),
		})
	}
	rows = append(rows, t.roles()...)
	for _, g := range t.Groups {
		row := map[string]any{"kind": "group", "name": g.ID, "roles": g.Roles}
		if g.Parent != "" {
			row["parent"] = g.Parent
		}
		rows = append(rows, row)
	}
	for _, u := range t.Users {
		rows = append(rows, map[string]any{"kind": "user", "email": u.ID + "@" + t.ID + ".example", "external_id": u.ID, "groups": u.Groups, "roles": u.Roles})
	}
	for _, row := range rows {
		for name, value := range row {
			if list, ok := value.([]string); ok && len(list) == 0 {
				delete(row, name)
			}
		}
		if err := encoder.Encode(row); err != nil {
			return nil, fmt.Errorf("write a row: %w", err)
		}
	}
	return out.Bytes(), nil
}

func conditions(all []Condition) map[string]any {
	out := map[string]any{}
	for _, c := range all {
		path := "resource.attributes." + c.Attr
		if c.Op == "le" {
			out[path] = map[string]any{"lte": c.Max}
		} else {
			out[path] = map[string]any{"in": c.Values}
		}
	}
	return out
}

func (t *Tenant) roles() (rows []map[string]any) {
	byID := map[string]*Role{}
	for i := range t.Roles {
		byID[t.Roles[i].ID] = &t.Roles[i]
	}
	for _, r := range t.Roles {
		row := map[string]any{"kind": "role", "name": r.ID}
		own := slices.Clone(r.Permissions)
		if len(r.Parents) > 0 {
			row["parent"] = r.Parents[0]
			seen := map[string]bool{}
			for _, parent := range r.Parents[1:] {
				own = append(own, implied(byID, parent, seen)...)
			}
		}
		slices.Sort(own)
		row["permissions"] = slices.Compact(own)
		rows = append(rows, row)
	}
	return rows
}

func implied(roles map[string]*Role, id string, seen map[string]bool) []string {
	r := roles[id]
	if r == nil || seen[id] {
		return nil
	}
	seen[id] = true
	out := slices.Clone(r.Permissions)
	for _, parent := range r.Parents {
		out = append(out, implied(roles, parent, seen)...)
	}
	return out
}
