package enginetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// World is what a file's questions are asked about. Things go by names; their
// ids follow from them.
type World struct {
	Tenants []*Tenant `yaml:"tenants"`
	// NoAutoApprove switches off the approval by conditions, which is on.
	NoAutoApprove bool `yaml:"no_auto_approve"`

	// ids of everything, by tenant/kind/name.
	ids map[string]uuid.UUID
}

// Tenant is a tenant with all that it holds. Its name in small letters is what
// the file says, its code the same in capitals.
type Tenant struct {
	Name string `yaml:"name"`
	// Parent stands before the tenant in the file.
	Parent      string        `yaml:"parent"`
	Settings    Object        `yaml:"settings"`
	TimeZone    string        `yaml:"time_zone"`
	Inactive    bool          `yaml:"inactive"`
	Roles       []*Role       `yaml:"roles"`
	Groups      []*Group      `yaml:"groups"`
	Permissions []*Permission `yaml:"permissions"`
	Resources   []*Node       `yaml:"resources"`
	Users       []*User       `yaml:"users"`
	Chains      []*Chain      `yaml:"chains"`
	Fields      []*Field      `yaml:"fields"`
	Policies    []*Policy     `yaml:"policies"`
	// AssertOverride are the attributes of subjects in which the asker's word
	// replaces what is stored.
	AssertOverride []string `yaml:"assert_override"`
}

// ID is the tenant's.
func (t *Tenant) ID() uuid.UUID { return id(t.Name) }

// Role is a role of a tenant. With Chain n it stands for n+1 roles, name-0 to
// name-n, each of which has the next as its parent.
type Role struct {
	Name     string `yaml:"name"`
	Parent   string `yaml:"parent"`
	Chain    int    `yaml:"chain"`
	Priority int    `yaml:"priority"`
	Inactive bool   `yaml:"inactive"`
}

// Group is a group of a tenant. Chain is as in [Role]; the Roles are then the
// last one's.
type Group struct {
	Name     string `yaml:"name"`
	Parent   string `yaml:"parent"`
	Chain    int    `yaml:"chain"`
	Inactive bool   `yaml:"inactive"`
	// Roles are names, tenant/name for those of an ancestor, platform/name for
	// system roles.
	Roles []string `yaml:"roles"`
}

// Permission is a permission of a tenant and of the roles that own it.
type Permission struct {
	Name  string   `yaml:"name"`
	Roles []string `yaml:"roles"`
	// Path or Node, the name of a resource.
	Path       string   `yaml:"path"`
	Node       string   `yaml:"node"`
	Actions    []string `yaml:"actions"`
	Effect     string   `yaml:"effect"`
	Conditions Object   `yaml:"conditions"`
	// Fields are "read", "write" or "hidden" by name.
	Fields   map[string]string `yaml:"fields"`
	Inactive bool              `yaml:"inactive"`
}

// Node is a registered resource. Its parent stands before it in the file.
type Node struct {
	Name       string `yaml:"name"`
	Type       string `yaml:"type"`
	Code       string `yaml:"code"`
	Parent     string `yaml:"parent"`
	Attributes Object `yaml:"attributes"`
	Inactive   bool   `yaml:"inactive"`
	// Workflow is nil for none.
	Workflow *Workflow `yaml:"workflow"`
}

// User is an account of a tenant.
type User struct {
	Name           string       `yaml:"name"`
	Email          string       `yaml:"email"`
	EmailVerified  bool         `yaml:"email_verified"`
	Username       string       `yaml:"username"`
	ExternalID     string       `yaml:"external_id"`
	ServiceAccount bool         `yaml:"service_account"`
	Inactive       bool         `yaml:"inactive"`
	LockedUntil    *time.Time   `yaml:"locked_until"`
	Attributes     Object       `yaml:"attributes"`
	Roles          []Assignment `yaml:"roles"`
	Groups         []string     `yaml:"groups"`
	// Requests are those that the user made.
	Requests []*Request `yaml:"requests"`
}

// Assignment of a role to a user: its name as in [Group], or with the times
// between which it counts.
type Assignment struct {
	Role      string     `yaml:"role"`
	ValidFrom *time.Time `yaml:"valid_from"`
	ExpiresAt *time.Time `yaml:"expires_at"`
	Inactive  bool       `yaml:"inactive"`
}

