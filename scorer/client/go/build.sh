#!/bin/bash
# Generates the stubs from the proto and builds the example: .build/go/rank. Needs Go 1.21 or later.
set -euo pipefail
cd "$(dirname "$0")/../../.."
command -v go >/dev/null || { echo "client-go: no Go; install it, e.g. apt-get install golang" >&2; exit 1; }
export GOBIN="$PWD/.build/go/bin"
mkdir -p "$GOBIN" .build/go/client/ctrv1
go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.34.2
go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.5.1
proto=schemas/proto/ctr/v1/scorer.proto
PATH="$GOBIN:$PATH" .venv/bin/python -m grpc_tools.protoc --proto_path=. \
  --go_out=.build/go/client --go_opt=module=ctr/client,M$proto=ctr/client/ctrv1 \
  --go-grpc_out=.build/go/client --go-grpc_opt=module=ctr/client,M$proto=ctr/client/ctrv1 $proto
cp scorer/client/go/go.mod scorer/client/go/go.sum scorer/client/go/main.go .build/go/client/
cd .build/go/client
go build -o ../rank .
