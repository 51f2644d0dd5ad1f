#!/usr/bin/env bash
# The build steps of the images outside of Docker: a wheel with all of the packages' files, clean
# environments of what each image installs, and each entry point from a folder without our sources.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
readonly root="$PWD"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
readonly packages=(schemas stores online_model streaming scorer bootstrap deploy)

# From a copy of what git has: a wheel must not depend on what lies about.
git ls-files -z | xargs -0 cp --parents -t "$work"
cd "$work"
"$root/.venv/bin/python" -m pip wheel -q --no-deps -w wheel .
"$root/.venv/bin/python" -m zipfile -l wheel/*.whl | awk 'NR > 1 { print $1 }' | sort >in_wheel
# What no process reads at run time stays out: sources of Java, containers, manuals.
git -C "$root" ls-files "${packages[@]}" \
  | grep -Ev '^(streaming/java|scorer/client/go|deploy/(docker|k8s|local/kafka/pom.xml)|deploy/[a-z_]*\.sh)|\.(md|png)$' \
  | sort >wanted
if missing="$(comm -23 wanted in_wheel)" && [[ -n "$missing" ]]; then
  echo "the wheel lacks: $missing" >&2
  exit 1
fi
echo "wheel: all $(wc -l <wanted) files of the packages are in it"

try_image() { # try_image NAME MODULE… : of what the environment in $work/NAME has
  local module
  for module in "${@:2}"; do
    (cd / && "$work/$1/bin/python" -m "$module" --help >/dev/null) \
      || { echo "$1: python -m $module --help fails" >&2; exit 1; }
  done
  echo "$1: ${*:2} start from outside the checkout"
}

python3.11 -m venv scorer_image
scorer_image/bin/pip install -q -c constraints.txt -r deploy/docker/scorer.txt
scorer_image/bin/pip install -q --no-deps wheel/*.whl
bash scorer/kernels/build.sh scorer_image/lib/python3.11/site-packages/.build/kernels
(cd / && "$work/scorer_image/bin/python" -c 'import scorer.process, scorer.kernels as k
print("scorer: kernels", k.best_kernels().name)')
try_image scorer_image scorer deploy.console

if [[ "${1:-}" != --light ]]; then
  python3.11 -m venv flink_image
  flink_image/bin/pip install -q -c constraints.txt wheel/*.whl
  try_image flink_image streaming streaming.adserver bootstrap online_model schemas deploy.cluster
fi
