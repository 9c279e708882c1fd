package directory

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/granting"
	"github.com/sentinel-access/sentinel/internal/engine/grants"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// Template is a role that most types of resources need, before it is known for
// which type.
type Template struct {
	Name        string           `json:"name" doc:"Such as viewer."`
	Description string           `json:"description"`
	Priority    int              `json:"priority" doc:"That of the role, unless another is given."`
	Permissions []TemplateAction `json:"permissions"`
}

// TemplateAction is a permission of a template.
type TemplateAction struct {
	// Part ends the permission's name where the role has more than one.
	Part         string   `json:"-"`
	ResourcePath string   `json:"resource_path" doc:"{type} stands for the type of resource."`
	Actions      []string `json:"actions"`
}

const typePlace = "{type}"

// Templates are all there are.
func Templates() []Template {
	whole := func(actions ...string) TemplateAction {
		return TemplateAction{ResourcePath: typePlace + "/*", Actions: actions}
	}
	return []Template{
		{Name: "viewer", Description: "Reads every {type}.", Priority: 100, Permissions: []TemplateAction{whole("read")}},
		{Name: "editor", Description: "Reads, creates and changes every {type}.", Priority: 200, Permissions: []TemplateAction{whole("read", "create", "update")}},
		{Name: "admin", Description: "Does everything with every {type}.", Priority: 400, Permissions: []TemplateAction{whole(grants.AnyAction)}},
		{Name: "approver", Description: "Reads and approves every {type}, and decides on access requests.", Priority: 300, Permissions: []TemplateAction{
			whole("read", "approve"),
			// As the system role approver has them.
			{Part: "access requests", ResourcePath: "api/access-requests", Actions: []string{grants.AnyAction}},
			{Part: "read approval chains", ResourcePath: "api/approval-chains", Actions: []string{"read"}},
			{Part: "navigation", ResourcePath: "api/navigation", Actions: []string{"read"}},
		}},
	}
}

// TemplateNamed finds a template.
func TemplateNamed(name string) (Template, error) {
	list := Templates()
	i := slices.IndexFunc(list, func(t Template) bool { return t.Name == name })
	if i < 0 {
		names := make([]string, len(list))
		for j := range list {
			names[j] = list[j].Name
		}
		return Template{}, fault.New(fault.NotFoundKind, "There is no role template of that name. There are: %s.", strings.Join(names, ", "))
	}
	return list[i], nil
}

// Draft is a role with its permissions that was made from a template and is not
// stored yet.
type Draft struct {
	Name, DisplayName, Description string
	Priority                       int
	Permissions                    []PermissionInput
}

// For makes the role for a type of resource. role is its name; default the type
// and the template's: "invoice_viewer". The permissions are named after the role,
// so that no two roles of a tenant share their names.
func (t *Template) For(typ, role string) (*Draft, error) {
	var fields []fault.Field
	if m := engine.CheckType(typ); m != "" {
		fields = append(fields, fault.Field{Path: "resource_type", Message: m})
	} else if typ == grants.APIType {
		fields = append(fields, fault.Field{Path: "resource_type", Message: "api is the platform's: give permissions on its sections one by one"})
	}
	if role == "" {
		role = typ + "_" + t.Name
	}
	switch {
	case utf8.RuneCountInString(role) > 100:
		fields = append(fields, fault.Field{Path: "role_name", Message: "must be given, with at most 100 characters: the role would be called " + role})
	case role == granting.TenantAdmin || role == granting.SuperAdmin:
		fields = append(fields, fault.Field{Path: "role_name", Message: "must be given: " + role + " is a system role"})
	}
	if fields != nil {
		return nil, fault.Invalid(fields...)
	}
	spoken := strings.ReplaceAll(role, "_", " ")
	_, first := utf8.DecodeRuneInString(spoken)
	d := &Draft{
		Name: role, DisplayName: strings.ToUpper(spoken[:first]) + spoken[first:], Description: t.filled(t.Description, typ), Priority: t.Priority,
	}
	for _, p := range t.Permissions {
		name := spoken
		if p.Part != "" {
			name = fmt.Sprintf("%s: %s", spoken, p.Part)
		}
		path := t.filled(p.ResourcePath, typ)
		of, _, _ := strings.Cut(path, "/")
		d.Permissions = append(d.Permissions, PermissionInput{Name: name, ResourceType: of, ResourcePath: path, Actions: slices.Clone(p.Actions)})
	}
	return d, nil
}

func (t *Template) filled(text, typ string) string { return strings.ReplaceAll(text, typePlace, typ) }
