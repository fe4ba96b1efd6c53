#!/usr/bin/env bash
# Runs everything that must hold before a change lands, on a fresh Debian 12 too.
#
#   bash tests/run.sh            format, lints, documentation, every test, a short chaos run, the quickstart's walk
#   bash tests/run.sh NAME...    only the tests whose names contain one of the NAMEs
#
# What is missing is installed (with sudo when not root); what cannot be installed is said. Nothing of the system is
# touched: every server is a private one on free loopback ports. The build goes to CARGO_TARGET_DIR, by default
# ~/.cache/countersign/target, which all clones share. Settings: CS_CHAOS_MINUTES (default 1; 0 leaves chaos out).
set -euo pipefail
ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$ROOT"
# shellcheck source=../deploy/build-env.sh
source deploy/build-env.sh

# One run at a time in a target directory: another clone's would take the binaries away from under the tests. The lock is
# flock's own, not inherited by what a test may leave behind.
if [ -z "${CS_RUN_LOCKED:-}" ]; then
  mkdir -p "$CARGO_TARGET_DIR"
  LOCK="$CARGO_TARGET_DIR/.countersign-run"
  flock --nonblock "$LOCK" true || cs_say "waiting for another run in $CARGO_TARGET_DIR to end"
  CS_RUN_LOCKED=yes exec flock --close --timeout 1800 "$LOCK" bash tests/run.sh "$@"
fi

NEXTEST_VERSION=0.9.143
LOGS="$(mktemp -d "${TMPDIR:-/tmp}/countersign-run.XXXXXX")"
chmod 755 "$LOGS" # PostgreSQL's own user passes through it
trap 'rm -rf "$LOGS"' EXIT
PASSED=0 FAILED=0 FAILURES=()

# stage NAME COMMAND...: runs it and counts it; its output is shown as it comes.
stage() {
  local name="$1" began=$SECONDS
  shift
  printf '\n== %s: %s\n' "$name" "$*"
  if "$@"; then
    PASSED=$((PASSED + 1))
    printf '== %s: ok, %s s\n' "$name" $((SECONDS - began))
  else
    FAILED=$((FAILED + 1))
    FAILURES+=("$name")
    printf '== %s: FAILED after %s s\n' "$name" $((SECONDS - began))
  fi
}

prepare() {
  cs_packages build-essential pkg-config libclang1-14 libclang-common-14-dev git python3 python3-venv \
    ca-certificates openssh-client openssh-server postgresql postgresql-client postgresql-contrib haproxy openssl procps util-linux \
    default-jdk-headless libpostgresql-jdbc-java nodejs npm strace zsh fish busybox-static \
    || cs_say "going on without; what needs them will fail"
  cs_toolchain
  cs_own_build
  if ! cargo nextest --version >/dev/null 2>&1; then
    cs_say "installing cargo-nextest (once, some minutes)"
    cargo install --locked --quiet --root "$CS_CACHE/tools" --version "$NEXTEST_VERSION" cargo-nextest \
      || cs_say "could not install cargo-nextest: cargo test will do, without time limits"
  fi
  # Tests of limits open thousands of connections.
  ulimit -n "$(ulimit -Hn)"
}

# The PostgreSQL drivers of Python, the published schema of OCSF, and an S3 server that locks, in an environment of their own.
python_clients() {
  local venv="$CS_CACHE/python-clients"
  export CS_TEST_PYTHON="$venv/bin/python"
  "$CS_TEST_PYTHON" -c 'import psycopg, pg8000, asyncpg, ocsf_json_schema, jsonschema, moto.server' 2>/dev/null && return 0
  rm -rf "$venv"
  python3 -m venv "$venv" \
    && "$CS_TEST_PYTHON" -m pip install --quiet 'psycopg[binary]==3.*' 'pg8000==1.*' 'asyncpg==0.*' \
      'ocsf-json-schema==1.2.0' 'jsonschema==4.*' 'moto[server,s3]==5.*'
}

# node-postgres, in a folder of its own; PostgreSQL's JDBC driver is Debian's.
node_clients() {
  export CS_TEST_CLIENTS="$CS_CACHE/node-clients"
  [ -d "$CS_TEST_CLIENTS/node_modules/pg-copy-streams" ] && return 0
  mkdir -p "$CS_TEST_CLIENTS"
  npm install --silent --no-audit --no-fund --prefix "$CS_TEST_CLIENTS" pg@8 pg-copy-streams@7
}

# An S3 server that checks signatures.
s3_server() {
  export CS_TEST_S3S="$CS_CACHE/tools/bin/s3s-fs"
  [ -x "$CS_TEST_S3S" ] && return 0
  cargo install --locked --quiet --debug --root "$CS_CACHE/tools" --version 0.14.1 --features binary s3s-fs
}

# A real API server of Kubernetes, with its etcd: built once, at the lowest priority.
api_server() { bash deploy/kube-apiserver.sh; }

