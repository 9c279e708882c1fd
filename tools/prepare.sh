#!/usr/bin/env bash
# Finds the PostgreSQL server programs that `make run` and `make test` need, or
# installs them with the machine's package manager when it may. Prints nothing
# when all is there.
set -euo pipefail

[ -n "${DATABASE_URL:-}" ] && [ -n "${TEST_DATABASE_URL:-}" ] && exit 0

found() {
  [ -n "${SENTINEL_PG_BIN:-}" ] && [ -x "$SENTINEL_PG_BIN/postgres" ] && return 0
  command -v initdb >/dev/null && command -v postgres >/dev/null && return 0
  local dir
  for dir in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql*/bin /usr/local/opt/postgresql*/bin; do
    [ -x "$dir/initdb" ] && [ -x "$dir/postgres" ] && return 0
  done
  return 1
}

found && exit 0

if [ "$(id -u)" = 0 ]; then
  echo "PostgreSQL is not installed; installing it with the package manager." >&2
  if command -v apt-get >/dev/null; then
    apt-get update -qq >/dev/null 2>&1 || true
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null 2>&1 || true
  elif command -v dnf >/dev/null; then
    dnf install -y -q postgresql-server >/dev/null 2>&1 || true
  elif command -v apk >/dev/null; then
    apk add -q postgresql >/dev/null 2>&1 || true
  fi
  found && exit 0
elif command -v brew >/dev/null; then
  echo "PostgreSQL is not installed; installing it with Homebrew." >&2
  brew install -q postgresql@17 >/dev/null 2>&1 || true
  found && exit 0
fi

echo "No PostgreSQL server programs found. Sentinel will try to download them when it starts; if that fails, install the package postgresql (Debian: sudo apt-get install postgresql), set SENTINEL_PG_BIN to the folder of initdb and postgres, or set DATABASE_URL (TEST_DATABASE_URL for the tests) to a running server." >&2
