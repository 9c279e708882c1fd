package enginetest

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sentinel-access/sentinel/internal/engine"
	"github.com/sentinel-access/sentinel/internal/engine/policy"
	"github.com/sentinel-access/sentinel/internal/platform/db"
)

// Agents returns the evaluator of stock OPAs, each of which has loaded the bundle
// of a tenant. It refuses cases that only an evaluator can answer to which a
// built-in function that fails is an error.
func Agents(t testing.TB, d *db.DB, f *File) Evaluator {
	t.Helper()
	library := Library(t)
	return &agents{t: t, library: library, engine: engine.New(config(d, f, library)), tenants: map[uuid.UUID]*Stock{}}
}

type agents struct {
	// t is the test with which the processes end.
	t       testing.TB
	library *policy.Library
	engine  *engine.Engine
	tenants map[uuid.UUID]*Stock
}

// Name implements [Evaluator].
func (*agents) Name() string { return "stock opa" }

// Decide implements [Evaluator].
func (a *agents) Decide(t testing.TB, c *Case) (*Verdict, error) {
	if c.Strict {
		return nil, ErrRefused
	}
	stock := a.tenants[c.TenantID()]
	if stock == nil {
		doc, err := a.engine.Document(t.Context(), c.TenantID(), 1000)
		if err != nil {
			return nil, err
		}
		if stock, err = Agent(t.Context(), a.t, a.library, doc, c.file.World.tenant(c.Tenant).texts()); err != nil {
			return nil, fmt.Errorf("agent of tenant %s: %w", c.Tenant, err)
		}
		a.tenants[c.TenantID()] = stock
	}
	v, err := stock.Ask(t.Context(), c.Question(), c.Now)
	if err != nil && c.Fails {
		return NotEvaluated(), nil
	}
	return v, err
}

// Agent starts a stock OPA with a tenant's bundle, of which the subjects are as
// short as the bundles that the server gives out. It ends with t.
func Agent(ctx context.Context, t testing.TB, l *policy.Library, doc *policy.Document, texts map[string]string) (*Stock, error) {
	t.Helper()
	modules, err := policy.CompileModules(ctx, l, texts)
	if err != nil {
		return nil, err
	}
	var bundle bytes.Buffer
	if err := l.TenantBundle(ctx, &bundle, doc.Trim(modules, nil), texts, "r1-p1", nil); err != nil {
		return nil, err
	}
	return StockOPA(t, bundle.Bytes()), nil
}

// Ask puts a question of the engine to the process.
func (s *Stock) Ask(ctx context.Context, q *engine.Question, now time.Time) (*Verdict, error) {
	answer, err := s.Decide(ctx, input(q), now)
	if err != nil {
		return nil, err
	}
	return verdict(&answer), nil
}
