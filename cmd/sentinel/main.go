// Command sentinel is the whole of Sentinel in one binary: the server, its
// migrations, and the tools that talk to a running one.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	// Time zones of tenants, for machines and images that have none of their own.
	_ "time/tzdata"

	"github.com/spf13/cobra"
)

// version is set when a release is built.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := root().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "sentinel:", err)
		os.Exit(exitStatus(err))
	}
}

// exitStatus is 1 but for an import that is done without some of its rows, and
// for a dry run that found something to change.
func exitStatus(err error) int {
	if errors.Is(err, errRowsRefused) || errors.Is(err, errWouldChange) {
		return 2
	}
	return 1
}

func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:           "sentinel",
		Short:         "Access control for multi-tenant SaaS: who may do what, and why",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	cmd.AddCommand(serveCommand(), migrateCommand(), seedCommand(), checkCommand(), explainCommand(), whoCanCommand(), whatCanCommand(), templatesCommand(), applyCommand(), exportCommand(),
		schemaCommand(), importCommand(), benchCommand(), policyCommand(), openapiCommand(), keysCommand(), versionCommand())
	return cmd
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		Run:   func(cmd *cobra.Command, _ []string) { fmt.Fprintln(cmd.OutOrStdout(), "sentinel", version) },
	}
}
