package directory

import (
	"net/url"
	"strings"
	"unicode"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/change"
	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/platform/crud"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/models"
)

// MenuSpec is a menu item as callers write it, without what it refers to: its
// parent and its resource.
type MenuSpec struct {
	Name               string         `json:"name" minLength:"1" maxLength:"100" doc:"Unique in the tenant."`
	DisplayName        string         `json:"display_name,omitempty" maxLength:"255"`
	Icon               string         `json:"icon,omitempty" maxLength:"255" doc:"As the application knows it."`
	URL                string         `json:"url,omitempty" maxLength:"2000" doc:"http, https, or a path of the application such as /fleet. An item without one is a heading, shown while something below it is."`
	RequiredPermission string         `json:"required_permission,omitempty" maxLength:"255" doc:"type:action, such as page:read; api/section:action for a section of this API, such as api/users:read. Default: none is needed."`
	DisplayOrder       int            `json:"display_order,omitempty" minimum:"-1000000" maximum:"1000000" doc:"Lower comes first. Default 0."`
	IsVisible          *bool          `json:"is_visible,omitempty" doc:"Default true. false hides the item, and all below it, from everybody."`
	Metadata           httpapi.Object `json:"metadata,omitempty"`
}

// maxMenuOrder bounds orders on both sides of zero.
const maxMenuOrder = 1_000_000

// Validate returns every offending member, with prefix before its path.
func (in *MenuSpec) Validate(prefix string) []fault.Field {
	c := Checker{Prefix: prefix}
	switch {
	case in.Name == "" || strings.TrimSpace(in.Name) != in.Name || strings.ContainsFunc(in.Name, unprintable):
		c.Add("name", "must have 1 to 100 characters, none of them hidden, and no space at either end")
	default:
		c.Length("name", in.Name, 0, 100)
	}
	c.Length("display_name", in.DisplayName, 0, 255)
	c.Length("icon", in.Icon, 0, 255)
	c.Add("url", checkMenuURL(in.URL))
	if in.RequiredPermission != "" {
		_, message := ParseMenuPermission(in.RequiredPermission)
		c.Add("required_permission", message)
		c.Length("required_permission", in.RequiredPermission, 0, 255)
	}
	if in.DisplayOrder < -maxMenuOrder || in.DisplayOrder > maxMenuOrder {
		c.Add("display_order", "must be from -1000000 to 1000000")
	}
	return c.Fields
}

// Apply writes the input's members over m. What is left out gets its default.
func (in *MenuSpec) Apply(m *models.MenuItem) {
	m.Name, m.DisplayName, m.Icon, m.URL = in.Name, in.DisplayName, in.Icon, in.URL
	m.RequiredPermission, m.DisplayOrder = in.RequiredPermission, in.DisplayOrder
	m.IsVisible = in.IsVisible == nil || *in.IsVisible
	m.Metadata = models.Object(in.Metadata)
}

func unprintable(r rune) bool { return !unicode.IsGraphic(r) }

// checkMenuURL lets nothing pass that a browser would run as a script or take
// for another host than it shows.
func checkMenuURL(s string) string {
	const message = "must be an http or https URL, or a path that begins with one /"
	if s == "" {
		return ""
	}
	if m := atMost(s, 2000); m != "" {
		return m
	}
	if strings.ContainsRune(s, '\\') || strings.ContainsFunc(s, unprintable) {
		return message
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return message
	case (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.User == nil:
		return ""
	case u.Scheme == "" && u.Host == "" && strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//"):
		return ""
	default:
		return message
	}
}

// MenuPermission is what an item needs.
type MenuPermission struct {
	Type string
	// Section is of type api only: the section of this API.
	Section string
	Action  string
}

// ParseMenuPermission reads "type:action" or "api/section:action" and returns
// what is wrong with it, "" if nothing is.
func ParseMenuPermission(s string) (MenuPermission, string) {
	const message = "must be type:action, such as page:read, or api/section:action, such as api/users:read"
	what, action, ok := strings.Cut(s, ":")
	typ, section, hasSection := strings.Cut(what, "/")
	p := MenuPermission{Type: typ, Section: section, Action: action}
	switch {
	case !ok || engine.CheckType(typ) != "" || engine.CheckAction(action) != "":
		return p, message
	case typ == grants.APIType && (section == "" || strings.ContainsRune(section, '/') || engine.CheckResourceID(section) != ""):
		return p, "must name one section of the API, such as api/users:read"
	case typ != grants.APIType && hasSection:
		return p, "must name a type without an instance: give resource_id for a registered node"
	}
	return p, ""
}

// CheckNode refuses a resource that is not a node of the tenant, or is of
// another type than the permission says.
func (in *MenuSpec) CheckNode(w *change.Write, tenant uuid.UUID, node *uuid.UUID, prefix string) error {
	if node == nil {
		return nil
	}
	m, err := crud.One[models.Resource](w.Tx, tenant, *node, "resource")
	if err != nil {
		return err
	}
	if p, _ := ParseMenuPermission(in.RequiredPermission); in.RequiredPermission != "" && p.Type != m.Type {
		return fault.InvalidAt(prefix+"required_permission", "must be of the type of the resource: %s", m.Type)
	}
	return nil
}