# One provider of cryptography: nothing that is built may pull in another.
one_provider() {
  local tree
  tree="$(cargo tree --workspace --locked --edges normal,build --prefix none --format '{p}')" || return 1
  ! grep -E '^(ring|openssl-sys|native-tls) v' <<<"$tree"
}

# tests NAME...: all tests, or those whose names match; adds their counts.
tests() {
  local log="$LOGS/tests" status=0 summary
  if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --workspace --locked "$@" 2>&1 | tee "$log" || status=1
    sed -i 's/\x1b\[[0-9;]*m//g' "$log"
    summary="$(grep -E '^ +Summary \[' "$log" | tail -1 || true)"
    PASSED=$((PASSED + $(sed -n 's/.*: \([0-9]*\) passed.*/\1/p' <<<"$summary" | grep . || echo 0)))
    # grep finds nothing where nothing failed, which is no failure of this script's.
    FAILED=$((FAILED + $({ grep -oE '[0-9]+ (failed|timed out|exec failed)' <<<"$summary" || true; } | awk '{n += $1} END {print n + 0}')))
  else
    # One after the other: each test of the cluster starts three nodes.
    cargo test --workspace --locked --no-fail-fast -- --test-threads=1 "$@" 2>&1 | tee "$log" || status=1
    PASSED=$((PASSED + $(sed -n 's/^test result: .* \([0-9]*\) passed.*/\1/p' "$log" | awk '{n += $1} END {print n + 0}')))
    FAILED=$((FAILED + $(sed -n 's/^test result: .* \([0-9]*\) failed.*/\1/p' "$log" | awk '{n += $1} END {print n + 0}')))
    summary="$(grep '^test result' "$log" | tail -1 || true)"
    if [ "$PASSED" = 0 ]; then status=1; fi
  fi
  SUMMARY="$summary"
  if [ "$status" != 0 ]; then FAILURES+=(tests); fi
  # A build that does not finish counts no test at all.
  if [ "$status" != 0 ] && [ -z "$summary" ]; then FAILED=$((FAILED + 1)); fi
}

finish() {
  printf '\n%s\n' "${SUMMARY:-}"
  if [ "${#FAILURES[@]}" -gt 0 ]; then printf 'failed: %s\n' "${FAILURES[*]}"; fi
  printf '%s passed, %s failed\n' "$PASSED" "$FAILED"
  [ "$FAILED" = 0 ] && [ "${#FAILURES[@]}" = 0 ]
}

# The binaries first, in the one invocation whose features the tests share: the tests start them as processes.
build() { cargo build --workspace --all-targets --locked; }

# The deliberately broken node is built by no default build, so it is looked at apart.
lint_the_broken_gate() {
  cargo clippy --workspace --all-targets --locked --features countersign-node/broken-gate -- -D warnings
}

# The counter-proof: nodes whose gates are broken on purpose must be found, each by the checkers it is for.
broken_gates_are_found() {
  cargo build --workspace --locked --features countersign-node/broken-gate --bin countersign-broken $CS_SAME_FEATURES \
    || return 1
  broken_gate_is_found asks-nobody no_forward_without_intent no_forward_without_approval || return 1
  broken_gate_is_found forgets revoked_is_out outcome_of_every_intent
}

# broken_gate_is_found WAY CHECKER...
broken_gate_is_found() {
  local way="$1" log="$LOGS/broken" checker kept
  shift
  if BROKEN_GATE="$way" "$CS_BIN/countersign-chaos" run --minutes 1 --node-binary "$CS_BIN/countersign-broken" >"$log" 2>&1; then
    cs_say "a gate that $way was not found"
    return 1
  fi
  kept="$(sed -n 's/^what the run left is kept in //p' "$log")"
  [ -z "$kept" ] || rm -rf "$kept"
  for checker in "$@"; do
    grep -E "^ *$checker +[0-9]+ violation" "$log" || { tail -20 "$log"; cs_say "$checker did not find a gate that $way"; return 1; }
  done
}

prepare
if [ $# -gt 0 ]; then
  python_clients || cs_say "the Python drivers are missing: their tests will fail"
  node_clients || cs_say "node-postgres is missing: its test will fail"
  s3_server || cs_say "s3s-fs is missing: its tests will fail"
  api_server || cs_say "kube-apiserver is missing: its tests will fail"
  build
  tests "$@"
  finish
  exit
fi

stage format cargo fmt --all --check
stage build build
stage lints cargo clippy --workspace --all-targets --locked -- -D warnings
stage broken-gate-lints lint_the_broken_gate
stage documentation env RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked --quiet
stage providers one_provider
stage python-drivers python_clients
stage node-drivers node_clients
stage s3-server s3_server
stage api-server api_server
tests
stage deployment bash deploy/check.sh
stage quickstart bash deploy/quickstart.sh --once
if [ "${CS_CHAOS_MINUTES:-1}" != 0 ]; then
  stage chaos "$CS_BIN/countersign-chaos" run --minutes "${CS_CHAOS_MINUTES:-1}"
  stage counter-proof broken_gates_are_found
fi
finish
