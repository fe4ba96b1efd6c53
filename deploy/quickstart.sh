#!/usr/bin/env bash
# The main job, walked through with real clients on a throw-away cluster of three nodes.
#
#   bash deploy/quickstart.sh            walk, then stay up with the commands to try, until Ctrl-C
#   bash deploy/quickstart.sh --once     walk, then stop everything; status 0 only if every step did what it says
#   bash deploy/quickstart.sh --detach   walk, print how to use and stop it, return
#   bash deploy/quickstart.sh --stop     stop a detached one and remove its data
#
# Everything listens on free ports of the loopback; the PostgreSQL is a private one. Data are in target/quickstart.
set -euo pipefail
ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$ROOT"
# shellcheck source=build-env.sh
source deploy/build-env.sh
# shellcheck source=private-postgres.sh
source deploy/private-postgres.sh

HOME_DIR="$ROOT/target/quickstart" # what people look at: the environment, and where the rest is
MODE=stay
AGENT_PID='' SLEEP_PID='' PLACE='' CTL="$CS_BIN/countersignctl"

usage() { sed -n '2,10s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

case "${1:-}" in
  '') ;;
  --once) MODE=once HOME_DIR="$ROOT/target/quickstart-once" ;; # beside one that stays up
  --detach) MODE=detach ;;
  --stop) MODE=stop ;;
  -h | --help) usage; exit 0 ;;
  *) usage >&2; exit 2 ;;
