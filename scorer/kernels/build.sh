#!/usr/bin/env bash
# build.sh FOLDER: compiles the kernels once for each kind of processor that they know.
set -euo pipefail
readonly folder="$(realpath -m "$1")"
cd "$(dirname "${BASH_SOURCE[0]}")"
mkdir -p "$folder"

build() { # build NAME FLAG…
  gcc -O3 -std=gnu11 -fPIC -shared -fno-math-errno -fno-trapping-math -fassociative-math \
    -fno-signed-zeros -Wall -Wextra -Werror "${@:2}" -o "$folder/$1.so" *.c -lm
}

rm -f "$folder/sources"
build portable
if [[ "$(uname -m)" == x86_64 ]]; then
  build avx2 -mavx2 -mfma
  build avx512_vnni -mavx2 -mfma -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni
fi
# Whoever loads them looks whether they are of the sources that it has, see library.py.
LC_ALL=C bash -c 'cat *.[ch] build.sh' | sha256sum | cut -d" " -f1 >"$folder/sources"
