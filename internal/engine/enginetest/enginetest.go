// Package enginetest holds the decision matrix: worlds of tenants, questions
// about them and the answers wanted, in YAML, and what runs every question
// through every evaluator. An evaluator that answers another thing than the
// file, or than another evaluator, fails the test. The package is for tests
// only.
package enginetest

import (
	"cmp"
	"embed"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/sentinel-access/sentinel/internal/engine"
)

//go:embed testdata/*.yaml
var files embed.FS

// File is one world with the questions about it.
type File struct {
	// Name is the file's, without its ending.
	Name  string `yaml:"-"`
	World World  `yaml:"world"`
	// Defaults are what cases ask about that do not say it.
	Defaults struct {
		Tenant   string   `yaml:"tenant"`
		User     string   `yaml:"user"`
		Action   string   `yaml:"action"`
		Resource Resource `yaml:"resource"`
	} `yaml:"defaults"`
	Cases []*Case `yaml:"cases"`
}

// Case is one question with the answer wanted.
type Case struct {
	Name string `yaml:"name"`
	// Tenant is the name of the tenant asked in. Default: the first of the file.
	Tenant string `yaml:"tenant"`
	// User is the name of the subject, of that tenant or written tenant/name. A
	// name that the world lacks is an unknown subject.
	User             string   `yaml:"user"`
	Resource         Resource `yaml:"resource"`
	Action           string   `yaml:"action"`
	ActionProperties Object   `yaml:"action_properties"`
	Context          Object   `yaml:"context"`
	// SubjectAttributes and SubjectOverrides are what the caller says of the
	// subject: in gaps, and over what is stored. Over HTTP the asker's account
	// tells them apart, so that the names of the latter are the tenant's
	// AssertOverride and no others are.
	SubjectAttributes Object `yaml:"subject_attributes"`
	SubjectOverrides  Object `yaml:"subject_overrides"`
	// Now is the moment of the question. Default [Now].
	Now  time.Time `yaml:"now"`
	Want Want      `yaml:"want"`
	// Record is what the record of the decision has to hold as its answer, beside
	// what follows from the answer itself: members with their values, chains and
	// requests by name.
	Record Object `yaml:"record"`
	// HTTP is the status with which HTTP refuses the question. Default: it does
	// not.
	HTTP int `yaml:"http"`
	// Fails is set where the evaluation of a policy fails. The library then gives
	// an error instead of an answer.
	Fails bool `yaml:"fails"`
	// Strict is set where a built-in function fails, which is an error to Sentinel
	// and undefined to a stock OPA.
	Strict bool `yaml:"strict"`

	file *File
}

// Resource is what a question is about: an object, or as a text its type or
// type/id.
type Resource struct {
	Type string `yaml:"type"`
	ID   string `yaml:"id"`
	// Node asks by the UUID of a node: its name, or tenant/name. Upper writes
	// the UUID in capitals.
	Node       string `yaml:"node"`
	Upper      bool   `yaml:"upper"`
	Attributes Object `yaml:"attributes"`
}

// UnmarshalYAML implements [yaml.Unmarshaler].
func (r *Resource) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		r.Type, r.ID, _ = strings.Cut(n.Value, "/")
		return nil
	}
	type plain Resource
	return n.Decode((*plain)(r))
}

// Want is the answer that every evaluator has to give: an object, or as a text
// its reason code. What is left out is not compared with the file, only between
// evaluators.
type Want struct {
	// Allowed follows from the code; it may be written for whoever reads the file.
	Allowed bool        `yaml:"allowed"`
	Code    engine.Code `yaml:"reason_code"`
	// Permissions are names, each with the tenant before a slash if it is
	// another's.
	Permissions []string `yaml:"matched_permissions"`
	// Roles are names, or paths as in "user > group:a > role:b".
	Roles []string `yaml:"matched_roles"`
	// Chain and Request are names, empty for none.
	Chain   *string `yaml:"approval_chain"`
	Request *string `yaml:"approval_request"`
	Auto    *bool   `yaml:"auto_approved"`
	// Denials are written "policy: reason".
	Denials     []string                     `yaml:"denials"`
	Obligations []Object                     `yaml:"obligations"`
	Fields      map[string]map[string]string `yaml:"fields"`
	// Reason are texts that the sentence holds.
	Reason []string `yaml:"reason"`
}

