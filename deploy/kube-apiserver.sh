#!/usr/bin/env bash
# Builds a real kube-apiserver once, from Debian 12's own source package `kubernetes`, and keeps it in the cache's tools/bin;
# installs etcd beside it. Debian packages etcd and kubectl, but no API server, and the Kubernetes adapter is tested against one.
#
#   bash deploy/kube-apiserver.sh
#
# The build takes about seven minutes of processor time, at the lowest priority, and 4 GB of disk; nothing of it remains but
# the program. The source comes from the hosts that apt has already, by a list of sources of its own: the system's is left
# as it is. When the program is there, this does nothing.
set -euo pipefail
ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=build-env.sh
source "$ROOT/deploy/build-env.sh"

PROGRAM="$CS_CACHE/tools/bin/kube-apiserver"
# The program until it has shown that it runs.
UNTRIED="$CS_CACHE/tools/bin/.kube-apiserver.untried"
# One place for the tree, so that what a killed build left is found and removed by the next.
TREE="$CS_CACHE/kube-apiserver.build"
NEEDED_GB=5
MAKE=

# The hosts of the system's sources, but for source packages.
source_list() {
  local keyring=/usr/share/keyrings/debian-archive-keyring.gpg option=
  [ ! -r "$keyring" ] || option="[signed-by=$keyring] "
  # shellcheck disable=SC2016 # apt's own variables
  apt-get indextargets --format '$(ORIGIN) $(COMPONENT) $(CODENAME) $(REPO_URI) $(RELEASE)' 'Created-By: Packages' \
    | awk -v option="$option" '
        $1 == "Debian" && $2 == "main" && $3 ~ /^bookworm/ { print "deb-src " option $4 " " $5 " main" }' \
    | sort -u
}

# apt with lists of its own, which needs no root.
own_apt() {
  apt-get -qq -o Dir::Etc::SourceList="$TREE/apt/sources.list" -o Dir::Etc::SourceParts=- -o Dir::State::Lists="$TREE/apt/lists" \
    -o Dir::Cache="$TREE/apt/cache" -o APT::Sandbox::User= "$@"
}

fetch_source() {
  mkdir -p "$TREE/apt/lists/partial" "$TREE/apt/cache/archives/partial"
  source_list >"$TREE/apt/sources.list"
  if [ ! -s "$TREE/apt/sources.list" ]; then
    # An image without lists does not know yet whose its sources are.
    cs_as_root apt-get update -qq || cs_say "apt-get update did not do"
    source_list >"$TREE/apt/sources.list"
  fi
  [ -s "$TREE/apt/sources.list" ] || cs_fail "apt has no sources of Debian 12 here, and the API server is built from its package"
  cs_say "kube-apiserver: fetching the source package (35 MB)"
  own_apt update
  (cd "$TREE" && own_apt --download-only source kubernetes)
  # apt has compared it with its signed list.
  dpkg-source --no-check -x "$TREE"/kubernetes_*.dsc "$TREE/source" >"$TREE/log" 2>&1
}

# Kubernetes of that time builds inside a GOPATH, and generates a part of its source first.
compile() {
  local go_path="$TREE/source/.go" began=$SECONDS said=0
  mkdir -p "$go_path/src/k8s.io"
  ln -s "$TREE/source" "$go_path/src/k8s.io/kubernetes"
  set -m # a process group of its own, which can be stopped as one
  (
    cd "$go_path/src/k8s.io/kubernetes"
    unset MAKEFLAGS CDPATH
    export GOPATH="$go_path" GOCACHE="$TREE/cache" GOTMPDIR="$TREE" GOFLAGS='' GOPROXY=off CGO_ENABLED=0
    # make ends with this script, whatever ends that.
    exec nice -n 15 setpriv --pdeathsig TERM make WHAT=cmd/kube-apiserver
  ) </dev/null >>"$TREE/log" 2>&1 &
  MAKE=$!
  set +m
  while kill -0 "$MAKE" 2>/dev/null; do
    sleep 1
    if [ $((SECONDS - began - said)) -ge 30 ]; then
      said=$((SECONDS - began))
      cs_say "kube-apiserver: building, $said s (about 350 s on two cores)"
    fi
  done
  wait "$MAKE" || { tail -30 "$TREE/log" >&2; cs_fail "the API server could not be built"; }
  MAKE=
}

leave_nothing() {
  local status=$?
  trap - EXIT INT TERM
  [ -z "$MAKE" ] || kill -KILL -- "-$MAKE" 2>/dev/null || true
  forget_tree
  exit "$status"
}

# Go makes what it fetches read-only.
forget_tree() {
  chmod -R u+w "$TREE" 2>/dev/null || true
  rm -rf "$TREE" "$UNTRIED"
}

build() {
  local room
  cs_packages dpkg-dev golang-go jq rsync make || cs_fail "the API server cannot be built without these"
  mkdir -p "$CS_CACHE/tools/bin"
  forget_tree
  room="$(df --output=avail -BG "$CS_CACHE" | tail -1 | tr -dc 0-9)"
  [ "$room" -ge "$NEEDED_GB" ] || cs_fail "the API server needs $NEEDED_GB GB while it is built, and there are $room"
  trap leave_nothing EXIT
  trap 'exit 130' INT TERM
  mkdir "$TREE"
  fetch_source
  compile
  # It appears whole or not at all.
  install -m 755 "$TREE"/source/_output/local/bin/*/*/kube-apiserver "$UNTRIED"
  "$UNTRIED" --version
  mv "$UNTRIED" "$PROGRAM"
}

# One build at a time. The lock is flock's own, not inherited by what a build may leave behind.
if [ -z "${CS_APISERVER_LOCKED:-}" ]; then
  mkdir -p "$CS_CACHE"
  CS_APISERVER_LOCKED=yes exec flock --close --timeout 3600 "$CS_CACHE/.kube-apiserver" bash "${BASH_SOURCE[0]}" "$@"
fi
cs_packages etcd-server
[ -x "$PROGRAM" ] || build
