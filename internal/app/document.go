package app

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/db"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/internal/platform/obs"
)

// DocumentForm is how the OpenAPI document is written.
type DocumentForm = httpapi.Form

// Document returns the OpenAPI document of a server in production, without a
// database and without serving: for the generators of clients.
func Document(ctx context.Context, version string, form DocumentForm) (_ []byte, err error) {
	cfg, err := ParseConfig(map[string]string{"PUBLIC_URL": "https://sentinel.example"}) // no development mailbox
	if err != nil {
		return nil, err
	}
	a := &App{
		cfg: cfg, log: slog.New(slog.DiscardHandler), version: version, metrics: obs.New(), passwords: crypto.NewPasswords(),
	}
	if a.db, err = db.Unconnected(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	// It seals nothing: no call is ever answered.
	if a.master, err = crypto.ParseMasterKey(strings.Repeat("00", 32)); err != nil {
		return nil, err
	}
	if err := a.assemble(nil); err != nil {
		return nil, err
	}
	return a.api.Document(form)
}
