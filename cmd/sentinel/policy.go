package main

import (
	"github.com/spf13/cobra"

	"github.com/sentinel-access/sentinel/internal/app"
)

func policyCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "policy", Short: "Build bundles of the policy library"}
	var out, key, keyID string
	build := &cobra.Command{
		Use:   "build",
		Short: "Pack the platform's Rego library as an OPA bundle",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return app.BuildBundle(cmd.Context(), app.BundleOptions{Out: out, Revision: version, KeyFile: key, KeyID: keyID})
		},
	}
	build.Flags().StringVarP(&out, "output", "o", "bundles/sentinel.tar.gz", "the file to write")
	build.Flags().StringVar(&key, "signing-key", "", "a file with a private RSA key in PEM, to sign the bundle with")
	build.Flags().StringVar(&keyID, "key-id", "sentinel", "the name by which agents find the public key")
	cmd.AddCommand(build)
	return cmd
}
