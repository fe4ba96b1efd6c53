# A PostgreSQL of our own for a walk or a benchmark: own data, free loopback port, own roles. Sourced, after build-env.sh.
# The system's PostgreSQL, its data and its service are never touched.

# cs_as_server COMMAND...: PostgreSQL refuses to run as root; then its own user runs it.
cs_as_server() {
  if [ "$(id -u)" = 0 ]; then (cd / && runuser -u postgres -- "$@"); else "$@"; fi
}

# cs_postgres_start FOLDER: starts a server with its data in FOLDER and the database orders in it. Sets CS_POSTGRES_PORT,
# CS_POSTGRES_PASSWORD (superuser postgres and the target's role orders_app), CS_POSTGRES_URL (orders_app).
cs_postgres_start() {
  local folder="$1" bin
  bin="$(cs_postgres_bin)" || cs_fail "PostgreSQL's server is not installed (apt-get install postgresql)"
  CS_POSTGRES_PORT="$(cs_free_port)"
  CS_POSTGRES_PASSWORD="$(od -An -tx1 -N16 /dev/urandom | tr -d ' \n')"
  CS_POSTGRES_URL="postgres://orders_app:$CS_POSTGRES_PASSWORD@127.0.0.1:$CS_POSTGRES_PORT/orders"
  mkdir -p "$folder"
  printf '%s' "$CS_POSTGRES_PASSWORD" >"$folder/password"
  chmod 600 "$folder/password"
  if [ "$(id -u)" = 0 ]; then chown -R postgres: "$folder"; fi
  cs_as_server "$bin/initdb" --no-sync -U postgres -A scram-sha-256 -E UTF8 --locale=C --pwfile "$folder/password" \
    -D "$folder/data" >"$folder.log" 2>&1 || { cat "$folder.log" >&2; cs_fail "initdb failed"; }
  cat >>"$folder/data/postgresql.conf" <<C
listen_addresses = '127.0.0.1'
port = $CS_POSTGRES_PORT
unix_socket_directories = '$folder'
fsync = off
max_connections = 300
jit = off
$(printf '%b' "${CS_POSTGRES_SETTINGS:-}")
C
  cs_as_server "$bin/pg_ctl" start -w -t 60 -s -D "$folder/data" -l "$folder/server.log" </dev/null >/dev/null \
    || { tail -5 "$folder/server.log" >&2; cs_fail "PostgreSQL does not start"; }
  cs_postgres_truth postgres -c "CREATE ROLE orders_app LOGIN PASSWORD '$CS_POSTGRES_PASSWORD'" \
    -c "CREATE DATABASE orders" >/dev/null
}

# cs_postgres_truth DATABASE ARGUMENTS...: psql straight to the server as its superuser, past the gateway.
cs_postgres_truth() {
  local database="$1"
  shift
  PGPASSWORD="$CS_POSTGRES_PASSWORD" PGOPTIONS='' psql -X -q -A -t -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$CS_POSTGRES_PORT" \
    -U postgres -d "$database" "$@"
}

# cs_postgres_stop FOLDER: by the process id that the server itself wrote down.
cs_postgres_stop() {
  local pid
  pid="$(head -1 "$1/data/postmaster.pid" 2>/dev/null || true)"
  [ -n "$pid" ] || return 0
  kill -QUIT "$pid" 2>/dev/null || true
  for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || return 0; sleep 0.1; done
}
