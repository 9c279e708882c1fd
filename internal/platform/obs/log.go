// Package obs makes what operators watch a process by: its log, its metrics
// and the listener that serves them. It keeps no globals, so that two servers
// in one process do not share counters.
package obs

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// redacted replaces the value of an attribute whose key names a secret.
const redacted = "[redacted]"

// secretWords are parts of keys whose values are never logged. Keys are
// compared without case, hyphens and underscores.
var secretWords = []string{
	"password", "passwd", "passphrase", "token", "secret", "authorization", "apikey", "credential", "cookie",
	"privatekey", "masterkey", "signingkey", "recoverycode", "otp", "dsn", "databaseurl",
}

// harmless are keys that contain such a word and say nothing secret.
var harmless = map[string]bool{"tokenid": true, "tokentype": true, "tokenepoch": true, "secretid": true}

// NewLogger returns a logger of JSON lines to w at a level of "debug", "info",
// "warn" or "error", in any case. The values of attributes whose keys name a
// secret are replaced, in groups too; messages are not looked into.
func NewLogger(w io.Writer, level string) (*slog.Logger, error) {
	var l slog.Level
	switch strings.ToLower(level) {
	case "debug":
		l = slog.LevelDebug
	case "info", "":
		l = slog.LevelInfo
	case "warn", "warning":
		l = slog.LevelWarn
	case "error":
		l = slog.LevelError
	default:
		return nil, fmt.Errorf("log level %q is none of debug, info, warn, error", level)
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: l, ReplaceAttr: redact})), nil
}

// redact also replaces whatever stands in a group that is named by a secret.
func redact(groups []string, a slog.Attr) slog.Attr {
	if isSecret(a.Key) && a.Value.Kind() != slog.KindGroup {
		return slog.String(a.Key, redacted)
	}
	for _, group := range groups {
		if isSecret(group) {
			return slog.String(a.Key, redacted)
		}
	}
	return a
}

func isSecret(key string) bool {
	key = strings.NewReplacer("-", "", "_", "", ".", "", " ", "").Replace(strings.ToLower(key))
	if harmless[key] {
		return false
	}
	for _, word := range secretWords {
		if strings.Contains(key, word) {
			return true
		}
	}
	return false
}
