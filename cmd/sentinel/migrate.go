package main

import (
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/sentinel-access/sentinel/internal/app"
)

var (
	errNothingToSeed = errors.New("say what to seed: sentinel seed --demo")
	errNotConfirmed  = errors.New("migrate down removes the schema with all its data; say --yes if that is meant")
)

func migrateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the schema of MIGRATE_DATABASE_URL up to date, take it down, or look at it",
	}
	up := &cobra.Command{
		Use:   "up",
		Short: "Run every migration that has not run",
		Long:  "Run every migration that has not run. With APP_DATABASE_PASSWORD set, the role sentinel_app, as which the server connects, gets that password.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := app.LoadMigrationConfig()
			if err != nil {
				return err
			}
			return app.MigrateUp(cmd.Context(), cfg)
		},
	}
	var yes bool
	down := &cobra.Command{
		Use:   "down",
		Short: "Undo every migration: the schema and all its data go",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !yes {
				return errNotConfirmed
			}
			cfg, err := app.LoadMigrationConfig()
			if err != nil {
				return err
			}
			return app.MigrateDown(cmd.Context(), cfg)
		},
	}
	down.Flags().BoolVar(&yes, "yes", false, "the data may go")
	status := &cobra.Command{
		Use:   "status",
		Short: "List the migrations and which of them have run",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := app.LoadMigrationConfig()
			if err != nil {
				return err
			}
			states, err := app.MigrateStatus(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			for _, s := range states {
				fmt.Fprintln(w, s)
			}
			return w.Flush()
		},
	}
	cmd.AddCommand(up, down, status)
	return cmd
}
