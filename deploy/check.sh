#!/usr/bin/env bash
# Looks at everything in deploy/ with the tools that it is for: the chart is linted, rendered and held against the schemas of
# Kubernetes; alerts are tested and every metric that they and the dashboard name exists; the unit is verified, its exposure
# and its system calls looked at; balancers and packet filters are parsed; the image's folder is filled and a node started in
# it, in a bare chroot, and made a cluster; the example configurations are what `countersign check` takes.
#
#   bash deploy/check.sh [--binaries DIR]      DIR: where countersign and countersignctl are (default: the development build)
#
# It needs root and namespaces for the chroot and the packet filters (without, it says what it leaves out), starts one node on loopback, and
# stops it.
set -euo pipefail
ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$ROOT"
# shellcheck source=build-env.sh
source deploy/build-env.sh

BINARIES="$CS_BIN"
while [ $# -gt 0 ]; do
  case "$1" in
    --binaries) BINARIES="$2"; shift 2 ;;
    *) sed -n '2,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
  esac
done
# What systemd-analyze may find at most, in tenths: what is left is the network, which a gateway needs.
MOST_EXPOSURE=20
PLACE="$(mktemp -d "${TMPDIR:-/tmp}/countersign-deploy.XXXXXX")"
NODE=''

stop_all() {
  local status=$?
  trap - EXIT INT TERM
  if [ -n "$NODE" ]; then
    # strace goes when what it follows is gone.
    pkill -KILL -P "$NODE" 2>/dev/null || true
    wait "$NODE" 2>/dev/null || true
  fi
  rm -rf "$PLACE"
  exit "$status"
}
trap stop_all EXIT
trap 'exit 130' INT TERM

# step WHAT COMMAND...: says what is looked at; its output is shown only when it fails.
step() {
  local what="$1"
  shift
  if "$@" >"$PLACE/step.log" 2>&1; then
    cs_say "ok: $what"
  else
    cat "$PLACE/step.log" >&2
    cs_fail "$what"
  fi
}

python_checks() {
  local venv="$CS_CACHE/deploy-checks"
  PYTHON="$venv/bin/python"
  "$PYTHON" -c 'import helm_python, kubernetes_validate, yaml' 2>/dev/null && return 0
  rm -rf "$venv"
  python3 -m venv "$venv" && "$PYTHON" -m pip install --quiet 'helm-python-sdk==0.2.2' 'kubernetes-validate==1.37.0' 'pyyaml==6.*'
}

unit() {
  sed "s#/usr/bin/countersign #$BINARIES/countersign #" deploy/systemd/countersign.service >"$PLACE/countersign.service"
  systemd-analyze verify "$PLACE/countersign.service" && systemd-analyze security --offline=true --no-pager \
    --threshold="$MOST_EXPOSURE" "$PLACE/countersign.service"
}

# The names of the examples are nobody's here.
balancers() {
  sed 's/node-\([123]\)\.internal/127.0.0.\1/' deploy/balancer/haproxy.cfg >"$PLACE/haproxy.cfg"
  haproxy -c -f "$PLACE/haproxy.cfg" || return 1
  { echo 'include /etc/nginx/modules-enabled/*.conf;'; echo "pid $PLACE/nginx.pid; error_log stderr;"
    sed 's/node-\([123]\)\.internal/127.0.0.\1/; s/listen \([0-9]*\)/listen 127.0.0.1:\1/' deploy/balancer/nginx.conf; } >"$PLACE/nginx.conf"
  nginx -t -c "$PLACE/nginx.conf"
}

