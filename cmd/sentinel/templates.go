package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sentinel-access/sentinel/internal/app"
)

func templatesCommand() *cobra.Command {
	var typ, role, output string
	cmd := &cobra.Command{
		Use:   "templates [NAME]",
		Short: "List the role templates, or print what one of them makes for a type of resource",
		Long: `List the role templates, or print what one of them makes for a type of resource:
the role and its permissions, in the form of the declarative file. Nothing is
written anywhere; no server is asked.`,
		Example: `  sentinel templates
  sentinel templates viewer --type invoice
  sentinel templates editor --type invoice | sentinel apply -f - --yes`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				if output != "" && output != "text" && output != "json" {
					return fmt.Errorf("--output %q: the list is text or json", output)
				}
				return app.ListTemplates(cmd.OutOrStdout(), output == "json")
			}
			if output != "" && output != "yaml" && output != "json" {
				return fmt.Errorf("--output %q: must be yaml or json", output)
			}
			if typ == "" {
				return errors.New("say for which type of resource, such as --type invoice")
			}
			return app.WriteTemplate(cmd.OutOrStdout(), args[0], typ, role, output == "json")
		},
	}
	cmd.Flags().StringVar(&typ, "type", "", "the type of resource that the role is for")
	cmd.Flags().StringVar(&role, "role", "", "the role's name (default: TYPE_NAME)")
	cmd.Flags().StringVarP(&output, "output", "o", "", "yaml (default) or json; of the list text (default) or json")
	return cmd
}
