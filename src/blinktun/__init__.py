"""TCP streams over lossy networks: kcptun and blinksocks in one package, with a Rust core."""

from __future__ import annotations
