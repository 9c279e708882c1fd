package httpapi

import "context"

// Charge makes the call in ctx count as n instead of as one, for a route that is
// [Route.Charged]. It returns a fault of kind RateLimited when that is more than
// the caller has left. Outside of a call it does nothing.
func Charge(ctx context.Context, n int) error {
	c := callFrom(ctx)
	if c == nil || c.route == nil || c.server.cfg.Charge == nil || n <= 1 {
		return nil
	}
	return c.server.cfg.Charge(ctx, *c.route, n-1)
}
