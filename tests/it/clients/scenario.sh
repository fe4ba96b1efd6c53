# The scenario by psql and by pgbench, as CLIENT says. Settings come as libpq's, the token as TOKEN, the certificate as
# client.crt in CERTIFICATES; OTHER_PORT is that of another node.
set -euo pipefail
export PGSSLMODE=verify-full PGAPPNAME="$CLIENT"
SCRATCH="$(mktemp -d)"
trap 'rm -rf "$SCRATCH"' EXIT
SAID="$SCRATCH/said"
READ='SELECT note FROM orders WHERE id = 5'
MASKED='SELECT owner FROM accounts WHERE id = 3'
LONG='SELECT count(*) FROM orders a, orders b, orders c, orders d, orders e, orders f'
PARKS="INSERT INTO parked (id) VALUES ('$CLIENT')"
COPY_OUT="COPY (SELECT id, '$CLIENT' FROM orders WHERE id = 3) TO STDOUT"
COPY_IN="COPY written (id) FROM STDIN /* $CLIENT */"
writes() { printf "INSERT INTO written (id) VALUES ('%s %s')" "$CLIENT" "$1"; }
with_certificate() { PGSSLCERT="$CERTIFICATES/client.crt" PGSSLKEY="$CERTIFICATES/client.key" "$@"; }
fails_with() { # PATTERN COMMAND...
  local pattern="$1"
  shift
  "$@" >"$SAID" 2>&1 && return 1
  grep -qE "$pattern" "$SAID"
}
# repeated COMMAND...: until what it asks for was approved, at another node.
repeated() {
  for _ in $(seq 30); do
    PGPORT="$OTHER_PORT" "$@" >"$SAID" 2>&1 && return 0
    grep -q hold_ "$SAID" || break
    sleep 0.5
  done
  cat "$SAID" >&2
  return 1
}

run() { PGPASSWORD="$TOKEN" psql -XAtq -v ON_ERROR_STOP=1 -v VERBOSITY=verbose "$@"; }
# The keyboard's Ctrl-C, as often as it takes.
interrupted() {
  PGPASSWORD="$TOKEN" psql -XAtq -v ON_ERROR_STOP=1 -v VERBOSITY=verbose -c "$1" >"$SAID" 2>&1 &
  local psql=$!
  while kill -0 "$psql" 2>/dev/null; do
    sleep 1
    kill -INT "$psql" 2>/dev/null || true
  done
  wait "$psql" && return 1
  grep -q 'ERROR:  57014' "$SAID"
}
by_psql() {
  [ "$(run -c "$READ")" = 'order 5' ] && echo token
  [ "$(with_certificate psql -XAtqw -c "$READ")" = 'order 5' ] && echo certificate
  [ "$(run -c BEGIN -c "$READ" -c COMMIT)" = 'order 5' ] && echo transaction
  [ "$(run -c "$COPY_OUT" 2>/dev/null)" = "3"$'\t'"$CLIENT" ] && echo copy-out
  run -c "$COPY_IN" <<<"$CLIENT copied" 2>/dev/null && echo copy-in
  [ "$(run -c "$MASKED")" = '[redacted]' ] && echo masked
  run -c "$(writes approve)" 2>/dev/null && echo approved
  fails_with 'ERROR:  42501' run -c "$(writes reject)" && echo rejected
  fails_with 'ERROR:  57014' run -c "$PARKS" && grep -q 'DETAIL:.*hold_' "$SAID" && repeated run -c "$PARKS" && echo parked
  interrupted "$(writes cancel)" && echo cancelled-held
  interrupted "$LONG" && echo cancelled-running
}

# bench MODE STATEMENTS: a transaction of pgbench's.
bench() {
  printf '%s\n' "$2" >"$SCRATCH/script"
  PGPASSWORD="$TOKEN" pgbench -n -M "$1" -t 1 -f "$SCRATCH/script"
}
done_by() { bench "$@" 2>/dev/null | grep 'processed: 1/1' >/dev/null; }
by_pgbench() {
  done_by simple "$READ;" && echo token
  TOKEN='' with_certificate done_by extended "$READ;" && echo certificate
  done_by prepared "\\set id random(1, 100)"$'\n'"SELECT note FROM orders WHERE id = :id;" && echo prepared
  done_by prepared "BEGIN;"$'\n'"$READ;"$'\n'"COMMIT;" && echo transaction
  bench prepared "$MASKED \\gset"$'\n'"\\shell echo :owner" 2>/dev/null | grep -F '[redacted]' >/dev/null && echo masked
  done_by prepared "$(writes approve);" && echo approved
  fails_with 'rejected' bench prepared "$(writes reject);" && echo rejected
  fails_with 'DETAIL:.*hold_' bench prepared "$PARKS;" && repeated bench prepared "$PARKS;" && echo parked
}

case "$CLIENT" in
  psql) by_psql ;;
  pgbench) by_pgbench ;;
esac
