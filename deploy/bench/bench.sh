#!/usr/bin/env bash
# What the gateway costs, in one run: point reads and large results direct, through HAProxy, PgBouncer and a node, taken in
# turns; intents committed a second beside etcd's puts; memory of idle sessions. README.md beside it has the numbers.
#
#   bash deploy/bench/bench.sh [--secs 5] [--rounds 3] [--protocols "simple extended prepared"] [--clients "1 16 64"]
#                              [--in-flight "1 64 256"] [--stream-mb 1024] [--held 10000]
#                              [--only reads|intents|stream|idle|held]
#
# It starts a private PostgreSQL, the proxies and a cluster of three nodes on loopback and stops them. Used when installed:
# haproxy, pgbouncer, etcd (Debian: etcd-server, etcd-client) and h2load (nghttp2-client). Data go to CS_BENCH_DIR (default
# /var/tmp), which must be a real disk: the log of the cluster is synced to it.
set -euo pipefail
ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
cd "$ROOT"
# shellcheck source=../build-env.sh
source deploy/build-env.sh
# shellcheck source=../private-postgres.sh
source deploy/private-postgres.sh

SCALE=10 SECS=5 ROUNDS=3 PROTOCOLS="simple extended prepared" CLIENTS="1 16 64" IN_FLIGHT="1 64 256" STREAM_MB=1024 HELD=10000 ONLY=all
while [ $# -gt 0 ]; do
  case "$1" in
    --secs) SECS="$2"; shift 2 ;;
    --rounds) ROUNDS="$2"; shift 2 ;;
    --protocols) PROTOCOLS="$2"; shift 2 ;;
    --clients) CLIENTS="$2"; shift 2 ;;
    --in-flight) IN_FLIGHT="$2"; shift 2 ;;
    --stream-mb) STREAM_MB="$2"; shift 2 ;;
    --held) HELD="$2"; shift 2 ;;
    --only) ONLY="$2"; shift 2 ;;
    *) sed -n '2,13s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
  esac
done

PLACE="$(mktemp -d "${CS_BENCH_DIR:-/var/tmp}/countersign-bench.XXXXXX")"
chmod 755 "$PLACE"
CTL="$CS_BIN/countersignctl"
STARTED=() ETCD_PIDS=()

stop_all() {
  local status=$? pid
  trap - EXIT INT TERM
  for pid in "${STARTED[@]}"; do kill "$pid" 2>/dev/null || true; done
  if [ -x "$CTL" ]; then "$CTL" dev --dir "$PLACE/dev" down >/dev/null 2>&1 || true; fi
  cs_postgres_stop "$PLACE/pg"
  rm -rf "$PLACE"
  exit "$status"
}
trap stop_all EXIT
trap 'exit 130' INT TERM

wanted() { [ "$ONLY" = all ] || [ "$ONLY" = "$1" ]; }

# The direct rows go over TLS too, as the gateway's clients do.
postgres() {
  mkdir -p "$PLACE/tls"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=IP:127.0.0.1 -keyout "$PLACE/tls/key.pem" -out "$PLACE/tls/cert.pem" 2>/dev/null
  chmod 600 "$PLACE/tls/key.pem"
  if [ "$(id -u)" = 0 ]; then chown -R postgres: "$PLACE/tls"; fi
  CS_POSTGRES_SETTINGS="ssl = on\nssl_cert_file = '$PLACE/tls/cert.pem'\nssl_key_file = '$PLACE/tls/key.pem'\nshared_buffers = 512MB\nsynchronous_commit = off\nautovacuum = off\nmax_wal_size = 4GB\nmax_parallel_workers_per_gather = 0\n"
  cs_postgres_start "$PLACE/pg"
  PGPASSWORD="$CS_POSTGRES_PASSWORD" pgbench -q -i -s "$SCALE" -h 127.0.0.1 -p "$CS_POSTGRES_PORT" -U postgres orders \
    >"$PLACE/init.log" 2>&1
  cs_postgres_truth orders >/dev/null <<SQL
CREATE UNLOGGED TABLE big (part int NOT NULL, body text NOT NULL);
INSERT INTO big SELECT p, repeat(md5(n::text), 32) FROM generate_series(1, $((STREAM_MB / 64))) p, generate_series(1, 65536) n;
CREATE INDEX ON big (part);
ANALYZE;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO orders_app;
SQL
}

