package mail

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func message(subject string) Message {
	return Message{To: "ann@alpha.example", Subject: subject, Text: "t"}
}

func at(wait time.Duration) func(int) time.Duration {
	return func(int) time.Duration { return wait }
}

// run runs an outbox until the test ends, or stop is called, which waits.
func run(t *testing.T, o *Outbox) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- o.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-done)
	})
	t.Cleanup(stop)
	return stop
}

// lost is how many messages were dropped for a reason.
func lost(t *testing.T, o *Outbox, reason string) int {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(o.dropped)
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, metric := range families[0].GetMetric() {
		if metric.GetLabel()[0].GetValue() == reason {
			return int(metric.GetCounter().GetValue())
		}
	}
	require.FailNow(t, "no such reason", reason)
	return 0
}

func TestOutbox_TriesAgainUntilItIsSent(t *testing.T) {
	t.Parallel()
	sent := make(chan string, 10)
	failures := 2
	o := NewOutbox(Config{Backoff: at(time.Millisecond), Sender: scripted(func(_ context.Context, m Message) error {
		if m.Subject == "hard" && failures > 0 {
			failures--
			return errors.New("greylisted")
		}
		sent <- m.Subject
		return nil
	})})
	o.Put(message("hard"))
	o.Put(message("easy"))
	run(t, o)
	got := []string{<-sent, <-sent}
	require.ElementsMatch(t, []string{"hard", "easy"}, got)
}

func TestOutbox_GivesUpWhatIsHopeless(t *testing.T) {
	t.Parallel()
	var tries []string
	o := NewOutbox(Config{Attempts: 3, Backoff: at(0), Sender: scripted(func(_ context.Context, m Message) error {
		tries = append(tries, m.Subject)
		if m.Subject == "never" {
			return ErrRefused
		}
		return errors.New("down")
	})})
	o.Put(message("never"))
	o.Put(message("down"))
	stop := run(t, o)
	require.Eventually(t, func() bool { return lost(t, o, exhausted) == 1 && lost(t, o, refused) == 1 }, 10*time.Second, time.Millisecond)
	stop()
	require.Equal(t, []string{"never", "down", "down", "down"}, tries)
}

func TestOutbox_NeverWaitsAndCountsWhatItDrops(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	o := NewOutbox(Config{Queue: 2, Registerer: registry, Sender: NewMailbox(time.Now)})
	for range 5 {
		o.Put(message("s")) // nobody takes them out
	}
	require.Equal(t, 3, lost(t, o, overflow))
	families, err := registry.Gather()
	require.NoError(t, err)
	require.Len(t, families, 2)

	none := NewOutbox(Config{})
	none.Put(message("s"))
	require.Equal(t, 1, lost(t, none, unconfigured))
	run(t, none)()
}

// TestOutbox_BoundsRetriesToo leaves what is new in the queue while as much
// waits to be tried again.
func TestOutbox_BoundsRetriesToo(t *testing.T) {
	t.Parallel()
	tried := make(chan struct{}, 10)
	o := NewOutbox(Config{Queue: 1, Backoff: at(time.Hour), Sender: scripted(func(context.Context, Message) error {
		tried <- struct{}{}
		return errors.New("down")
	})})
	stop := run(t, o)
	o.Put(message("first"))
	<-tried
	o.Put(message("second"))
	o.Put(message("third"))
	require.Equal(t, 1, lost(t, o, overflow))
	stop()
	require.Len(t, tried, 2, "the shutdown tried both once more")
	require.Equal(t, 2, lost(t, o, shutdown))
}

func TestOutbox_SendsWhatIsLeftAtTheEnd(t *testing.T) {
	t.Parallel()
	box := NewMailbox(time.Now)
	o := NewOutbox(Config{Sender: box})
	for range 50 {
		o.Put(message("s"))
	}
	run(t, o)()
	require.Len(t, box.List(), 50)
}

func TestOutbox_EndsInTimeWithAServerThatHangs(t *testing.T) {
	t.Parallel()
	o := NewOutbox(Config{DrainTimeout: 20 * time.Millisecond, SendTimeout: 20 * time.Millisecond, Sender: scripted(func(ctx context.Context, _ Message) error {
		<-ctx.Done()
		return ctx.Err()
	})})
	for range 100 {
		o.Put(message("s"))
	}
	begun := time.Now()
	run(t, o)()
	require.Less(t, time.Since(begun), time.Second)
	require.Equal(t, 100, lost(t, o, shutdown))
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	total := time.Duration(0)
	for attempt := 1; attempt < 6; attempt++ {
		total += backoff(attempt)
	}
	require.Equal(t, time.Second, backoff(1))
	require.Equal(t, 10*time.Minute, backoff(50))
	require.Less(t, total, 14*time.Minute)
}
