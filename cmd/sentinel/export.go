package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/sentinel-access/sentinel/internal/app"
)

// manifestTimeout bounds a call that reads or writes a whole tenant.
const manifestTimeout = 3 * time.Minute

type exportOptions struct {
	remote
	output, schema string
}

func exportCommand() *cobra.Command {
	var o exportOptions
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write a tenant's configuration as a file",
		Long: `Write a tenant's configuration as a file: resources, permissions, roles, groups,
approval chains, fields, menus and settings. Applying it to the same tenant changes nothing.

The file is the same as long as the tenant is, so that it can be kept in Git.`,
		Example: `  sentinel export > tenant.yaml
  sentinel export -o json | jq '.roles[].name'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), manifestTimeout)
			defer cancel()
			return export(ctx, cmd.OutOrStdout(), o)
		},
	}
	o.flags(cmd, "export")
	cmd.Flags().StringVarP(&o.output, "output", "o", "yaml", "yaml, or json for programs")
	cmd.Flags().StringVar(&o.schema, "schema", "tenant.schema.json", "where editors find the schema, as the file names it; sentinel schema writes it")
	return cmd
}

func export(ctx context.Context, out io.Writer, o exportOptions) error {
	if o.output != "yaml" && o.output != "json" {
		return fmt.Errorf("--output %q: must be yaml or json", o.output)
	}
	document, err := o.data(ctx, http.MethodGet, "/manifest", nil)
	if err != nil {
		return err
	}
	if o.output == "json" {
		var text bytes.Buffer
		if err := json.Indent(&text, document, "", "  "); err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		_, err := fmt.Fprintln(out, text.String())
		return err
	}
	text, err := app.ManifestYAML(document, o.schema)
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	return err
}

func schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the files that apply takes, for editors",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			schema, err := app.ManifestSchema()
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(schema)
			return err
		},
	}
}
