package jobs

import (
	"context"
	"log/slog"
)

// quieter takes what River calls an error for a warning: it tries again, and
// what comes of a job is for the job's own section to say. What it tells of its
// ordinary life is for debugging.
type quieter struct{ slog.Handler }

// Handle implements [slog.Handler].
func (h *quieter) Handle(ctx context.Context, r slog.Record) error {
	switch {
	case r.Level >= slog.LevelError:
		r.Level = slog.LevelWarn
	case r.Level < slog.LevelWarn:
		r.Level = slog.LevelDebug
	}
	if !h.Enabled(ctx, r.Level) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements [slog.Handler].
func (h *quieter) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &quieter{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements [slog.Handler].
func (h *quieter) WithGroup(name string) slog.Handler { return &quieter{h.Handler.WithGroup(name)} }
