package enginetest

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/engine/rbac"
	"github.com/sentinel-access/sentinel/models"
)

// Chain is an approval chain. Of a tenant's chains the first is the oldest.
type Chain struct {
	Name    string `yaml:"name"`
	Type    string `yaml:"type"`
	Pattern string `yaml:"pattern"`
	// Mode is "gate" if left out.
	Mode string `yaml:"mode"`
	// Levels are lists of approvers, role:name or user:name, of whom one is
	// enough. Default: one level, of the asker's role.
	Levels   [][]string `yaml:"levels"`
	Auto     Object     `yaml:"auto"`
	Inactive bool       `yaml:"inactive"`
}

// Field is a field definition: the tenant's, or with Platform everybody's.
type Field struct {
	Entity   string `yaml:"entity"`
	Name     string `yaml:"name"`
	Tier     string `yaml:"tier"`
	Default  string `yaml:"default"`
	Platform bool   `yaml:"platform"`
	Inactive bool   `yaml:"inactive"`
}

// Workflow is what a node's states allow.
type Workflow struct {
	State  string   `yaml:"state"`
	States []string `yaml:"states"`
	// Actions are names of roles by state and action, or "*".
	Actions map[string]map[string][]string `yaml:"state_actions"`
	// Disabled keeps the workflow, switched off.
	Disabled bool `yaml:"disabled"`
	// Raw stands for the whole configuration, of which then nothing is as it
	// should be.
	Raw Object `yaml:"raw"`
}

// Policy is a published module: package tenant.<name> with the text of Rego. A
// version before it and a draft after it deny everything and must not count.
type Policy struct {
	Name string `yaml:"name"`
	// Types and Actions are what its metadata say it applies to.
	Types   []string `yaml:"types"`
	Actions []string `yaml:"actions"`
	Rego    string   `yaml:"rego"`
}

// Text is the module as it is published.
func (p *Policy) Text() string {
	var b strings.Builder
	if p.Types != nil || p.Actions != nil {
		b.WriteString("# METADATA\n# custom:\n#   applies_to:\n")
		for _, line := range []struct {
			member string
			names  []string
		}{{"resource_types", p.Types}, {"actions", p.Actions}} {
			if line.names != nil {
				fmt.Fprintf(&b, "#     %s: [%s]\n", line.member, quoted(line.names))
			}
		}
	}
	fmt.Fprintf(&b, "package tenant.%s\n\n%s\n", p.Name, p.Rego)
	return b.String()
}

func quoted(names []string) string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = fmt.Sprintf("%q", n)
	}
	return strings.Join(out, ", ")
}

// Request is an access request of a user for a resource. Of a tenant's requests
// the first is the oldest.
type Request struct {
	Name  string `yaml:"name"`
	Chain string `yaml:"chain"`
	// Type and ID name an instance or, with no id, the type as a whole. Node
	// stands for both: a registered resource.
	Type string `yaml:"type"`
	ID   string `yaml:"id"`
	Node string `yaml:"node"`
	// Action is "*" for a request for the resource as a whole.
	Action string `yaml:"action"`
	// Status is "approved" if left out.
	Status string `yaml:"status"`
	// For is who gains, if not the user who asked.
	For string `yaml:"for"`
	// ExpiresAt is when what was granted ends.
	ExpiresAt *time.Time `yaml:"expires_at"`
	// Auto marks the record of an approval by conditions.
	Auto bool `yaml:"auto"`
}

func (t *Tenant) texts() map[string]string {
	out := map[string]string{}
	for _, p := range t.Policies {
		out[p.path()] = p.Text()
	}
	return out
}

func (p *Policy) path() string { return "tenant/" + p.Name + ".rego" }

// since is the moment at which the n-th of several things was made.
func since(n int) time.Time { return Now().AddDate(-1, 0, 0).Add(time.Duration(n) * time.Minute) }

func (x *writer) chains() []map[string]any {
	var out []map[string]any
	for i, c := range x.tenant.Chains {
		mode, pattern := c.Mode, c.Pattern
		if mode == "" {
			mode = "gate"
		}
		if pattern == "" {
			pattern = "*"
		}
		out = append(out, map[string]any{
			"id": x.ref("chain", c.Name), "tenant_id": x.tenant.ID(), "name": c.Name, "resource_type": c.Type, "resource_pattern": pattern,
			"mode": mode, "approval_levels": string(x.world.levels(x.tenant, c)), "auto_approve_conditions": models.Object(c.Auto),
			"is_active": !c.Inactive, "created_at": since(i),
		})
	}
	return out
}

