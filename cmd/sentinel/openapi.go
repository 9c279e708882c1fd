package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sentinel-access/sentinel/internal/app"
)

func openapiCommand() *cobra.Command {
	var out, edition string
	cmd := &cobra.Command{
		Use:   "openapi",
		Short: "Print the OpenAPI document, without a server or a database",
		Long: `Print the OpenAPI document that a server of this version serves at
/openapi.json, for generators of clients. It needs no server and no database.`,
		Example: `  sentinel openapi -o openapi.json
  sentinel openapi --version 3.0 -o openapi.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if edition != "3.1" && edition != "3.0" {
				return fmt.Errorf("--version %q: must be 3.1 or 3.0", edition)
			}
			kind := filepath.Ext(out)
			document, err := app.Document(cmd.Context(), version, app.DocumentForm{Old: edition == "3.0", YAML: kind == ".yaml" || kind == ".yml"})
			if err != nil {
				return err
			}
			if out == "" {
				_, err = fmt.Fprintln(cmd.OutOrStdout(), string(document))
				return err
			}
			if err := os.WriteFile(out, document, 0o644); err != nil { //nolint:gosec // it is public
				return fmt.Errorf("--output: %w", err)
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "the file to write, YAML if its name ends in .yaml (default: standard output)")
	cmd.Flags().StringVar(&edition, "version", "3.1", "the version of OpenAPI: 3.1, or 3.0 for generators that need it")
	return cmd
}