// Asker is the user of every tenant who may ask about others, in tests of the
// API; Password is its password.
const (
	Asker    = "asker"
	Password = "a-password-of-tests"
)

// platform is the name of the platform's tenant in references.
const platform = "platform"

// id follows from a name.
func id(name string) uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("sentinel:enginetest:"+name))
}

// key of a thing: ref is its name in the tenant, or tenant/name.
func (w *World) key(tenant, kind, ref string) string {
	for _, t := range w.Tenants {
		if name, ok := strings.CutPrefix(ref, t.Name+"/"); ok {
			return t.Name + "/" + kind + "/" + name
		}
	}
	return tenant + "/" + kind + "/" + ref
}

func (w *World) tenant(name string) *Tenant {
	for _, t := range w.Tenants {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// prepare adds the askers, writes out the chains and notes all names.
func (w *World) prepare(t testing.TB) {
	t.Helper()
	w.ids = map[string]uuid.UUID{}
	note := func(tenant, kind, name string) {
		key := tenant + "/" + kind + "/" + name
		require.NotContains(t, w.ids, key, "the name stands twice")
		w.ids[key] = id(key)
	}
	for _, tenant := range w.Tenants {
		tenant.Roles = append(tenant.chains(), &Role{Name: Asker})
		tenant.Permissions = append(tenant.Permissions, &Permission{Name: Asker, Roles: []string{Asker}, Path: "api/decisions", Actions: []string{"execute"}})
		tenant.Users = append(tenant.Users, &User{Name: Asker, EmailVerified: true, Roles: []Assignment{{Role: Asker}}})
		for _, x := range tenant.Roles {
			note(tenant.Name, "role", x.Name)
		}
		for _, x := range tenant.Groups {
			note(tenant.Name, "group", x.Name)
		}
		for _, x := range tenant.Permissions {
			note(tenant.Name, "permission", x.Name)
		}
		for _, x := range tenant.Resources {
			if x.Name == "" {
				x.Name = x.Code
			}
			note(tenant.Name, "node", x.Name)
		}
		for _, x := range tenant.Chains {
			note(tenant.Name, "chain", x.Name)
		}
		for _, x := range tenant.Policies {
			note(tenant.Name, "policy", x.Name)
		}
		for _, x := range tenant.Users {
			note(tenant.Name, "user", x.Name)
			for _, r := range x.Requests {
				note(tenant.Name, "request", r.Name)
			}
		}
	}
}

// chains writes out the chains of roles and groups; it returns the roles.
func (t *Tenant) chains() []*Role {
	var roles []*Role
	for _, r := range t.Roles {
		if r.Chain == 0 {
			roles = append(roles, r)
			continue
		}
		for i := range r.Chain + 1 {
			link := &Role{Name: fmt.Sprintf("%s-%d", r.Name, i), Parent: fmt.Sprintf("%s-%d", r.Name, i+1)}
			if i == r.Chain {
				link.Parent = r.Parent
			}
			roles = append(roles, link)
		}
	}
	var groups []*Group
	for _, g := range t.Groups {
		if g.Chain == 0 {
			groups = append(groups, g)
			continue
		}
		for i := range g.Chain + 1 {
			link := &Group{Name: fmt.Sprintf("%s-%d", g.Name, i), Parent: fmt.Sprintf("%s-%d", g.Name, i+1)}
			if i == g.Chain {
				link.Parent, link.Roles = g.Parent, g.Roles
			}
			groups = append(groups, link)
		}
	}
	t.Groups = groups
	return roles
}

// UnmarshalYAML implements [yaml.Unmarshaler].
func (a *Assignment) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		a.Role = n.Value
		return nil
	}
	type plain Assignment
	return n.Decode((*plain)(a))
}

// Closed reports whether the tenant, or one above it, is inactive: nobody can
// log in there.
func (w *World) Closed(name string) bool {
	for t := w.tenant(name); t != nil; t = w.tenant(t.Parent) {
		if t.Inactive {
			return true
		}
	}
	return false
}
