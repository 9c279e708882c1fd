package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/sentinel-access/sentinel/internal/app/workload"
)

func benchCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "bench", Short: "Load a running server with synthetic data"}
	var r remote
	var file string
	load := &cobra.Command{
		Use:   "load -f data.json",
		Short: "Make the tenants of a data set and import all that is in them, as an operator",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return benchLoad(cmd.Context(), cmd.OutOrStdout(), r, file)
		},
	}
	r.flags(load, "load")
	load.Flags().StringVarP(&file, "file", "f", "", "the data set")
	_ = load.MarkFlagRequired("file")
	cmd.AddCommand(load)
	return cmd
}

// benchLoad imports tenant after tenant; those that are there are imported
// again, which changes nothing.
func benchLoad(ctx context.Context, out io.Writer, r remote, file string) error {
	f, err := os.Open(filepath.Clean(file))
	if err != nil {
		return fmt.Errorf("--file: %w", err)
	}
	defer func() { _ = f.Close() }()
	tenants, err := workload.Read(f)
	if err != nil {
		return err
	}
	begun := time.Now()
	running := map[string]string{}
	for i := range tenants {
		t := &tenants[i]
		if r.tenant, err = benchTenant(ctx, r, t.Code()); err != nil {
			return err
		}
		raw, err := t.File()
		if err != nil {
			return err
		}
		var im imported
		if err := r.put(ctx, "/imports?source=bench", upload{media: "application/x-ndjson", body: bytes.NewReader(raw), size: int64(len(raw))}, &im); err != nil {
			return err
		}
		running[im.ID] = r.tenant
	}
	for id, tenant := range running {
		o := importOptions{remote: remote{server: r.server, token: r.token, tenant: tenant}}
		im := imported{ID: id}
		if err := o.follow(ctx, io.Discard, &im); err != nil {
			return err
		}
		if im.Status != "done" || im.Refused > 0 {
			return o.report(ctx, out, &im)
		}
	}
	_, err = fmt.Fprintf(out, "%d tenants in %s\n", len(tenants), time.Since(begun).Round(100*time.Millisecond))
	return err
}

// benchTenant makes a tenant, or finds the one that there is.
func benchTenant(ctx context.Context, r remote, code string) (id string, err error) {
	r.tenant = ""
	var t struct {
		ID string `json:"id"`
	}
	err = r.post(ctx, "/tenants", map[string]any{"name": code, "code": code}, &t)
	var refused *refusal
	if errors.As(err, &refused) && refused.Code == "CONFLICT" {
		err = r.get(ctx, "/tenants/code/"+code, &t)
	}
	return t.ID, err
}
