package embedded

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

// Attach is [Start] for a tool beside the server: where another process has the
// cluster of the folder running, it returns that one, and Attached says so. It
// ends with that process then, and Stop leaves it alone.
func Attach(ctx context.Context, cfg Config) (*Server, error) {
	s, err := Start(ctx, cfg)
	if !errors.Is(err, errInUse) {
		return s, err
	}
	cfg = cfg.withDefaults()
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("find the folder: %w", err)
	}
	s = &Server{cfg: cfg, dirs: layoutOf(dir), attached: true}
	ctx, cancel := context.WithTimeout(ctx, attachTimeout)
	defer cancel()
	for {
		err := s.ensureDatabase(ctx)
		if err == nil {
			return s, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("embedded PostgreSQL in %s runs and does not answer: %w", cfg.Dir, err)
		case <-time.After(connectPause):
		}
	}
}

// attachTimeout bounds the wait for a server that another process starts.
const attachTimeout = 30 * time.Second

// Attached reports whether another process runs the server.
func (s *Server) Attached() bool { return s.attached }