# In a network namespace of its own: only to be parsed by the kernel.
packet_filters() {
  local file
  for file in deploy/network/*.nft; do unshare --net nft -c -f "$file" || return 1; done
}

# certificates FOLDER: an authority and a listener's certificate, under the names of the examples and under the chart's.
certificates() {
  local folder="$1"
  mkdir -p "$folder/tls"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj '/CN=an authority' \
    -keyout "$PLACE/ca.key" -out "$folder/ca.pem" 2>/dev/null || return 1
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -keyout "$folder/tls.key" \
    -out "$PLACE/one.csr" 2>/dev/null || return 1
  openssl x509 -req -in "$PLACE/one.csr" -CA "$folder/ca.pem" -CAkey "$PLACE/ca.key" -days 2 -out "$folder/tls.crt" \
    -extfile <(printf 'subjectAltName=IP:127.0.0.1,DNS:localhost') 2>/dev/null || return 1
  cp "$folder/tls.crt" "$folder/tls.key" "$folder/tls/"
  cp "$folder/ca.pem" "$folder/tls/ca.crt"
}

# what_is_wrong JOINS COMMAND...: what `countersign check` says of a configuration, but for the token of a node that joins, which
# nobody has here.
what_is_wrong() {
  local joins="$1" said
  shift
  said="$("$@" 2>&1 || true)"
  if [ "$joins" = joins ]; then
    grep -q 'cluster.token_file' <<<"$said" || { echo "a token that is not there is not missed: $said"; return 0; }
    grep -v 'cluster.token_file' <<<"$said" | sed '/^ *hint:/d; /^$/d' || true
  else
    grep -q 'no problems' <<<"$said" || echo "$said"
  fi
}

# The configurations of the examples, of the chart and of compose.
configurations() {
  local file said variables
  certificates "$PLACE/etc"
  mkdir -p "$PLACE/nodes"
  "$PYTHON" deploy/check.py nodes "$PLACE/nodes" 2>/dev/null || return 1
  for file in deploy/example/three-nodes/*.toml "$PLACE"/nodes/*.toml; do
    sed "s#/etc/countersign#$PLACE/etc#; s#/var/lib/countersign#$PLACE/nothing#" "$file" >"$PLACE/one.toml"
    said="$(what_is_wrong "$(grep -q '^ *token_file' "$file" && echo joins)" "$BINARIES/countersign" check --config "$PLACE/one.toml")"
    [ -z "$said" ] || { echo "$file: $said"; return 1; }
  done
  for file in "$PLACE"/nodes/*.env; do
    mapfile -t variables < <(sed "s#/etc/countersign#$PLACE/etc#" "$file")
    said="$(what_is_wrong "$(grep -q TOKEN_FILE "$file" && echo joins)" env -i "${variables[@]}" COUNTERSIGN_DATA_DIR="$PLACE/nothing" \
      COUNTERSIGN_TLS_CERT_FILE="$PLACE/etc/tls.crt" COUNTERSIGN_TLS_KEY_FILE="$PLACE/etc/tls.key" "$BINARIES/countersign" check)"
    [ -z "$said" ] || { echo "compose, $(basename "$file" .env): $said"; return 1; }
  done
}

# The system calls of a node, from its start to its end, that the unit's filter would refuse.
refused_calls() {
  awk 'NR > 2 && $NF ~ /^[a-z_0-9]+$/ && $NF != "total" {print $NF}' "$PLACE/calls" | sort -u >"$PLACE/calls.made"
  "$PYTHON" - "$PLACE/calls.made" deploy/systemd/countersign.service <<'P'
import subprocess, sys

def group(name):
    found = set()
    text = subprocess.run(["systemd-analyze", "syscall-filter", name, "--no-pager"], capture_output=True, text=True, check=True).stdout
    for line in map(str.strip, text.splitlines()):
        if line and not line.startswith("#") and line != name:
            found |= group(line) if line.startswith("@") else {line}
    return found

allowed = set()
for line in open(sys.argv[2]):
    if line.startswith("SystemCallFilter="):
        words = line.strip().removeprefix("SystemCallFilter=")
        drop, words = words.startswith("~"), words.removeprefix("~").split()
        for word in words:
            calls = group(word) if word.startswith("@") else {word}
            allowed = allowed - calls if drop else allowed | calls
# What chroot(1) does before it becomes the node.
made = set(open(sys.argv[1]).read().split()) - {"chroot", "setgid", "setgroups", "setuid"}
if len(made) < 30:
    sys.exit("the system calls were not seen")
if made - allowed:
    sys.exit(f"the unit's filter refuses what a node calls: {sorted(made - allowed)}")
P
}

answers() { curl -sf -o /dev/null "http://127.0.0.1:$METRICS/$1"; }

until_it() {
  local tries
  for tries in $(seq 100); do
    "$@" && return 0
    kill -0 "$NODE" 2>/dev/null || return 1
    sleep 0.2
  done
  return 1
}

# The image's folder as a root: nothing of the host is in it.
in_the_image() {
  local image="$PLACE/image" api postgres ssh kubernetes peers
  bash deploy/container/stage.sh --out "$image" --binaries "$BINARIES" || return 1
  api="$(cs_free_port)" postgres="$(cs_free_port)" ssh="$(cs_free_port)" kubernetes="$(cs_free_port)" peers="$(cs_free_port)" METRICS="$(cs_free_port)"
  certificates "$image/etc/countersign"
  cat >"$image/etc/countersign/node.toml" <<T
data_dir = "/var/lib/countersign/node"
[cluster]
name = "image"
listen = "127.0.0.1:$peers"
[tls]
cert_file = "/etc/countersign/tls/tls.crt"
key_file = "/etc/countersign/tls/tls.key"
[listen]
api = "127.0.0.1:$api"
postgres = "127.0.0.1:$postgres"
ssh = "127.0.0.1:$ssh"
kubernetes = "127.0.0.1:$kubernetes"
metrics = "127.0.0.1:$METRICS"
[limits]
balancer_ms = 100
drain_ms = 100
T
  chown -R 65532:65532 "$image/etc/countersign"
  chroot --userspec=65532:65532 "$image" /usr/bin/countersign check --config /etc/countersign/node.toml || return 1
  # With /proc, as every container has it, in a mount namespace that goes with the node.
  # shellcheck disable=SC2016 # expanded by the inner shell
  unshare --mount bash -c 'mount --bind /proc "$1/proc" && exec strace -f -c -o "$2" chroot --userspec=65532:65532 "$1" \
    /usr/bin/countersign serve --config /etc/countersign/node.toml' in-the-image "$image" "$PLACE/calls" >"$PLACE/node.log" 2>&1 &
  NODE=$!
  until_it answers livez || { cat "$PLACE/node.log"; return 1; }
  if answers readyz; then echo 'ready without a cluster'; return 1; fi
  until_it test -s "$image/var/lib/countersign/node/init-token" || { echo 'no init token'; return 1; }
  chroot --userspec=65532:65532 "$image" /usr/bin/countersignctl --server "https://127.0.0.1:$api" \
    --ca-file /etc/countersign/tls/ca.crt cluster init --token-file /var/lib/countersign/node/init-token || return 1
  until_it answers readyz || { cat "$PLACE/node.log"; return 1; }
  curl -sf "http://127.0.0.1:$METRICS/metrics" >"$PLACE/metrics" || return 1
  # 3: findings of style. Theirs are names that end as counters do not; an error is another status.
  promtool check metrics <"$PLACE/metrics" || [ $? = 3 ] || return 1
  pkill -TERM -P "$NODE" || return 1
  wait "$NODE" || { cat "$PLACE/node.log"; return 1; }
  NODE=''
}

cs_packages haproxy nginx-light libnginx-mod-stream prometheus nftables strace systemd openssl curl python3-venv util-linux procps binutils \
  || cs_say "going on without; what needs them will fail"
[ -x "$BINARIES/countersign" ] || cs_fail "$BINARIES/countersign is not there: cargo build --workspace --bins"
step "the tools of Python" python_checks
step "chart, manifests, alerts and dashboard" "$PYTHON" deploy/check.py
step "alert rules" promtool check rules deploy/monitoring/alerts.yaml
step "what the alerts do over time" promtool test rules deploy/monitoring/alerts_test.yaml
step "systemd unit" unit
step "configurations of HAProxy and nginx" balancers
step "configurations of nodes" configurations
if [ "$(id -u)" = 0 ] && unshare --net --mount true 2>/dev/null; then
  step "packet filters" packet_filters
  step "image, in a bare chroot" in_the_image
  step "system calls" refused_calls
else
  cs_say "left out, because it needs root and namespaces: packet filters, image, system calls"
fi
