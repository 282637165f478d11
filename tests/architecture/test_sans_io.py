"""The protocol wants nothing of a host: no clock, file, socket, process, thread or environment.

``make wasm`` compiles it for a machine that has none of these. The compiler alone is not enough:
the standard library has all of them there too, and they fail when they are called. So the sources
may use of the standard library what is named here, and nothing else.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.architecture import rust_modules

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "rust" / "blinktun-proto" / "src"

PURE = {
    *(f"std::{module}" for module in ("borrow", "cmp", "error", "fmt", "hash", "iter", "marker")),
    *(f"std::{module}" for module in ("mem", "num", "ops", "rc", "str", "string", "vec")),
    "std::collections",
    "std::net::IpAddr",  # addresses are values; sockets are not named here
    "std::net::Ipv4Addr",
    "std::net::Ipv6Addr",
    "std::net::SocketAddr",
    "std::sync::Arc",
    "std::sync::Mutex",  # around the memory of openings and the budget, which sockets share
    "std::sync::MutexGuard",
    "std::sync::PoisonError",
    "std::thread_local",  # the counters of work, in tests
}
"""Beside these, all of `core`."""

WORLDLY_CRATES = {"getrandom", "libc", "mio", "rand", "rustix", "socket2", "tokio", "windows-sys"}


FILES = [str(path.relative_to(SOURCE)) for path in sorted(SOURCE.rglob("*.rs"))]


@pytest.mark.parametrize("file", [file for file in FILES if not file.endswith("tests.rs")])
def test_a_file_uses_nothing_of_a_host(file: str) -> None:
    named = {name for name in rust_modules.named_in(SOURCE / file) if name.startswith("std::")}
    assert not {name for name in named if not any(is_in(name, pure) for pure in PURE)}


def is_in(name: str, pure: str) -> bool:
    return name == pure or name.startswith(f"{pure}::")


def test_no_crate_of_a_host_is_below_it() -> None:
    tree = ["cargo", "tree", "-p", "blinktun-proto", "-e", "normal", "--prefix", "none", "--locked"]
    target = ["--target", "wasm32-unknown-unknown"]
    told = subprocess.run([*tree, *target], cwd=ROOT, capture_output=True, check=True, text=True)
    crates = {line.partition(" ")[0] for line in told.stdout.splitlines()}
    assert "blinktun-gf" in crates
    assert not crates & WORLDLY_CRATES
