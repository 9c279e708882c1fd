package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/sentinel-access/sentinel/internal/engine/directory"
	"github.com/sentinel-access/sentinel/internal/platform/fault"
)

// draftFile is a role with its permissions in the form of the declarative file.
type draftFile struct {
	Version     int                        `json:"version"`
	Permissions []directory.PermissionSpec `json:"permissions"`
	Roles       []directory.RoleSpec       `json:"roles"`
}

// ListTemplates writes the role templates, as JSON or as a table for people.
func ListTemplates(out io.Writer, asJSON bool) error {
	list := directory.Templates()
	if asJSON {
		return writeJSON(out, list)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, t := range list {
		fmt.Fprintf(w, "%s\t%s\n", t.Name, t.Description)
	}
	return w.Flush()
}

// WriteTemplate writes the role that a template makes for a type of resource,
// with its permissions, as a declarative file in YAML or JSON. role is its name,
// "" for the default.
func WriteTemplate(out io.Writer, name, typ, role string, asJSON bool) error {
	template, err := directory.TemplateNamed(name)
	if err != nil {
		return asFlags(err)
	}
	draft, err := template.For(typ, role)
	if err != nil {
		return asFlags(err)
	}
	file := draftFile{Version: 1, Roles: []directory.RoleSpec{{
		Name: draft.Name, DisplayName: draft.DisplayName, Description: draft.Description, Priority: draft.Priority,
	}}}
	for _, p := range draft.Permissions {
		file.Permissions = append(file.Permissions, directory.PermissionSpec{Name: p.Name, ResourcePath: p.ResourcePath, Actions: p.Actions})
		file.Roles[0].Permissions = append(file.Roles[0].Permissions, p.Name)
	}
	if asJSON {
		return writeJSON(out, file)
	}
	document, err := json.Marshal(file)
	if err != nil {
		return fmt.Errorf("encode the template: %w", err)
	}
	text, err := YAMLText(document)
	if err != nil {
		return fmt.Errorf("encode the template: %w", err)
	}
	_, err = out.Write(text)
	return err
}

// asFlags says of a fault what whoever typed the command has to know.
func asFlags(err error) error {
	var f *fault.Error
	if !errors.As(err, &f) {
		return err
	}
	if len(f.Fields) == 0 {
		return errors.New(f.Message)
	}
	flags := strings.NewReplacer("resource_type", "--type", "role_name", "--role")
	text := make([]string, len(f.Fields))
	for i, field := range f.Fields {
		text[i] = flags.Replace(field.Path) + ": " + field.Message
	}
	return errors.New(strings.Join(text, "; "))
}

func writeJSON(out io.Writer, v any) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the templates: %w", err)
	}
	_, err = fmt.Fprintln(out, string(raw))
	return err
}