// UnmarshalYAML implements [yaml.Unmarshaler].
func (w *Want) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		w.Code = engine.Code(n.Value)
		return nil
	}
	type plain Want
	return n.Decode((*plain)(w))
}

// Now is when a case is asked that names no other moment: a Monday, in winter.
func Now() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) }

// Load reads the whole matrix.
func Load(t testing.TB) []*File {
	t.Helper()
	entries, err := files.ReadDir("testdata")
	require.NoError(t, err)
	var out []*File
	for _, e := range entries {
		raw, err := files.ReadFile(path.Join("testdata", e.Name()))
		require.NoError(t, err)
		f := &File{Name: strings.TrimSuffix(e.Name(), ".yaml")}
		decoder := yaml.NewDecoder(strings.NewReader(string(raw)))
		decoder.KnownFields(true)
		require.NoError(t, decoder.Decode(f), e.Name())
		f.World.prepare(t)
		for _, c := range f.Cases {
			c.prepare(t, f)
		}
		out = append(out, f)
	}
	return out
}

// prepare fills in the defaults and refuses names that lead nowhere, so that a
// slip of the pen does not become a question that is denied for another reason.
func (c *Case) prepare(t testing.TB, f *File) {
	t.Helper()
	c.file = f
	c.Tenant, c.User, c.Action = cmp.Or(c.Tenant, f.Defaults.Tenant), cmp.Or(c.User, f.Defaults.User), cmp.Or(c.Action, f.Defaults.Action)
	if c.Resource.Type == "" && c.Resource.Node == "" {
		c.Resource.Type, c.Resource.ID = f.Defaults.Resource.Type, f.Defaults.Resource.ID
	}
	if c.Tenant == "" {
		c.Tenant = f.World.Tenants[0].Name
	}
	if c.Now.IsZero() {
		c.Now = Now()
	}
	require.NotNil(t, f.World.tenant(c.Tenant), "%s: tenant", c.Name)
	_, known := f.World.ids[c.UserKey()]
	require.Equal(t, c.Want.Code != engine.SubjectUnknown, known && strings.HasPrefix(c.UserKey(), c.Tenant+"/"), "%s: user", c.Name)
	for _, p := range c.Want.Permissions {
		require.Contains(t, f.World.ids, f.World.key(c.Tenant, "permission", p), c.Name)
	}
	if c.Resource.Node != "" {
		require.Contains(t, f.World.ids, f.World.key(c.Tenant, "node", c.Resource.Node), c.Name)
		c.Resource.ID = f.World.ids[f.World.key(c.Tenant, "node", c.Resource.Node)].String()
		if c.Resource.Upper {
			c.Resource.ID = strings.ToUpper(c.Resource.ID)
		}
	}
	for kind, name := range map[string]*string{"chain": c.Want.Chain, "request": c.Want.Request} {
		if name != nil && *name != "" {
			require.Contains(t, f.World.ids, f.World.key(c.Tenant, kind, *name), c.Name)
		}
	}
	for name := range c.SubjectAttributes {
		require.NotContains(t, f.World.tenant(c.Tenant).AssertOverride, name, c.Name)
	}
	for name := range c.SubjectOverrides {
		require.Contains(t, f.World.tenant(c.Tenant).AssertOverride, name, c.Name)
	}
	require.NotEmpty(t, c.Want.Code, c.Name)
	allowed := c.Want.Code == engine.Granted || c.Want.Code == engine.GrantedByApproval
	require.True(t, allowed || !c.Want.Allowed, c.Name)
	c.Want.Allowed = allowed
}

// UserKey names the subject in the world.
func (c *Case) UserKey() string { return c.file.World.key(c.Tenant, "user", c.User) }

// TenantID is that of the tenant asked in.
func (c *Case) TenantID() uuid.UUID { return c.file.World.tenant(c.Tenant).ID() }

// UserID is the subject's.
func (c *Case) UserID() uuid.UUID { return id(c.UserKey()) }

// Question returns the question as the engine takes it.
func (c *Case) Question() *engine.Question {
	return &engine.Question{
		TenantID: c.TenantID(), UserID: c.UserID(), Type: c.Resource.Type, ID: c.Resource.ID, Attributes: c.Resource.Attributes,
		Action: c.Action, ActionProperties: c.ActionProperties, Context: c.Context,
		SubjectAttributes: c.SubjectAttributes, SubjectOverrides: c.SubjectOverrides,
	}
}
