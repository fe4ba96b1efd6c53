# Where and how the scripts of this tree build. Sourced by deploy/quickstart.sh, deploy/bench/bench.sh and tests/run.sh;
# it runs nothing by itself and starts no service. ROOT must be set: the top of the tree.
#
# All clones of a user share one target directory outside the clones, so that RocksDB and the other crates of the registry
# are compiled once. Our own crates are another matter: cargo tells them apart by their path inside the workspace and by
# time stamps, so a second clone that is older than the last build would be given the other clone's binaries. Whenever the
# clone changes, cargo is therefore made to forget our crates (a rebuild of a minute or two, without the registry's).

: "${ROOT:?the top of the tree}"
CS_CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/countersign"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$CS_CACHE/target}"
CS_BIN="$CARGO_TARGET_DIR/debug"
# Beside --bin or --bins: with one small test, cargo chooses the features that it chooses for all tests, and a dependency is
# not compiled once for the walk and once for the tests.
CS_SAME_FEATURES="--test compile_fail"
[ -d "$HOME/.cargo/bin" ] && PATH="$HOME/.cargo/bin:$PATH"
PATH="$CS_CACHE/tools/bin:$PATH"

cs_say() { printf '%s\n' "$*"; }
cs_fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

# cs_as_root COMMAND...: as root, if that is possible without asking anything; status 126 if it is not.
cs_as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then sudo -n "$@"
  else return 126
  fi
}

# cs_missing PACKAGE...: those that are not installed.
cs_missing() {
  local package
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || printf '%s ' "$package"
  done
}

cs_apt_install() { cs_as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; }

# cs_packages PACKAGE...: installs what is missing, and lets no package start a service: while apt runs, policy-rc.d says
# "not now" (Debian Policy 9.3.3.1). Without root it says what is missing and returns 1.
cs_packages() {
  local missing package guard=/usr/sbin/policy-rc.d ours=no status=0
  if ! command -v dpkg-query >/dev/null 2>&1; then
    cs_say "this is not a Debian system: make sure that you have what these packages hold: $*"
    return 0
  fi
  missing="$(cs_missing "$@")"
  [ -n "$missing" ] || return 0
  cs_say "installing the packages: $missing"
  if ! cs_as_root true; then
    cs_say "cannot: not root, and sudo wants a password. Please run: sudo apt-get install --no-install-recommends $missing"
    return 1
  fi
  if [ ! -e "$guard" ]; then
    printf '#!/bin/sh\nexit 101\n' | cs_as_root tee "$guard" >/dev/null && cs_as_root chmod 755 "$guard" && ours=yes
  fi
  # shellcheck disable=SC2086 # one word per package
  { cs_as_root apt-get update -qq && cs_apt_install $missing; } >"${TMPDIR:-/tmp}/countersign-apt.$$" 2>&1 || status=1
  # One that cannot be had (npm beside another distributor's nodejs) must not keep the others away.
  if [ "$status" != 0 ]; then
    status=0
    for package in $missing; do cs_apt_install "$package" >>"${TMPDIR:-/tmp}/countersign-apt.$$" 2>&1 || status=1; done
  fi
  [ "$ours" = no ] || cs_as_root rm -f "$guard"
  [ "$status" = 0 ] || tail -20 "${TMPDIR:-/tmp}/countersign-apt.$$" >&2
  rm -f "${TMPDIR:-/tmp}/countersign-apt.$$"
  return "$status"
}

# cs_toolchain: the compiler that rust-toolchain.toml names. Debian 12's own is too old, and rustup is not in Debian 12.
cs_toolchain() {
  local wanted
  wanted="$(sed -n 's/^channel = "\(.*\)"/\1/p' "$ROOT/rust-toolchain.toml")"
  command -v cargo >/dev/null 2>&1 \
    || cs_fail "cargo is not installed. Install Rust $wanted (with rustup), then run this again."
  (cd "$ROOT" && cargo --version >/dev/null) \
    || cs_fail "cargo does not run here: is Rust $wanted installed? (rustup toolchain install $wanted)"
}

# cs_own_build: makes cargo forget our crates if the last build in this target directory was of another clone.
cs_own_build() {
  local mark="$CARGO_TARGET_DIR/.countersign-clone" now="$ROOT"
  # CI clones anew for each run, at times to the same path: there the commit counts too.
  [ -z "${CI:-}" ] || now="$ROOT $(git -C "$ROOT" rev-parse HEAD 2>/dev/null || echo unknown)"
  mkdir -p "$CARGO_TARGET_DIR"
  if [ -e "$mark" ] && [ "$(cat "$mark")" = "$now" ]; then return 0; fi
  if [ -d "$CS_BIN" ]; then
    rm -rf "$CS_BIN"/.fingerprint/countersign-* "$CS_BIN"/incremental/countersign* "$CS_BIN"/incremental/it-* \
      "$CS_BIN"/build/countersign-*
    # Left by crates or versions that are gone; cargo never removes them.
    rm -f "$CS_BIN"/deps/countersign* "$CS_BIN"/deps/libcountersign* "$CS_BIN"/deps/it-*
    rm -f "$CS_BIN"/countersign "$CS_BIN"/countersign-dev-issuer "$CS_BIN"/countersignctl "$CS_BIN"/countersign-chaos
  fi
  printf '%s' "$now" >"$mark"
}

# cs_free_port: a TCP port of the loopback that is free now.
cs_free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# The folder of PostgreSQL's server programs, the newest installed.
cs_postgres_bin() {
  local found
  found="$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)"
  if [ -z "$found" ] && command -v initdb >/dev/null 2>&1; then found="$(dirname "$(readlink -f "$(command -v initdb)")")"; fi
  [ -n "$found" ] || return 1
  printf '%s\n' "$found"
}
