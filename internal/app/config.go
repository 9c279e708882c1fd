// Package app puts Sentinel together: the configuration, the parts in their
// order, and the life of the process. It is the one package that knows them
// all, and holds no logic of its own.
package app

import (
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/joho/godotenv"

	"github.com/sentinel-access/sentinel/internal/engine/approval"
	"github.com/sentinel-access/sentinel/internal/platform/crypto"
	"github.com/sentinel-access/sentinel/internal/platform/httpapi"
	"github.com/sentinel-access/sentinel/internal/platform/mail"
)

// Config is the whole configuration, read from the environment. .env.example
// describes each variable.
type Config struct {
	HTTPAddr           string        `env:"HTTP_ADDR" envDefault:"127.0.0.1:8080"`
	MetricsAddr        string        `env:"METRICS_ADDR" envDefault:"127.0.0.1:9090"`
	PublicURL          string        `env:"PUBLIC_URL"`
	DatabaseURL        string        `env:"DATABASE_URL"`
	MigrateDatabaseURL string        `env:"MIGRATE_DATABASE_URL"`
	AppDatabasePass    string        `env:"APP_DATABASE_PASSWORD"`
	MaxConnections     int32         `env:"DATABASE_MAX_CONNECTIONS" envDefault:"20"`
	TLSCertFile        string        `env:"TLS_CERT_FILE"`
	TLSKeyFile         string        `env:"TLS_KEY_FILE"`
	DataDir            string        `env:"DATA_DIR"`
	AdminEmail         string        `env:"ADMIN_EMAIL" envDefault:"admin@sentinel.local"`
	AdminPassword      string        `env:"ADMIN_PASSWORD"`
	MasterKey          string        `env:"MASTER_KEY"`
	MasterKeyPrevious  []string      `env:"MASTER_KEY_PREVIOUS"`
	TrustedProxies     []string      `env:"TRUSTED_PROXIES"`
	SMTPURL            string        `env:"SMTP_URL"`
	MailFrom           string        `env:"MAIL_FROM"`
	LogLevel           string        `env:"LOG_LEVEL" envDefault:"info"`
	SnapshotCacheMB    int64         `env:"SNAPSHOT_CACHE_MB" envDefault:"256"`
	MaxStaleness       time.Duration `env:"CACHE_MAX_STALENESS" envDefault:"30s"`
	AnswerTTL          time.Duration `env:"ANSWER_TTL" envDefault:"30s"`
	PolicyTimeoutMS    int           `env:"POLICY_EVAL_TIMEOUT_MS" envDefault:"50"`
	AutoApprove        bool          `env:"AUTO_APPROVE_ENABLED" envDefault:"false"`
	ShutdownTimeout    time.Duration `env:"SHUTDOWN_TIMEOUT" envDefault:"20s"`
	CallsPerMinute     int           `env:"RATE_LIMIT_PER_MINUTE" envDefault:"1000"`
	ChecksPerMinute    int           `env:"RATE_LIMIT_CHECKS_PER_MINUTE" envDefault:"60000"`
	JobWorkers         int           `env:"JOB_WORKERS" envDefault:"4"`
	JobRescueAfter     time.Duration `env:"JOB_RESCUE_AFTER" envDefault:"90s"`
	ImportMaxMB        int           `env:"IMPORT_MAX_MB" envDefault:"64"`
	ApprovalHours      int           `env:"APPROVAL_TIMEOUT_HOURS" envDefault:"48"`
	WebhookPrivate     bool          `env:"WEBHOOK_ALLOW_PRIVATE" envDefault:"false"`
	LoginsPerAddress   int           `env:"LOGIN_RATE_PER_ADDRESS" envDefault:"60"`
	LoginsPerAccount   int           `env:"LOGIN_RATE_PER_ACCOUNT" envDefault:"20"`

	// Demo makes serve seed the demo tenant and print its logins.
	Demo bool
	// Clock, for tests, is the moment at which decisions are made and tokens
	// judged. Default: this machine's clock, corrected by that of the database.
	Clock func() time.Time `env:"-"`
	// LimitClock, for tests, is the clock of the budgets. Default [time.Now].
	LimitClock func() time.Time `env:"-"`
}