# HAProxy passes the client's TLS through, because PostgreSQL begins it inside its own protocol; PgBouncer ends it, as a
# node does, and speaks plain to the server.
proxies() {
  local port
  if command -v haproxy >/dev/null; then
    port="$(cs_free_port)"
    printf 'global\n  maxconn 2000\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 5m\n  timeout server 5m\nlisten pg\n  bind 127.0.0.1:%s\n  server s 127.0.0.1:%s\n' \
      "$port" "$CS_POSTGRES_PORT" >"$PLACE/haproxy.cfg"
    haproxy -db -f "$PLACE/haproxy.cfg" >"$PLACE/haproxy.log" 2>&1 &
    STARTED+=($!)
    export CS_BENCH_HAPROXY="$port $!"
  fi
  if command -v pgbouncer >/dev/null; then
    port="$(cs_free_port)"
    mkdir -p "$PLACE/bouncer"
    printf '"orders_app" "%s"\n' "$CS_POSTGRES_PASSWORD" >"$PLACE/bouncer/users.txt"
    cat >"$PLACE/bouncer/pgbouncer.ini" <<C
[databases]
orders = host=127.0.0.1 port=$CS_POSTGRES_PORT dbname=orders user=orders_app password=$CS_POSTGRES_PASSWORD
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $port
unix_socket_dir =
auth_type = trust
auth_file = $PLACE/bouncer/users.txt
pool_mode = session
max_client_conn = 400
default_pool_size = 200
client_tls_sslmode = require
client_tls_key_file = $PLACE/tls/key.pem
client_tls_cert_file = $PLACE/tls/cert.pem
server_tls_sslmode = disable
ignore_startup_parameters = extra_float_digits
log_connections = 0
log_disconnections = 0
log_stats = 0
C
    chmod -R go-rwx "$PLACE/bouncer"
    if [ "$(id -u)" = 0 ]; then chown -R postgres: "$PLACE/bouncer"; fi
    # It refuses to run as root; started without a shell in between, so that the number is its own.
    if [ "$(id -u)" = 0 ]; then
      setpriv --reuid=postgres --regid=postgres --clear-groups pgbouncer "$PLACE/bouncer/pgbouncer.ini" >"$PLACE/bouncer.log" 2>&1 &
    else
      pgbouncer "$PLACE/bouncer/pgbouncer.ini" >"$PLACE/bouncer.log" 2>&1 &
    fi
    STARTED+=($!)
    export CS_BENCH_PGBOUNCER="$port $!"
  fi
}

# What is measured is what people run: a release build. RocksDB is compiled once for all profiles (see build-env.sh).
release_build() {
  local built
  # shellcheck disable=SC2086 # two words
  cargo build --locked --quiet --workspace --bins $CS_SAME_FEATURES
  built="$(find "$CARGO_TARGET_DIR/debug/build" -path '*librocksdb-sys-*/out/librocksdb.a' -printf '%T@ %h\n' | sort -rn | head -n 1)"
  [ -n "$built" ] || cs_fail "RocksDB's library is not where the build puts it"
  cs_say "building for measurement (release profile)"
  ROCKSDB_LIB_DIR="${built#* }" ROCKSDB_STATIC=1 \
    cargo build --release --locked --quiet -p countersign-node -p countersign-admin -p countersign-postgres --bins
  CTL="$CARGO_TARGET_DIR/release/countersignctl"
}

# The same database as a second target, whose reads are only noted before they are answered.
second_target() {
  as_admin get Target orders -o yaml | awk '/^[a-z_]+:/ {ours = /^(kind|name|spec):/} ours' | sed 's/^name: orders$/name: batched/' \
    >"$PLACE/batched.yaml"
  as_admin apply -f "$PLACE/batched.yaml" -f deploy/bench/policy.yaml >"$PLACE/apply.log" 2>&1 \
    || { cat "$PLACE/apply.log" >&2; cs_fail "the bench's policy is refused"; }
}