// levels are those of a chain as they are stored.
func (w *World) levels(t *Tenant, c *Chain) json.RawMessage {
	lists := c.Levels
	if lists == nil {
		lists = [][]string{{"role:" + Asker}}
	}
	type approver struct {
		Role string `json:"role,omitempty"`
		User string `json:"user,omitempty"`
		Min  int    `json:"min"`
	}
	type level struct {
		Level     int                   `json:"level"`
		Approvers map[string][]approver `json:"approvers"`
		Timeout   int                   `json:"timeout_hours"`
		Final     bool                  `json:"final,omitempty"`
	}
	var levels []level
	for i, list := range lists {
		var approvers []approver
		for _, a := range list {
			kind, name, _ := strings.Cut(a, ":")
			one := approver{Min: 1}
			if key := w.ids[w.key(t.Name, kind, name)].String(); kind == "user" {
				one.User = key
			} else {
				one.Role = key
			}
			approvers = append(approvers, one)
		}
		levels = append(levels, level{Level: i + 1, Approvers: map[string][]approver{"any_of": approvers}, Timeout: 48, Final: i == len(lists)-1})
	}
	raw, err := json.Marshal(levels)
	if err != nil {
		return json.RawMessage("[]")
	}
	return raw
}

func (x *writer) fields() []models.FieldDefinition {
	var out []models.FieldDefinition
	for _, f := range x.tenant.Fields {
		row := models.FieldDefinition{
			ID: uuid.New(), EntityType: f.Entity, FieldName: f.Name, FieldType: f.Tier, DataType: "string",
			DefaultVisibility: f.Default, IsActive: !f.Inactive,
		}
		if !f.Platform {
			owner := x.tenant.ID()
			row.TenantID = &owner
		}
		if f.Tier == "core" {
			row.StorageColumn = given(f.Name)
		} else {
			row.StoragePath = given("attributes." + f.Name)
		}
		out = append(out, row)
	}
	return out
}

// workflow is the configuration of a node as it is stored.
func (x *writer) workflow(w *Workflow) models.JSON {
	if w.Raw != nil {
		return models.Object(w.Raw)
	}
	states := map[string]any{}
	for state, actions := range w.Actions {
		byAction := map[string]any{}
		for action, roles := range actions {
			keys := []string{}
			for _, name := range roles {
				if name != grants.AnyAction {
					id, _ := x.role(name)
					name = rbac.Role(id)
				}
				keys = append(keys, name)
			}
			byAction[action] = keys
		}
		states[state] = byAction
	}
	config := map[string]any{"states": w.States, "state_actions": states}
	if w.State != "" {
		config["state"] = w.State
	}
	return models.Object(config)
}

// policies are the modules, their versions and what was published of them.
func (x *writer) policies() (modules []models.Policy, versions []models.PolicyVersion, publications []models.PolicyPublication) {
	type published struct {
		PolicyID  uuid.UUID `json:"policy_id"`
		VersionID uuid.UUID `json:"version_id"`
		Path      string    `json:"path"`
		Package   string    `json:"package"`
		Version   int       `json:"version"`
	}
	var first, second []published
	for _, p := range x.tenant.Policies {
		module, name, live := x.ref("policy", p.Name), "tenant."+p.Name, 2
		other := "package " + name + "\n\ndeny contains {\"reason\": \"not the live version\"}\n"
		modules = append(modules, models.Policy{
			ID: module, TenantID: x.tenant.ID(), Path: p.path(), Package: name, Rego: other, Version: 3, PublishedVersion: &live, Status: "draft",
		})
		for i, text := range []string{other, p.Text(), other} {
			v := models.PolicyVersion{
				ID: uuid.New(), TenantID: x.tenant.ID(), PolicyID: module, Version: i + 1, Path: p.path(), Package: name, Rego: text,
			}
			versions = append(versions, v)
			entry := published{module, v.ID, p.path(), name, v.Version}
			switch i {
			case 0:
				first = append(first, entry)
			case 1:
				second = append(second, entry)
			}
		}
	}
	for i, list := range [][]published{first, second} {
		raw, err := json.Marshal(list)
		if err != nil || list == nil {
			continue
		}
		publications = append(publications, models.PolicyPublication{
			ID: uuid.New(), TenantID: x.tenant.ID(), Revision: int64(i + 1), Modules: raw, Simulation: models.JSON("{}"), PublishedAt: Now(),
		})
	}
	return modules, versions, publications
}

func (x *writer) requests() []map[string]any {
	var out []map[string]any
	for _, u := range x.tenant.Users {
		for _, r := range u.Requests {
			kind, details := "permission", map[string]any{"resource_type": r.Type, "resource_id": r.ID, "action": r.Action}
			if r.Action == grants.AnyAction {
				kind = "resource_access"
				delete(details, "action")
			}
			if r.Node != "" {
				details["node_id"] = x.ref("node", r.Node)
				details["resource_type"], details["resource_id"] = x.node(r.Node).Type, x.node(r.Node).Code
			}
			if details["resource_id"] == "" {
				delete(details, "resource_id")
			}
			row := map[string]any{
				"id": x.ref("request", r.Name), "tenant_id": x.tenant.ID(), "requester_id": x.ref("user", u.Name), "beneficiary_id": x.ref("user", u.Name),
				"request_type": kind, "request_details": models.Object(details), "justification": "because", "chain_id": x.ref("chain", r.Chain),
				"status": "approved", "auto_approved": r.Auto, "created_at": since(len(out)), "grant_expires_at": r.ExpiresAt,
			}
			if r.Status != "" {
				row["status"] = r.Status
			}
			if r.For != "" {
				row["beneficiary_id"] = x.ref("user", r.For)
			}
			out = append(out, row)
		}
	}
	return out
}
