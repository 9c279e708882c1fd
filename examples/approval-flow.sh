#!/usr/bin/env bash
# Plays an approval on a server with demo data (`sentinel serve --demo`): Ann asks
# for a sealed dossier, Bob and Dora decide, and the access ends by itself.
# Needs bash and curl. SENTINEL is the server, default http://127.0.0.1:8080.
set -euo pipefail

SENTINEL=${SENTINEL:-http://127.0.0.1:8080}
DOSSIER=dossier-$(date +%s)-$$

# api METHOD PATH TOKEN [BODY] prints the answer, whatever its status.
api() {
  if [ $# -gt 3 ]; then
    curl -sS -X "$1" "$SENTINEL/api/v1$2" -H "Authorization: Bearer $3" -H 'Content-Type: application/json' -d "$4"
  else
    curl -sS -X "$1" "$SENTINEL/api/v1$2" -H "Authorization: Bearer $3"
  fi
}

# member NAME prints the first member of that name of an answer, if it is a text.
member() {
  local answer
  answer=$(cat)
  if [[ $answer =~ \"$1\":\"([^\"]*)\" ]]; then echo "${BASH_REMATCH[1]}"; fi
}

login() {
  curl -sS "$SENTINEL/api/v1/auth/login" -H 'Content-Type: application/json' \
    -d '{"tenant_id":"TEST-001","email":"'"$1"'@test-001.example","password":"demo-password-1"}' | member access_token
}

# check TOKEN DOSSIER [JUSTIFICATION] asks whether the caller may read the dossier.
check() {
  api POST /permissions/check "$1" '{"resource":{"type":"sensitive_data","id":"'"$2"'"},"action":"read"'"${3:+,\"justification\":\"$3\"}"'}'
}

ADMIN=$(login admin) ANN=$(login ann) BOB=$(login bob) DORA=$(login dora)

# A role with which Ann could read dossiers, if it were not for the chain.
ROLE=$(api POST /roles "$ADMIN" '{"name":"dossier_reader"}' | member id)
if [ -n "$ROLE" ]; then
  api POST "/roles/$ROLE/permissions" "$ADMIN" '{"permissions":[{"name":"Read dossiers","resource_type":"sensitive_data","resource_path":"sensitive_data/*","actions":["read"]}]}' >/dev/null
else
  ROLE=$(api GET '/roles?search=dossier_reader' "$ADMIN" | member id)
fi
ANN_ID=$(api GET /users/me "$ANN" | member id)
api POST "/users/$ANN_ID/roles" "$ADMIN" '{"role_id":"'"$ROLE"'"}' >/dev/null

echo "Ann reads the dossier: $(check "$ANN" "$DOSSIER" | member reason_code)"

echo "Ann says why she needs it."
REQUEST=$(check "$ANN" "$DOSSIER" 'An inspection tomorrow' | member approval_request_id)
AGAIN=$(check "$ANN" "$DOSSIER" 'An inspection tomorrow' | member approval_request_id)
[ "$REQUEST" = "$AGAIN" ] && echo "Asking again is the same request."

echo "Ann approves it herself: $(api POST "/access-requests/$REQUEST/approve" "$ANN" | member code)"
echo "Bob, a logistics manager, approves: $(api POST "/access-requests/$REQUEST/approve" "$BOB" '{"comments":"She inspects it."}' | member status)"
echo "Ann reads the dossier: $(check "$ANN" "$DOSSIER" | member reason_code)"
echo "Dora, a director, approves: $(api POST "/access-requests/$REQUEST/approve" "$DORA" | member status)"
echo "Ann reads the dossier: $(check "$ANN" "$DOSSIER" | member reason_code)"
echo "Ann reads another one: $(check "$ANN" "$DOSSIER-b" | member reason_code)"
echo "Ann is done and gives it up: $(api POST "/access-requests/$REQUEST/revoke" "$ANN" | member status)"
echo "Ann reads the dossier: $(check "$ANN" "$DOSSIER" | member reason_code)"

UNTIL=$(date -u -d '+6 seconds' +%Y-%m-%dT%H:%M:%SZ 2>/dev/null || date -u -v+6S +%Y-%m-%dT%H:%M:%SZ)
echo "Ann asks for a few seconds."
REQUEST=$(api POST /access-requests "$ANN" '{"request_type":"permission","request_details":{"resource_type":"sensitive_data","resource_id":"'"$DOSSIER"'","action":"read"},
  "justification":"One look","expires_at":"'"$UNTIL"'"}' | member id)
for approver in "$BOB" "$DORA"; do
  api POST "/access-requests/$REQUEST/approve" "$approver" >/dev/null
done
echo "Ann reads the dossier: $(check "$ANN" "$DOSSIER" | member reason_code)"
for _ in $(seq 100); do
  ANSWER=$(check "$ANN" "$DOSSIER" | member reason_code)
  [ "$ANSWER" != granted_by_approval ] && break
  sleep 0.1
done
echo "Ann reads the dossier when the time is over: $ANSWER"
