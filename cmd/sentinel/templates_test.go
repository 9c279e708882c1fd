package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTemplates_ListsThem(t *testing.T) {
	t.Parallel()
	out, err := run(t, "templates")
	require.NoError(t, err)
	require.Contains(t, out, "viewer    Reads every {type}.\n")
	out, err = run(t, "templates", "-o", "json")
	require.NoError(t, err)
	var list []struct{ Name string }
	require.NoError(t, json.Unmarshal([]byte(out), &list))
	require.Equal(t, []struct{ Name string }{{"viewer"}, {"editor"}, {"admin"}, {"approver"}}, list)
}

func TestTemplates_PrintADeclarativeFile(t *testing.T) {
	t.Parallel()
	out, err := run(t, "templates", "viewer", "--type", "invoice")
	require.NoError(t, err)
	require.Equal(t, `version: 1
permissions:
  - name: invoice viewer
    resource_path: invoice/*
    actions: [read]
roles:
  - name: invoice_viewer
    display_name: Invoice viewer
    description: Reads every invoice.
    priority: 100
    permissions: [invoice viewer]
`, out)
	out, err = run(t, "templates", "approver", "--type", "invoice", "--role", "payers", "-o", "json")
	require.NoError(t, err)
	var file struct {
		Version     int
		Permissions []struct {
			Name         string
			ResourcePath string `json:"resource_path"`
		}
		Roles []struct {
			Name        string
			Permissions []string
		}
	}
	require.NoError(t, json.Unmarshal([]byte(out), &file))
	require.Equal(t, 1, file.Version)
	require.Equal(t, "payers", file.Roles[0].Name)
	require.Equal(t, []string{"payers", "payers: access requests", "payers: read approval chains", "payers: navigation"}, file.Roles[0].Permissions)
	require.Equal(t, "api/access-requests", file.Permissions[1].ResourcePath)
}

func TestTemplates_SayWhatToDo(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"--type invoice":                 {"templates", "viewer"},
		"There are: viewer":              {"templates", "owner", "--type", "invoice"},
		"must be yaml or json":           {"templates", "viewer", "--type", "invoice", "-o", "text"},
		"the list is text or json":       {"templates", "-o", "yaml"},
		"accepts at most 1 arg":          {"templates", "viewer", "invoice"},
		"--type: must be a lower-case":   {"templates", "viewer", "--type", "Invoice"},
		"--role: must be given: tenant_": {"templates", "admin", "--type", "tenant"},
	} {
		_, err := run(t, args...)
		require.ErrorContains(t, err, want)
	}
}
