// Package enginetest holds the decision matrix: worlds of tenants, questions
// about them and the answers wanted, in YAML, and what runs every question
// through every evaluator. An evaluator that answers another thing than the
// file, or than another evaluator, fails the test. The package is for tests
// only.
package enginetest

import (
	"embed"
	"errors"
	"path"
	"slices"
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
	Name  string  `yaml:"-"`
	World World   `yaml:"world"`
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
	// Now is the moment of the question. Default [Now].
	Now  time.Time `yaml:"now"`
	Want Want      `yaml:"want"`
	// HTTP is the status with which HTTP refuses the question. Default: it does
	// not.
	HTTP int `yaml:"http"`

	file *File
}

// Resource is what a question is about.
type Resource struct {
	Type string `yaml:"type"`
	ID   string `yaml:"id"`
	// Node asks by the UUID of a node: its name, or tenant/name. Upper writes
	// the UUID in capitals.
	Node       string `yaml:"node"`
	Upper      bool   `yaml:"upper"`
	Attributes Object `yaml:"attributes"`
}

// Want is the answer that every evaluator has to give. What is left out is not
// compared with the file, only between evaluators.
type Want struct {
	Allowed bool        `yaml:"allowed"`
	Code    engine.Code `yaml:"reason_code"`
	// Permissions are names, each with the tenant before a slash if it is
	// another's.
	Permissions []string `yaml:"matched_permissions"`
	// Roles are names, or paths as in "user > group:a > role:b".
	Roles []string `yaml:"matched_roles"`
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
	require.NotEmpty(t, c.Want.Code, c.Name)
	require.Equal(t, c.Want.Code == engine.Granted, c.Want.Allowed, c.Name)
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
	}
}

// Verdict is an evaluator's answer.
type Verdict struct {
	Allowed bool
	Code    string
	// Permissions are ids, ascending.
	Permissions []string
	// Roles are names, ascending, each once.
	Roles []string
	// Paths say how the subject comes by each role; nil from an evaluator that
	// does not tell.
	Paths []string
}

// ErrRefused is returned by an evaluator whose protocol refuses the question in
// the way that the case says.
var ErrRefused = errors.New("refused, as the case says")

// Check fails unless got is what the case wants, and what the first evaluator
// answered.
func (c *Case) Check(t testing.TB, first, got *Verdict) {
	t.Helper()
	require.Equal(t, string(c.Want.Code), got.Code)
	require.Equal(t, c.Want.Allowed, got.Allowed)
	if c.Want.Permissions != nil {
		require.ElementsMatch(t, c.Want.Permissions, c.names(got.Permissions), "matched permissions")
	}
	for _, role := range c.Want.Roles {
		if !strings.Contains(role, " > ") {
			require.Contains(t, got.Roles, role)
		} else if got.Paths != nil {
			require.Contains(t, got.Paths, role)
		}
	}
	if c.Want.Roles != nil {
		require.Len(t, got.Roles, len(c.Want.Roles))
	}
	require.Equal(t, first.Permissions, got.Permissions, "matched permissions")
	require.Equal(t, first.Roles, got.Roles, "matched roles")
	if first.Paths != nil && got.Paths != nil {
		require.Equal(t, first.Paths, got.Paths, "paths of matched roles")
	}
}

// names turns the ids of permissions into names, as [Want] writes them.
func (c *Case) names(ids []string) []string {
	var out []string
	for key, id := range c.file.World.ids {
		if tenant, rest, _ := strings.Cut(key, "/permission/"); slices.Contains(ids, id.String()) && rest != "" {
			if tenant != c.Tenant {
				rest = tenant + "/" + rest
			}
			out = append(out, rest)
		}
	}
	return out
}
