package app_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sentinel-access/sentinel/internal/app"
)

func TestParseConfig_TakesDefaults(t *testing.T) {
	t.Parallel()
	cfg, err := app.ParseConfig(map[string]string{})
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:8080", cfg.HTTPAddr)
	require.Equal(t, 30*time.Second, cfg.MaxStaleness)
	require.NotEmpty(t, cfg.DataDir)
}

func TestParseConfig_NamesEveryBadVariable(t *testing.T) {
	t.Parallel()
	_, err := app.ParseConfig(map[string]string{
		"HTTP_ADDR": "8080", "METRICS_ADDR": "nowhere", "ADMIN_EMAIL": "nobody", "ADMIN_PASSWORD": "short", "TLS_CERT_FILE": "x.pem",
		"LOG_LEVEL": "loud", "SNAPSHOT_CACHE_MB": "0", "CACHE_MAX_STALENESS": "10ms", "ANSWER_TTL": "-1s", "POLICY_EVAL_TIMEOUT_MS": "0", "DATABASE_MAX_CONNECTIONS": "1",
		"RATE_LIMIT_PER_MINUTE": "-1", "LOGIN_RATE_PER_ACCOUNT": "-1",
		"DATABASE_URL": "mysql://x", "TRUSTED_PROXIES": "here", "MIGRATE_DATABASE_URL_FILE": "/does/not/exist",
	})
	require.Error(t, err)
	for _, name := range []string{
		"HTTP_ADDR:", "METRICS_ADDR:", "ADMIN_EMAIL:", "ADMIN_PASSWORD:", "TLS_CERT_FILE, TLS_KEY_FILE:", "LOG_LEVEL:", "SNAPSHOT_CACHE_MB:",
		"CACHE_MAX_STALENESS:", "RATE_LIMIT_PER_MINUTE:", "LOGIN_RATE_PER_ACCOUNT:", "ANSWER_TTL:", "POLICY_EVAL_TIMEOUT_MS:", "DATABASE_MAX_CONNECTIONS:", "DATABASE_URL:", "MASTER_KEY:", "TRUSTED_PROXIES:", "MIGRATE_DATABASE_URL_FILE:",
	} {
		require.ErrorContains(t, err, name)
	}
}

func TestParseConfig_SaysHowAValueIsWritten(t *testing.T) {
	t.Parallel()
	_, err := app.ParseConfig(map[string]string{"CACHE_MAX_STALENESS": "soon", "SNAPSHOT_CACHE_MB": "much", "AUTO_APPROVE_ENABLED": "perhaps", "MASTER_KEY": "short"})
	require.ErrorContains(t, err, "CACHE_MAX_STALENESS: cannot be read as a duration")
	require.ErrorContains(t, err, "SNAPSHOT_CACHE_MB: cannot be read as a whole number")
	require.ErrorContains(t, err, "AUTO_APPROVE_ENABLED: cannot be read as true or false")
	require.ErrorContains(t, err, "MASTER_KEY:")
	require.NotContains(t, err.Error(), "short")
}

func TestParseConfig_TakesPreviousMasterKeys(t *testing.T) {
	t.Parallel()
	a, b := strings.Repeat("0a", 32), strings.Repeat("0b", 32)
	cfg, err := app.ParseConfig(map[string]string{"MASTER_KEY": strings.Repeat("0c", 32), "MASTER_KEY_PREVIOUS": a + "," + b})
	require.NoError(t, err)
	require.Equal(t, []string{a, b}, cfg.MasterKeyPrevious)
	_, err = app.ParseConfig(map[string]string{"MASTER_KEY": a, "MASTER_KEY_PREVIOUS": "nearly"})
	require.ErrorContains(t, err, "MASTER_KEY_PREVIOUS: a master key is 32 bytes")
	require.NotContains(t, err.Error(), "nearly")
	_, err = app.ParseConfig(map[string]string{"MASTER_KEY_PREVIOUS": a})
	require.ErrorContains(t, err, "MASTER_KEY_PREVIOUS: goes with MASTER_KEY")
}

func TestParseConfig_ReadsSecretsFromFiles(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(file, []byte("from a file, long enough\n"), 0o600))
	cfg, err := app.ParseConfig(map[string]string{"ADMIN_PASSWORD_FILE": file})
	require.NoError(t, err)
	require.Equal(t, "from a file, long enough", cfg.AdminPassword)
}

// TestEnvExample_DescribesEveryVariable keeps .env.example and the configuration
// the same.
func TestEnvExample_DescribesEveryVariable(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join("..", "..", ".env.example"))
	require.NoError(t, err)
	described := map[string]string{}
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "#")
		if name, value, ok := strings.Cut(line, "="); ok && name == strings.ToUpper(name) && !strings.Contains(name, " ") {
			described[name] = value
		}
	}
	fields := reflect.TypeFor[app.Config]()
	for i := range fields.NumField() {
		f := fields.Field(i)
		name := f.Tag.Get("env")
		if name == "" || name == "-" {
			continue
		}
		require.Contains(t, described, name)
		if def := f.Tag.Get("envDefault"); def != "" {
			require.Equal(t, def, described[name], "%s: the default differs", name)
		}
		delete(described, name)
	}
	// Read by the embedded PostgreSQL and by the tests.
	delete(described, "SENTINEL_PG_BIN")
	delete(described, "TEST_DATABASE_URL")
	require.Empty(t, described, "described, but not read")
}
