#!/usr/bin/env bash
# Makes a fresh clone runnable: system tools, .venv, and in .build the broker's jars, the Flink jars
# and the scorer's kernels.
# Each step keeps a stamp of its inputs and is skipped while they are the same.
# --test-tools: also the programs that only tests and drills run, such as Prometheus.
set -euo pipefail

[[ $# == 0 || "$*" == --test-tools ]] || { echo "setup: unknown: $*; known: --test-tools" >&2; exit 2; }
readonly with_test_tools="$#"

cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly root="$PWD"
readonly stamps="$root/.build/stamps"
readonly logs="$root/.build/logs"
readonly policy=/usr/sbin/policy-rc.d

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# ---------------------------------------------------------------- system tools

is_python_311() {
  "$1" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null
}

executable() { # executable PYTHON: it may be a script that starts one
  "$1" -c 'import os, sys; print(os.path.realpath(sys.executable))'
}

find_python() {
  # The distribution's first: it is built with profile-guided optimisation, one from pyenv is not
  # unless asked to, and a scorer then needs a tenth more of a core for a request.
  local candidate
  for candidate in ${PYTHON:+"$PYTHON"} /usr/bin/python3.11 python3.11 python3; do
    if is_python_311 "$candidate"; then
      command -v "$candidate"
      return
    fi
  done
  return 1
}

has_jdk() {
  local javac="${JAVA_HOME:+$JAVA_HOME/bin/}javac" version
  version="$("$javac" -version 2>&1)" || return 1
  [[ "$version" =~ ^javac\ (17|21)(\.|$) ]]
}

has_redis() {
  # Functions (FCALL) came with Redis 7.
  [[ "$(redis-server --version 2>/dev/null)" =~ v=([7-9]|[1-9][0-9])\. ]]
}

missing_packages() {
  find_python >/dev/null || echo python3.11 python3.11-venv
  has_jdk || echo openjdk-17-jdk-headless
  command -v mvn >/dev/null || echo maven
  has_redis || echo redis-server
  # Without a compiler the scorer's kernels run in numpy: slow, so who cannot install goes on.
  [[ $EUID -ne 0 ]] || command -v gcc >/dev/null || echo gcc libc6-dev
  [[ $with_test_tools == 0 ]] || missing_test_tools
}

missing_test_tools() {
  command -v promtool >/dev/null || echo prometheus
  # Ubuntu has it as a snap only: there the console's tests in the browser are skipped.
  command -v chromium >/dev/null || ! grep -q '^ID=debian' /etc/os-release || echo chromium
}

install_packages() {
  local made_policy=0
  export DEBIAN_FRONTEND=noninteractive
  say "installing with apt: $*"
  # Only the programs are wanted: no service may start and hold a port.
  if [[ ! -e "$policy" ]]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    made_policy=1
  fi
  apt-get -qq -o DPkg::Lock::Timeout=300 update >"$logs/apt.log" 2>&1 \
    && apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@" \
      >>"$logs/apt.log" 2>&1 </dev/null || {
    [[ $made_policy == 1 ]] && rm -f "$policy"
    tail -n 20 "$logs/apt.log" >&2
    fail "apt-get could not install: $*"
  }
  [[ $made_policy == 1 ]] && rm -f "$policy"
  [[ -d /run/systemd/system ]] || return 0
  local service
  for service in redis-server prometheus; do
    [[ " $* " != *" $service "* ]] || systemctl disable --quiet "$service" || true
  done
}

check_tools() {
  local wanted
  wanted="$(missing_packages | paste -sd' ')"
  [[ -n "$wanted" ]] || return 0
  if [[ $EUID -ne 0 ]] || ! command -v apt-get >/dev/null; then
    fail "missing: $wanted
  On Debian 12 run, as root:  apt-get update && apt-get install $wanted
  Elsewhere install Python 3.11 (with venv), JDK 17, Maven and Redis 7, and have them on the PATH
  (PYTHON and JAVA_HOME are honoured)."
  fi
  # shellcheck disable=SC2086 # one word per package
  install_packages $wanted
  wanted="$(missing_packages | paste -sd' ')"
  [[ -z "$wanted" ]] || fail "still missing after apt-get: $wanted
  This system's packages are too old or too new: install Python 3.11, JDK 17, Maven and Redis 7
  yourself and have them on the PATH (PYTHON and JAVA_HOME are honoured)."
}

# ---------------------------------------------------------------------- stamps

hash_of() { # hash_of FILE-OR-FOLDER…: the names and contents, build output aside
  find "$@" -name target -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum \
    | sha256sum | cut -d' ' -f1
}

is_current() { # is_current STEP HASH RESULT
  [[ -e "$3" && "$(cat "$stamps/$1" 2>/dev/null)" == "$2" ]]
}

# ----------------------------------------------------------------------- steps

python_packages() {
  local python hash started=$SECONDS log="$logs/pip.log" wheels="$root/../shared/wheels"
  local find_links=()
  python="$(find_python)"
  # The folder is part of the hash: a virtual environment does not survive a move.
  hash="$(hash_of pyproject.toml constraints.txt | cut -c1-32) $("$python" -V) $python $root"
  is_current python "$hash" .venv/bin/python && return
  [[ -d "$wheels" ]] && find_links=(--find-links "$wheels")
  say "installing Python packages into .venv, with $python (a minute or two; log: .build/logs/pip.log)"
  # What was made with another Python stays with it, whatever venv is told.
  [[ "$(realpath -m .venv/bin/python)" == "$(executable "$python")" ]] || rm -rf .venv
  {
    "$python" -m venv .venv \
      && .venv/bin/python -m pip install --disable-pip-version-check --no-input \
        "${find_links[@]}" -c constraints.txt --config-settings editable_mode=compat -e '.[dev]' \
      && .venv/bin/python -m pip install --disable-pip-version-check --no-input --no-deps obp==0.4.1
    # obp is here for the click logs inside its wheel; its own dependencies are long out of date.
  } >"$log" 2>&1 </dev/null || {
    tail -n 25 "$log" >&2
    fail "pip failed; the whole log is $log"
  }
  echo "$hash" >"$stamps/python"
  say "Python packages installed in $((SECONDS - started)) s"
}

maven_build() { # maven_build STEP POM JARS WHAT INPUT…
  local hash started=$SECONDS log="$logs/$1.log"
  hash="$(hash_of "${@:5}")"
  is_current "$1" "$hash" "$3" && return
  say "$4 (log: .build/logs/$1.log)"
  rm -rf "$3"
  # `make test` runs the Java tests.
  mvn -q -B -f "$2" -Dmaven.test.skip=true package >"$log" 2>&1 </dev/null || {
    tail -n 40 "$log" >&2
    fail "Maven failed; the whole log is $log"
  }
  [[ -d "$3" ]] || fail "Maven wrote no $3: see $2"
  echo "$hash" >"$stamps/$1"
  say "$3 ready in $((SECONDS - started)) s"
}

maven_jars() {
  maven_build kafka deploy/local/kafka/pom.xml .build/kafka \
    "fetching the Kafka broker with Maven" deploy/local/kafka/pom.xml
  maven_build flink streaming/java/pom.xml .build/flink \
    "building the Java functions and fetching the Flink connectors with Maven" \
    streaming/java schemas/avro
}

scorer_kernels() {
  local hash
  command -v gcc >/dev/null || {
    say "no gcc: the scorer will compute in numpy, about ten times slower"
    return 0
  }
  hash="$(hash_of scorer/kernels/*.[ch] scorer/kernels/build.sh)"
  is_current kernels "$hash" .build/kernels/portable.so && return
  bash scorer/kernels/build.sh .build/kernels >"$logs/kernels.log" 2>&1 || {
    tail -n 25 "$logs/kernels.log" >&2
    fail "gcc failed; the whole log is $logs/kernels.log"
  }
  echo "$hash" >"$stamps/kernels"
  say "the scorer's kernels are built"
}

mkdir -p "$stamps" "$logs"
exec 9>"$root/.build/setup.lock"
flock 9
check_tools
# Side by side: Maven waits for the network while pip unpacks.
maven_jars 9>&- &
readonly maven=$!
result=0
(python_packages && scorer_kernels) 9>&- || result=1
wait "$maven" || result=1
exit "$result"