# One agent has all the sessions that wait, and opens them within minutes.
lift_limits() {
  local node most=$((HELD + 1000))
  for node in 1 2 3; do
    sed -i "s/^\[limits\]/[limits]\nsessions = $most\nopen_holds_per_agent = $most\nholds_per_agent_per_minute = $most/" \
      "$PLACE/dev/node-$node/node.toml"
    "$CTL" dev --dir "$PLACE/dev" kill "$node" >/dev/null
    "$CTL" dev --dir "$PLACE/dev" start "$node" >/dev/null
  done
  for _ in $(seq 100); do
    if "$CTL" dev --dir "$PLACE/dev" status 2>/dev/null | grep -c '^node .* ready' | grep -qx 3; then return 0; fi
    sleep 0.3
  done
  cs_fail "the nodes are not ready again"
}

as_admin() {
  COUNTERSIGN_TOKEN="$CS_ADMIN_TOKEN" COUNTERSIGN_SERVER="$CS_API_1" COUNTERSIGN_CA_FILE="$CS_CA" "$CTL" --no-color "$@"
}

# Three etcd with their data on the same disk, all defaults.
etcds() {
  local number peers='' ports=() number_port
  command -v etcd >/dev/null && command -v h2load >/dev/null && command -v etcdctl >/dev/null || return 0
  for number in 1 2 3; do
    ports+=("$(cs_free_port) $(cs_free_port)")
    number_port="${ports[$((number - 1))]#* }"
    peers+="${peers:+,}e$number=http://127.0.0.1:$number_port"
  done
  CS_BENCH_ETCD=''
  for number in 1 2 3; do
    local client="${ports[$((number - 1))]% *}" peer="${ports[$((number - 1))]#* }"
    etcd --name "e$number" --data-dir "$PLACE/etcd-$number" --listen-client-urls "http://127.0.0.1:$client" \
      --advertise-client-urls "http://127.0.0.1:$client" --listen-peer-urls "http://127.0.0.1:$peer" \
      --initial-advertise-peer-urls "http://127.0.0.1:$peer" --initial-cluster "$peers" --logger zap \
      >"$PLACE/etcd-$number.log" 2>&1 &
    STARTED+=($!)
    ETCD_PIDS+=($!)
    CS_BENCH_ETCD+="${CS_BENCH_ETCD:+,}127.0.0.1:$client"
  done
  export CS_BENCH_ETCD CS_BENCH_ETCD_PIDS="${ETCD_PIDS[*]}"
}

cs_packages postgresql postgresql-client postgresql-contrib python3 openssl procps util-linux || true
cs_toolchain
cs_own_build
release_build
cs_say "preparing: PostgreSQL with pgbench's tables (scale $SCALE) and $STREAM_MB MB of rows, three nodes"
postgres
COUNTERSIGN_DEV_POSTGRES="$CS_POSTGRES_URL" "$CTL" dev --dir "$PLACE/dev" up --nodes 3 >"$PLACE/up.log" 2>&1 \
  || { cat "$PLACE/up.log" >&2; cs_fail "the cluster does not start"; }
if wanted held; then lift_limits; fi
(umask 077 && "$CTL" dev --dir "$PLACE/dev" env | sed 's/^CS_/export CS_/' >"$PLACE/env")
# shellcheck disable=SC1091 # written just now
source "$PLACE/env"
second_target
if wanted reads || wanted stream; then proxies; fi
if wanted intents; then etcds; fi

export CS_BENCH_SECS="$SECS" CS_BENCH_ROUNDS="$ROUNDS" CS_BENCH_PROTOCOLS="$PROTOCOLS" CS_BENCH_CLIENTS="$CLIENTS" CS_BENCH_IN_FLIGHT="$IN_FLIGHT" \
  CS_BENCH_STREAM_MB="$STREAM_MB" CS_BENCH_HELD="$HELD" CS_BENCH_ONLY="$ONLY" CS_BENCH_PLACE="$PLACE" CS_BENCH_SCALE="$SCALE" \
  CS_POSTGRES_PORT CS_POSTGRES_PASSWORD
python3 deploy/bench/measure.py
