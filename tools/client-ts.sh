#!/usr/bin/env bash
# Generates the TypeScript types of the API, checks client/typescript/example.ts
# against them, and runs it against a demo server on a free port of this machine.
# bin/sentinel must be there: `make client-ts` builds it.
set -euo pipefail
cd "$(dirname "$0")/.."

for program in node npm; do
  command -v "$program" >/dev/null || {
    echo "client-ts: there is no $program. Install Node.js 20 or newer (Debian: sudo apt-get install nodejs npm) and try again." >&2
    exit 1
  }
done
if [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 20 ]; then
  echo "client-ts: Node.js $(node --version) is too old: install 20 or newer." >&2
  exit 1
fi

bin/sentinel openapi -o client/typescript/openapi.json
cd client/typescript
npm ci --no-audit --no-fund --ignore-scripts --loglevel=error
npm run --silent generate
npm run --silent build

work=$(mktemp -d)
chmod 755 "$work" # PostgreSQL's user, under root, goes in
server=
finish() {
  if [ -n "$server" ]; then
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  rm -rf "$work"
}
trap finish EXIT

(
  cd "$work"
  exec env -u DATABASE_URL -u MIGRATE_DATABASE_URL HTTP_ADDR=127.0.0.1:0 METRICS_ADDR=off DATA_DIR="$work" \
    timeout 300 "$OLDPWD/../../bin/sentinel" serve --demo >"$work/out" 2>"$work/log"
) &
server=$!
for _ in $(seq 600); do
  url=$(sed -nE 's/.*ready at (http[^ ]+) .*/\1/p' "$work/out" 2>/dev/null || true)
  [ -n "$url" ] && break
  kill -0 "$server" 2>/dev/null || break
  sleep 0.1
done
if [ -z "${url:-}" ]; then
  echo "client-ts: the server did not start:" >&2
  cat "$work/log" >&2
  exit 1
fi
SENTINEL_URL=$url timeout 60 node dist/js/example.js
