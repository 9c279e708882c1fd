package main

import (
	"github.com/spf13/cobra"

	"github.com/sentinel-access/sentinel/internal/app"
)

func keysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Look at the keys and change them, while servers run",
		Long: `Look at the keys and change them, while servers run.

The commands need DATABASE_URL and MASTER_KEY as serve does. Without them they
work on the embedded database under DATA_DIR, whether a server runs it or not.`,
	}
	var rotation app.KeyRotation
	rotate := &cobra.Command{
		Use:   "rotate",
		Short: "Bring in a new key for access tokens; nobody is logged out",
		Long: `Bring in a new key for access tokens; nobody is logged out.

It is published for 10 minutes and signs then. What the old one signed counts
until it ends.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := app.LoadConfig()
			if err != nil {
				return err
			}
			return app.RotateKeys(cmd.Context(), cfg, rotation, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	rotate.Flags().BoolVar(&rotation.Now, "now", false, "the new key signs at once: for a key that leaked")
	rotate.Flags().BoolVar(&rotation.RevokeOld, "revoke-old", false, "with --now: end every access token signed so far")
	list := &cobra.Command{
		Use:   "list",
		Short: "List the keys of access tokens",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := app.LoadConfig()
			if err != nil {
				return err
			}
			return app.ListKeys(cmd.Context(), cfg, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	master := &cobra.Command{
		Use:   "rotate-master",
		Short: "Seal everything in the database with a new master key",
		Long: `Seal everything in the database with MASTER_KEY that a key of
MASTER_KEY_PREVIOUS sealed. It may be run again at any time.

Where the key is a file beside the embedded database, a new key is made first;
no server may run on it then.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := app.LoadConfig()
			if err != nil {
				return err
			}
			return app.RotateMaster(cmd.Context(), cfg, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.AddCommand(rotate, list, master)
	return cmd
}