// noMetrics as METRICS_ADDR means no metrics listener.
const noMetrics = "off"

// secrets are the variables that may be given as NAME_FILE instead: the name of
// a file with the value.
var secrets = []string{"DATABASE_URL", "MIGRATE_DATABASE_URL", "APP_DATABASE_PASSWORD", "ADMIN_PASSWORD", "MASTER_KEY", "MASTER_KEY_PREVIOUS", "SMTP_URL"} //nolint:gosec // names, not values

// LoadConfig reads the environment and, beneath it, a file .env in the current
// folder if there is one. The error names every variable that cannot stand.
func LoadConfig() (Config, error) {
	values, err := godotenv.Read(".env")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return Config{}, fmt.Errorf("read .env: %w", err)
	}
	if values == nil {
		values = map[string]string{}
	}
	for _, pair := range os.Environ() {
		name, value, _ := strings.Cut(pair, "=")
		values[name] = value
	}
	return ParseConfig(values)
}

// ParseConfig reads a configuration from the given variables.
func ParseConfig(values map[string]string) (Config, error) {
	var problems []string
	for _, name := range secrets {
		file := values[name+"_FILE"]
		if file == "" || values[name] != "" {
			continue
		}
		raw, err := os.ReadFile(filepath.Clean(file))
		if err != nil {
			problems = append(problems, fmt.Sprintf("%s_FILE: cannot be read: %v", name, err))
			continue
		}
		values[name] = strings.TrimSpace(string(raw))
	}
	var cfg Config
	err := env.ParseWithOptions(&cfg, env.Options{Environment: values})
	var aggregate env.AggregateError
	switch {
	case errors.As(err, &aggregate):
		for _, e := range aggregate.Errors {
			problems = append(problems, variable(e))
		}
	case err != nil:
		problems = append(problems, err.Error())
	}
	problems = append(problems, cfg.problems()...)
	if len(problems) > 0 {
		return cfg, fmt.Errorf("the configuration cannot stand; correct these variables:\n  %s", strings.Join(problems, "\n  "))
	}
	if cfg.DataDir == "" {
		cfg.DataDir = ".sentinel"
		if os.Geteuid() == 0 {
			cfg.DataDir = "/var/lib/sentinel"
		}
	}
	return cfg, nil
}

// variable says which variable a parse error is about: the library knows the
// field only.
func variable(err error) string {
	var parse env.ParseError
	if !errors.As(err, &parse) {
		return err.Error()
	}
	if f, ok := reflect.TypeFor[Config]().FieldByName(parse.Name); ok {
		return fmt.Sprintf("%s: cannot be read as %s", f.Tag.Get("env"), kindName(f.Type))
	}
	return err.Error()
}

func kindName(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "a duration, such as 30s or 5m"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Int || t.Kind() == reflect.Int32 || t.Kind() == reflect.Int64:
		return "a whole number"
	default:
		return t.String()
	}
}

