package obs

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// namespace begins the name of every metric of ours.
const namespace = "sentinel"

// Metrics is the registry of a process. Other packages register collectors of
// their own with [Metrics.Register].
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
}

// New makes a registry with the collectors of the Go runtime, of the process
// and of HTTP requests.
func New() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace,
			Name:      "http_request_duration_seconds",
			Help:      "Time to answer a request, by the template of its route, its method and the class of its status.",
			// From a cached decision to a slow export.
			Buckets: []float64{.00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 30},
		}, []string{"route", "method", "status"}),
	}
	m.registry.MustRegister( // fails for collectors that clash only, and these do not
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.requests,
	)
	return m
}

// Register adds collectors. It fails if one clashes with another that is
// registered.
func (m *Metrics) Register(all ...prometheus.Collector) error {
	for _, c := range all {
		if err := m.registry.Register(c); err != nil {
			return err
		}
	}
	return nil
}

// Gatherer returns what the registry holds, for tests and for /health.
func (m *Metrics) Gatherer() prometheus.Gatherer { return m.registry }

// ObserveRequest records an HTTP request. route is a template, never a path,
// so that the number of series stays bounded.
func (m *Metrics) ObserveRequest(route, method string, status int, d time.Duration) {
	m.requests.WithLabelValues(route, method, strconv.Itoa(status/100)+"xx").Observe(d.Seconds())
}

// Handler serves the metrics in the formats Prometheus reads.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry, MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}

// Registerer is where the parts of the server register their own metrics.
func (m *Metrics) Registerer() prometheus.Registerer { return m.registry }
