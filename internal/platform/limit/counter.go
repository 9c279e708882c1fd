// Package limit keeps callers within their budgets: calls and questions of an
// account, and tries at credentials by address and by account. It owns the
// counting and the answer to those who are beyond; what costs how much stands in
// the routes.
package limit

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// Window is the length of time that a budget is for.
const Window = time.Minute

// Result says how a budget stands after a try to take from it.
type Result struct {
	// Allowed reports whether the amount was taken. What is refused takes nothing.
	Allowed bool
	// Remaining is how much could be taken now.
	Remaining int
	// Reset is when the present window ends.
	Reset time.Time
	// RetryAfter is how long to wait until the refused amount can be taken.
	RetryAfter time.Duration
}

// Counter counts what is taken by key. An implementation passes the suite of
// package limittest.
type Counter interface {
	// Take takes n from the budget of limit a [Window] that key has, if so much is
	// left. An n beyond limit is never left.
	Take(ctx context.Context, key string, n, limit int) (Result, error)
}

// Memory counts in the memory of this process, so that each replica has budgets
// of its own. It slides: the present window counts whole, the one before by the
// part of it that is less than a window ago. So no more than the limit is taken
// within about a window, and never twice the limit around the change of windows.
//
// It holds a bounded number of keys. Beyond that the key that was used the
// longest ago is evicted and would begin anew: whoever can use that many keys
// within a window can exceed the budget of the oldest. Give each kind of key a
// Memory of its own, so that a flood of one kind evicts no other.
type Memory struct {
	now     func() time.Time
	keys    int
	evicted func()

	mu     sync.Mutex
	byKey  map[string]*list.Element
	oldest *list.List // front: used last
}

// MemoryConfig says how a [Memory] counts.
type MemoryConfig struct {
	// Now is the clock. Default [time.Now].
	Now func() time.Time
	// Keys bounds the keys in memory, of about 200 bytes each. Default 100,000.
	Keys int
	// Evicted is told of each key that leaves before its time. Default nobody.
	Evicted func()
}

type counted struct {
	key             string
	start           time.Time
	present, before int
}

// NewMemory makes a counter that has counted nothing.
func NewMemory(cfg MemoryConfig) *Memory {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Keys <= 0 {
		cfg.Keys = 100_000
	}
	if cfg.Evicted == nil {
		cfg.Evicted = func() {}
	}
	return &Memory{now: cfg.Now, keys: cfg.Keys, evicted: cfg.Evicted, byKey: map[string]*list.Element{}, oldest: list.New()}
}

// Take implements [Counter]. It never fails.
func (m *Memory) Take(_ context.Context, key string, n, limit int) (Result, error) {
	now := m.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.at(key, now)
	elapsed := now.Sub(c.start)
	left := float64(Window-elapsed) / float64(Window)
	used := float64(c.present) + float64(c.before)*left
	r := Result{Reset: c.start.Add(Window), Allowed: used+float64(n) <= float64(limit)}
	if r.Allowed {
		c.present += n
		used += float64(n)
	} else {
		r.RetryAfter = c.wait(elapsed, n, limit)
	}
	r.Remaining = max(0, int(float64(limit)-used))
	return r, nil
}

// at returns the count of a key in the window of now.
func (m *Memory) at(key string, now time.Time) *counted {
	start := now.Truncate(Window)
	e, ok := m.byKey[key]
	if !ok {
		e = m.oldest.PushFront(&counted{key: key, start: start})
		m.byKey[key] = e
		m.shrink(start)
	} else {
		m.oldest.MoveToFront(e)
	}
	c := e.Value.(*counted) //nolint:forcetypeassert // nothing else is in the list
	switch passed := start.Sub(c.start); {
	case passed >= 2*Window:
		c.start, c.before, c.present = start, 0, 0
	case passed == Window:
		c.start, c.before, c.present = start, c.present, 0
	}
	return c
}

// shrink drops the key used the longest ago where there are too many, and tells
// if it still counted.
func (m *Memory) shrink(start time.Time) {
	if m.oldest.Len() <= m.keys {
		return
	}
	e := m.oldest.Back()
	c := m.oldest.Remove(e).(*counted) //nolint:forcetypeassert // likewise
	delete(m.byKey, c.key)
	if start.Sub(c.start) < 2*Window {
		m.evicted()
	}
}

// wait returns how long it takes until n can be taken if nothing else is.
func (c *counted) wait(elapsed time.Duration, n, limit int) time.Duration {
	free := limit - n
	if free < 0 {
		return Window
	}
	if c.present <= free { // what the window before still counts must shrink
		part := 1 - float64(free-c.present)/float64(c.before)
		return max(0, time.Duration(part*float64(Window))-elapsed)
	}
	part := 1 - float64(free)/float64(c.present)
	return Window - elapsed + time.Duration(part*float64(Window))
}