esac
[ $# -le 1 ] || { usage >&2; exit 2; }

step() { printf '\n\033[1m%s\033[0m\n' "$*"; }
say() { printf '   %s\n' "$*"; }
show() { sed 's/^/   | /'; }
# Shown as it would be typed; what is run is the same.
typed() { printf '   $ %s\n' "$*"; }
dev() { "$CTL" dev --dir "$PLACE/dev" "$@"; }

stop_all() {
  [ -n "$PLACE" ] && [ -d "$PLACE" ] || return 0
  if [ -n "$AGENT_PID" ]; then kill "$AGENT_PID" 2>/dev/null || true; fi
  if [ -x "$CTL" ]; then dev down >/dev/null 2>&1 || true; fi
  cs_postgres_stop "$PLACE/pg"
  rm -rf "$PLACE"
  rm -rf "$HOME_DIR"
}

stop_detached() {
  [ -s "$HOME_DIR/place" ] || { cs_say "nothing is running from here"; return 0; }
  PLACE="$(cat "$HOME_DIR/place")"
  stop_all
  cs_say "stopped; its data are gone"
}

prepare() {
  cs_packages ca-certificates build-essential pkg-config libclang1-14 libclang-common-14-dev python3 postgresql \
    postgresql-client procps util-linux || cs_say "going on; the build or the walk may fail for lack of them"
  cs_toolchain
  cs_own_build
  step "Building the node and countersignctl (the first time: RocksDB and PostgreSQL's grammar too, some minutes)"
  local began=$SECONDS
  # shellcheck disable=SC2086 # two words
  cargo build --locked --workspace --bins $CS_SAME_FEATURES
  say "built in $((SECONDS - began)) s"
}

start() {
  if [ -s "$HOME_DIR/place" ]; then
    PLACE="$(cat "$HOME_DIR/place")"
    say "an earlier quickstart was left behind: stopping it"
    stop_all
  fi
  # Short and reachable for PostgreSQL's own user: sockets live in it.
  PLACE="$(mktemp -d "${TMPDIR:-/tmp}/countersign-quickstart.XXXXXX")"
  chmod 755 "$PLACE"
  mkdir -p "$HOME_DIR"
  printf '%s' "$PLACE" >"$HOME_DIR/place"

  step "1. A private PostgreSQL with a table of orders: the target"
  cs_postgres_start "$PLACE/pg"
  cs_postgres_truth orders >/dev/null <<'SQL'
CREATE TABLE orders (id bigint PRIMARY KEY, customer text NOT NULL, state text NOT NULL);
INSERT INTO orders SELECT n, 'customer ' || n % 7, CASE WHEN n % 5 = 0 THEN 'cancelled' ELSE 'open' END
  FROM generate_series(1, 100) n;
GRANT SELECT, INSERT, UPDATE, DELETE ON orders TO orders_app;
SQL
  say "PostgreSQL $(cs_postgres_truth orders -c 'SHOW server_version') on 127.0.0.1:$CS_POSTGRES_PORT, $(count) orders"

  step "2. A cluster of three nodes, an identity issuer for development, and the sample policy"
  typed COUNTERSIGN_DEV_POSTGRES=postgres://orders_app:...@127.0.0.1:"$CS_POSTGRES_PORT"/orders countersignctl dev up --nodes 3
  COUNTERSIGN_DEV_POSTGRES="$CS_POSTGRES_URL" dev up --nodes 3 2>&1 | show
  environment
  typed countersignctl cluster status
  ctl_as "$CS_ADMIN_TOKEN" 1 cluster status | show
}

environment() {
  (umask 077 && dev env >"$HOME_DIR/env")
  # shellcheck disable=SC1091 # written just now
  source "$HOME_DIR/env"
}

# ctl_as TOKEN NODE ARGUMENTS...: countersignctl as that person, over that node.
ctl_as() {
  local token="$1" api="CS_API_$2"
  shift 2
  COUNTERSIGN_TOKEN="$token" COUNTERSIGN_SERVER="${!api}" COUNTERSIGN_CA_FILE="$CS_CA" "$CTL" --no-color "$@"
}

# psql_at NODE SQL: the agent's psql. The token is the password; the agent knows no other.
psql_at() {
  local address="CS_PG_$1"
  address="${!address}"
  PGPASSWORD="$CS_AGENT_TOKEN" psql -X -q -v ON_ERROR_STOP=1 -c "$2" \
    "host=${address%:*} port=${address##*:} dbname=$CS_TARGET_PG user=app sslmode=verify-full sslrootcert=$CS_CA"
}

count() { cs_postgres_truth orders -c "SELECT count(*) FROM orders ${1:-}"; }

# expect WHAT FOUND WANTED: a step that did not do what it says ends the walk.
expect() {
  [ "$2" = "$3" ] || cs_fail "$1: found '$2', wanted '$3'"
  say "checked: $1 = $2"
}

# held_id FILE NODE: waits for the agent's notice in its output, and prints the hold's id out of it once that node knows it.
held_id() {
  local id=''
  for _ in $(seq 300); do
    id="$(grep -o 'hold_[0-9a-f-]*' "$1" 2>/dev/null | head -1 || true)"
    if [ -n "$id" ] && [ "$(state_of "$id" "$2" 2>/dev/null || true)" = pending ]; then
      printf '%s\n' "$id"
      return 0
    fi
    sleep 0.1
  done
  cat "$1" >&2
  cs_fail "the operation was not held"
}

state_of() {
  ctl_as "$CS_REVIEWER_TOKEN" "$2" holds show "$1" -o json | python3 -c 'import json, sys; print(json.load(sys.stdin)["state"])'
}

main_job() {
  local sql="DELETE FROM orders WHERE state = 'cancelled' RETURNING id, customer" hold
  step "3. The agent reads. Policy allows it: nobody is asked, and it is on record"
  typed psql "'host=NODE-2 dbname=$CS_TARGET_PG user=app sslmode=verify-full'" -c "'SELECT state, count(*) FROM orders GROUP BY state'"
  psql_at 2 "SELECT state, count(*) FROM orders GROUP BY state ORDER BY state" >"$PLACE/read"
  show <"$PLACE/read"
  expect "open orders that the agent read" "$(sed -n 's/^ *open *| *\([0-9]*\) *$/\1/p' "$PLACE/read")" 80

  step "4. The agent deletes, over node 1. Policy holds it; psql waits, and is told so"
  typed psql "'host=NODE-1 dbname=$CS_TARGET_PG user=app sslmode=verify-full'" -c "\"$sql\""
  psql_at 1 "$sql" >"$PLACE/agent-1" 2>&1 &
  AGENT_PID=$!
  hold="$(held_id "$PLACE/agent-1" 3)"
  show <"$PLACE/agent-1"
  expect "orders at the target, while held" "$(count)" 100

  step "5. dana, a reviewer, looks at it over node 3 and approves exactly this operation"
  typed countersignctl holds show "$hold"
  ctl_as "$CS_REVIEWER_TOKEN" 3 holds show "$hold" | show
  typed countersignctl holds approve "$hold" --comment "'clean-up of the month'"
  ctl_as "$CS_REVIEWER_TOKEN" 3 holds approve "$hold" --yes --comment 'clean-up of the month' | show

  step "6. The approval admits it once; the rows stream back to the psql that waited"
  wait "$AGENT_PID" || { show <"$PLACE/agent-1"; cs_fail "the agent's psql failed"; }
  AGENT_PID=''
  sed -n '/customer/,$p' "$PLACE/agent-1" | show
  expect "rows that the agent got back" "$(grep -c 'customer [0-9]' "$PLACE/agent-1")" 20
  expect "orders at the target" "$(count)" 80
  expect "state of the hold" "$(state_of "$hold" 2)" consumed
}

node_loss() {
  local sql="UPDATE orders SET state = 'shipped' WHERE id = 7 RETURNING id, state" hold others
  step "7. The next operation is held on node 1, and node 1 is killed while the agent waits"
  typed psql "'host=NODE-1 ...'" -c "\"$sql\""
  psql_at 1 "$sql" >"$PLACE/agent-2" 2>&1 &
  AGENT_PID=$!
  hold="$(held_id "$PLACE/agent-2" 2)"
  show <"$PLACE/agent-2"
  typed countersignctl dev kill 1
  dev kill 1 2>&1 | show
  if wait "$AGENT_PID"; then cs_fail "the agent's psql ended well although its node is dead"; fi
  AGENT_PID=''
  say "the agent's psql lost its connection; the hold is in the log of the other two:"
  expect "state of the hold" "$(state_of "$hold" 2)" pending

  step "8. rui approves it over node 2; nobody is there to take the answer, so nothing is executed"
  ctl_as "$CS_REVIEWER2_TOKEN" 2 holds approve "$hold" --yes | show
  expect "state of the hold" "$(state_of "$hold" 3)" approved
  expect "orders that are shipped" "$(count "WHERE state = 'shipped'")" 0

  step "9. The agent tries again, over node 3. The same operation claims the approval, once"
  typed psql "'host=NODE-3 ...'" -c "\"$sql\""
  psql_at 3 "$sql" 2>&1 | show
  expect "orders that are shipped" "$(count "WHERE state = 'shipped'")" 1
  expect "state of the hold" "$(state_of "$hold" 2)" consumed

  step "10. Node 1 comes back and catches up"
  typed countersignctl dev start 1
  dev start 1 2>&1 | show
  environment
  for _ in $(seq 300); do
    if curl_ready; then break; fi
    sleep 0.1
  done
  curl_ready || cs_fail "node 1 does not get ready"
  say "node 1 is ready"
}

curl_ready() {
  python3 - "$CS_API_1" "$CS_CA" <<'PY' 2>/dev/null
import ssl, sys, urllib.request
context = ssl.create_default_context(cafile=sys.argv[2])
urllib.request.urlopen(sys.argv[1] + "/readyz", context=context, timeout=2)
PY
}

audit() {
  local kinds='held|decided|intent|outcome'
  step "11. The audit trail: who asked, who approved, what went to the target, what came of it"
  typed countersignctl audit search
  ctl_as "$CS_ADMIN_TOKEN" 1 audit search --limit 500 >"$PLACE/audit"
  { head -1 "$PLACE/audit"; grep -E "$kinds" "$PLACE/audit"; } | show
  expect "operations on record as admitted after a hold or by policy" \
    "$(ctl_as "$CS_ADMIN_TOKEN" 1 audit search --kind intent -o json | grep -o '"operation.id"' | wc -l)" 3

  step "12. The chain is complete and the same on every node; a copy can be verified without any node"
  typed countersignctl audit verify --live
  ctl_as "$CS_ADMIN_TOKEN" 2 audit verify --live | show
  ctl_as "$CS_ADMIN_TOKEN" 3 audit export >"$PLACE/audit.jsonl"
  typed countersignctl audit verify audit.jsonl
  "$CTL" audit verify "$PLACE/audit.jsonl" | show
  sed "0,/cancelled/s//paid/" "$PLACE/audit.jsonl" >"$PLACE/forged.jsonl"
  cmp -s "$PLACE/audit.jsonl" "$PLACE/forged.jsonl" && cs_fail "nothing was forged"
  say "and with one word of the record changed:"
  typed countersignctl audit verify forged.jsonl
  if "$CTL" audit verify "$PLACE/forged.jsonl" >"$PLACE/forged.out" 2>&1; then cs_fail "a forged copy verified"; fi
  show <"$PLACE/forged.out"
  grep -q 'NOT verified: line' "$PLACE/forged.out" || cs_fail "the forged copy was refused for another reason"
}

how_to_use() {
  cat <<EOT

The cluster is up. In another shell:

   source "$HOME_DIR/env"
   export COUNTERSIGN_SERVER="\$CS_API_1,\$CS_API_2,\$CS_API_3" COUNTERSIGN_CA_FILE="\$CS_CA"

   # as the agent
   PGPASSWORD="\$CS_AGENT_TOKEN" psql "host=\${CS_PG_1%:*} port=\${CS_PG_1##*:} dbname=\$CS_TARGET_PG user=app sslmode=verify-full sslrootcert=\$CS_CA"

   # as a reviewer
   COUNTERSIGN_TOKEN="\$CS_REVIEWER_TOKEN" "\$CS_CTL" holds watch
   COUNTERSIGN_TOKEN="\$CS_REVIEWER_TOKEN" "\$CS_CTL" holds approve ID

   # as the administrator
   COUNTERSIGN_TOKEN="\$CS_ADMIN_TOKEN" "\$CS_CTL" audit tail
   "\$CS_CTL" dev kill 2; "\$CS_CTL" dev start 2; "\$CS_CTL" dev partition 3; "\$CS_CTL" dev heal

   nodes   $CS_API_1  $CS_API_2  $CS_API_3
   page    any of these, as dana, rui or ada with the password $CS_PEOPLE_PASSWORD
   truth   $CS_DIRECT_PG
   tokens  live one hour; fresh ones: "$CTL" dev --dir "$PLACE/dev" env >"$HOME_DIR/env"
EOT
}

if [ "$MODE" = stop ]; then
  stop_detached
  exit 0
fi

ended() {
  local status=$?
  trap - EXIT INT TERM
  if [ -n "$SLEEP_PID" ]; then kill "$SLEEP_PID" 2>/dev/null || true; fi
  if [ "$status" != 0 ] && [ -d "$PLACE/dev/logs" ]; then
    printf '\nthe walk failed; the last lines of the logs:\n' >&2
    tail -n 15 "$PLACE"/dev/logs/*.log >&2 || true
  fi
  stop_all
  exit "$status"
}
trap ended EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

BEGAN=$SECONDS
prepare
WALK=$SECONDS
start
main_job
node_loss
audit
step "Every step did what it says. The walk took $((SECONDS - WALK)) s, the build $((WALK - BEGAN)) s."
case "$MODE" in
  once) ;;
  detach)
    trap - EXIT INT TERM
    how_to_use
    printf '\n   stop it with: bash deploy/quickstart.sh --stop\n'
    ;;
  *)
    how_to_use
    printf '\n   Ctrl-C stops everything and removes its data.\n'
    while :; do
      sleep 3600 &
      SLEEP_PID=$!
      wait "$SLEEP_PID"
    done
    ;;
esac
