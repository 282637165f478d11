"""How the core names what it holds: plain tuples, never used again for something else."""

from __future__ import annotations

from typing import TypeAlias

SessionKey: TypeAlias = tuple[int, int]
"""A socket and one of its sessions."""

StreamKey: TypeAlias = tuple[int, int, int]
"""A socket, one of its sessions, and a stream of that; the first two are the session's key."""

FlowKey: TypeAlias = tuple[int, int, int]
"""A socket, one of its sessions, and a flow of datagrams of that."""
