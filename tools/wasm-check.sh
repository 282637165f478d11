#!/usr/bin/env bash
# Compile blinktun-proto for wasm32, a machine without sockets, clocks, files and threads.
set -euo pipefail
cd "$(dirname "$0")/.."

target=wasm32-unknown-unknown
library="$(rustc --print sysroot)/lib/rustlib/$target"
if [ ! -d "$library" ] && ! rustup target add "$target"; then
  # A Rust that did not come from rustup, or no way to its server. The sources themselves are held to
  # the same by tests/architecture/test_sans_io.py, which needs no compiler.
  echo "NOT CHECKED: this machine has no standard library for $target, and rustup cannot get it" >&2
  exit 0
fi
cargo check -p blinktun-proto --target "$target" --locked
