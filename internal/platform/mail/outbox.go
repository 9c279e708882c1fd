package mail

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config sets up an [Outbox].
type Config struct {
	// Sender delivers. Nil means that there is no way to: every message is
	// dropped and counted, and [Outbox.Run] says so once.
	Sender Sender
	// Queue is how many messages may wait for their first attempt, and how many
	// for another one. Default 1,000 each.
	Queue int
	// Attempts is how often a message is tried. Default 6, within 13 minutes by
	// the default Backoff.
	Attempts int
	// Backoff is the wait after an attempt, the first being 1. Default 1 s, then
	// five times as long each time, at most 10 minutes.
	Backoff func(attempt int) time.Duration
	// SendTimeout ends an attempt. Default 15 s.
	SendTimeout time.Duration
	// DrainTimeout bounds how long a shutdown waits for what is left. Default 10 s.
	DrainTimeout time.Duration
	// Registerer receives the counters. Default: none.
	Registerer prometheus.Registerer
	Logger     *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Queue == 0 {
		c.Queue = 1_000
	}
	if c.Attempts == 0 {
		c.Attempts = 6
	}
	if c.Backoff == nil {
		c.Backoff = backoff
	}
	if c.SendTimeout == 0 {
		c.SendTimeout = 15 * time.Second
	}
	if c.DrainTimeout == 0 {
		c.DrainTimeout = 10 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func backoff(attempt int) time.Duration {
	wait := time.Second
	for range attempt - 1 {
		wait = min(5*wait, 10*time.Minute)
	}
	return wait
}

// Why a message was dropped: the label of the counter.
const (
	overflow     = "overflow"     // the queue was full
	refused      = "refused"      // it can never be sent
	exhausted    = "exhausted"    // every attempt failed
	unconfigured = "unconfigured" // there is no sender
	shutdown     = "shutdown"     // the server stopped first
)

// Outbox sends messages behind the caller's back. Its queue is bounded; when it
// is full a message is dropped and counted: whoever waits for a mail asks for
// another one, and no request waits for a mail server.
type Outbox struct {
	cfg     Config
	queue   chan Message
	retries []retry // of the goroutine in Run, the next one first
	sent    prometheus.Counter
	dropped *prometheus.CounterVec
}

// retry is a message that was tried before.
type retry struct {
	Message
	attempts int
	due      time.Time
}

// NewOutbox makes an outbox. It starts nothing: [Outbox.Run] sends.
func NewOutbox(cfg Config) *Outbox {
	cfg = cfg.withDefaults()
	o := &Outbox{
		cfg:   cfg,
		queue: make(chan Message, cfg.Queue),
		sent:  prometheus.NewCounter(prometheus.CounterOpts{Name: "sentinel_mails_sent_total", Help: "Mails handed to the mail server."}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sentinel_mails_dropped_total",
			Help: "Mails lost, by reason: overflow, refused, exhausted, unconfigured, shutdown.",
		}, []string{"reason"}),
	}
	for _, reason := range []string{overflow, refused, exhausted, unconfigured, shutdown} {
		o.dropped.WithLabelValues(reason)
	}
	if cfg.Registerer != nil {
		cfg.Registerer.MustRegister(o.sent, o.dropped)
	}
	return o
}

// Put queues a message. It never waits. What happens in the transaction that a
// mail tells of has to be committed before.
func (o *Outbox) Put(m Message) {
	if o.cfg.Sender == nil {
		o.drop(unconfigured, 1)
		return
	}
	select {
	case o.queue <- m:
	default:
		o.drop(overflow, 1)
	}
}

func (o *Outbox) drop(reason string, n int) { o.dropped.WithLabelValues(reason).Add(float64(n)) }

// Run sends messages until ctx ends, then whatever is left, once more and
// within the drain timeout.
func (o *Outbox) Run(ctx context.Context) error {
	if o.cfg.Sender == nil {
		o.cfg.Logger.WarnContext(ctx, "SMTP_URL is not set: mails are dropped, and nobody can reset a password or accept an invitation")
		<-ctx.Done()
		return nil
	}
	for {
		queue := o.queue
		if len(o.retries) >= o.cfg.Queue {
			queue = nil // the retries are bounded too: what is new waits, and overflows
		}
		due, stop := o.next()
		select {
		case <-ctx.Done():
			stop()
			o.drain(context.WithoutCancel(ctx))
			return nil
		case m := <-queue:
			// An attempt under way is finished, even if ctx ends meanwhile.
			o.try(context.WithoutCancel(ctx), retry{Message: m})
		case <-due:
			r := o.retries[0]
			o.retries = slices.Delete(o.retries, 0, 1)
			o.try(context.WithoutCancel(ctx), r)
		}
		stop()
	}
}

// next is a signal for the moment at which a retry is due, none if there is
// none.
func (o *Outbox) next() (due <-chan time.Time, stop func()) {
	if len(o.retries) == 0 {
		return nil, func() {}
	}
	timer := time.NewTimer(time.Until(o.retries[0].due))
	return timer.C, func() { timer.Stop() }
}

// try sends a message, and keeps it for later if that may help.
func (o *Outbox) try(ctx context.Context, r retry) {
	ctx, cancel := context.WithTimeout(ctx, o.cfg.SendTimeout)
	defer cancel()
	err := o.cfg.Sender.Send(ctx, r.Message)
	r.attempts++
	switch {
	case err == nil:
		o.sent.Inc()
	case errors.Is(err, ErrRefused):
		o.drop(refused, 1)
		o.cfg.Logger.WarnContext(ctx, "a mail was refused", "error", err)
	case r.attempts >= o.cfg.Attempts:
		o.drop(exhausted, 1)
		o.cfg.Logger.WarnContext(ctx, "a mail was given up", "error", err, "attempts", r.attempts)
	default:
		o.cfg.Logger.WarnContext(ctx, "a mail was not sent; it is tried again", "error", err, "attempts", r.attempts)
		r.due = time.Now().Add(o.cfg.Backoff(r.attempts))
		at, _ := slices.BinarySearchFunc(o.retries, r, func(a, b retry) int { return a.due.Compare(b.due) })
		o.retries = slices.Insert(o.retries, at, r)
	}
}

// drain tries everything that is left once.
func (o *Outbox) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, o.cfg.DrainTimeout)
	defer cancel()
	left := o.retries
	o.retries = nil
	for len(o.queue) > 0 {
		left = append(left, retry{Message: <-o.queue})
	}
	for i, r := range left {
		if ctx.Err() != nil {
			o.retries = append(o.retries, left[i:]...)
			break
		}
		o.try(ctx, r)
	}
	if n := len(o.retries); n > 0 {
		o.drop(shutdown, n)
		o.cfg.Logger.WarnContext(ctx, "mails were not sent before the shutdown", "count", n)
	}
}