func (c *Config) problems() []string {
	var out []string
	bad := func(wrong bool, message string) {
		if wrong {
			out = append(out, message)
		}
	}
	bad(!isAddress(c.HTTPAddr), "HTTP_ADDR: must be host:port, such as 127.0.0.1:8080")
	bad(!isAddress(c.MetricsAddr) && c.MetricsAddr != noMetrics, "METRICS_ADDR: must be host:port, or off for none")
	_, mailErr := netmail.ParseAddress(c.AdminEmail)
	bad(mailErr != nil, "ADMIN_EMAIL: must be an e-mail address")
	bad(c.AdminPassword != "" && len([]rune(c.AdminPassword)) < 12, "ADMIN_PASSWORD: must have at least 12 characters")
	bad(c.CallsPerMinute < 0, "RATE_LIMIT_PER_MINUTE: must not be negative; 0 is no limit")
	bad(c.ChecksPerMinute < 0, "RATE_LIMIT_CHECKS_PER_MINUTE: must not be negative; 0 is no limit")
	bad(c.LoginsPerAddress < 0, "LOGIN_RATE_PER_ADDRESS: must not be negative; 0 is no limit")
	bad(c.LoginsPerAccount < 0, "LOGIN_RATE_PER_ACCOUNT: must not be negative; 0 is no limit")
	bad(c.JobWorkers < 1 || c.JobWorkers > 100, "JOB_WORKERS: must be 1 to 100")
	bad(c.JobRescueAfter < 6*time.Second, "JOB_RESCUE_AFTER: must be at least 6s")
	bad(c.ImportMaxMB < 2 || c.ImportMaxMB > 1024, "IMPORT_MAX_MB: must be 2 to 1024")
	bad(c.ApprovalHours < 1 || c.ApprovalHours > approval.MaxTimeoutHours, fmt.Sprintf("APPROVAL_TIMEOUT_HOURS: must be 1 to %d", approval.MaxTimeoutHours))
	bad((c.TLSCertFile == "") != (c.TLSKeyFile == ""), "TLS_CERT_FILE, TLS_KEY_FILE: give both or neither")
	bad(!slices.Contains([]string{"debug", "info", "warn", "error"}, c.LogLevel), "LOG_LEVEL: must be debug, info, warn or error")
	bad(c.SnapshotCacheMB < 1, "SNAPSHOT_CACHE_MB: must be at least 1")
	bad(c.MaxStaleness < time.Second, "CACHE_MAX_STALENESS: must be at least 1s")
	bad(c.AnswerTTL < 0, "ANSWER_TTL: must not be negative")
	bad(c.PolicyTimeoutMS < 1 || c.PolicyTimeoutMS > 10_000, "POLICY_EVAL_TIMEOUT_MS: must be 1 to 10000")
	bad(c.MaxConnections < 4, "DATABASE_MAX_CONNECTIONS: must be at least 4")
	bad(c.DatabaseURL != "" && c.MasterKey == "", "MASTER_KEY: must be given with DATABASE_URL, the same for all replicas; make one with: openssl rand -hex 32")
	bad(c.DatabaseURL != "" && !strings.HasPrefix(c.DatabaseURL, "postgres"), "DATABASE_URL: must begin with postgres://")
	if c.MasterKey != "" {
		_, err := crypto.ParseMasterKey(c.MasterKey)
		bad(err != nil, fmt.Sprintf("MASTER_KEY: %v", err))
	}
	bad(c.SMTPURL != "" && c.MailFrom == "", "MAIL_FROM: must be given with SMTP_URL: the address that mails come from")
	if c.SMTPURL != "" && c.MailFrom != "" {
		_, err := mail.NewSMTP(c.SMTPURL, c.MailFrom)
		bad(err != nil, fmt.Sprintf("SMTP_URL, MAIL_FROM: %v", err))
	}
	bad(len(c.MasterKeyPrevious) > 0 && c.MasterKey == "", "MASTER_KEY_PREVIOUS: goes with MASTER_KEY; a key in a file of DATA_DIR keeps its previous one there")
	for _, text := range c.MasterKeyPrevious {
		_, err := crypto.ParseMasterKey(text)
		bad(err != nil, fmt.Sprintf("MASTER_KEY_PREVIOUS: %v", err))
	}
	if _, err := httpapi.ParseProxies(c.TrustedProxies); err != nil {
		bad(true, fmt.Sprintf("TRUSTED_PROXIES: %v", err))
	}
	return out
}

func isAddress(s string) bool {
	_, port, err := net.SplitHostPort(s)
	return err == nil && port != ""
}

// loopback reports whether the API can be reached from this machine only.
func (c *Config) loopback() bool {
	host, _, err := net.SplitHostPort(c.HTTPAddr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
