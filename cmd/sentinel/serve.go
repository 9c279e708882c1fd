package main

import (
	"github.com/spf13/cobra"

	"github.com/sentinel-access/sentinel/internal/app"
)

func serveCommand() *cobra.Command {
	var demo bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: `Run the server until it is interrupted. Requests in flight finish, queues drain.

Without DATABASE_URL it runs a private PostgreSQL under DATA_DIR. All variables
are described in .env.example.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := app.LoadConfig()
			if err != nil {
				return err
			}
			cfg.Demo = demo
			return app.Serve(cmd.Context(), cfg, version, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().BoolVar(&demo, "demo", false, "seed the demo tenant and print its logins (loopback only)")
	return cmd
}

func seedCommand() *cobra.Command {
	var demo bool
	cmd := &cobra.Command{
		Use:   "seed",
		Short: "Write demo data into the database; again changes nothing",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !demo {
				return errNothingToSeed
			}
			cfg, err := app.LoadConfig()
			if err != nil {
				return err
			}
			return app.Seed(cmd.Context(), cfg, version, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().BoolVar(&demo, "demo", false, "the demo tenant: a shipping company")
	return cmd
}
