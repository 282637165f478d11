"""What the originals make of values that no option should have: decision 24 has the whole table.

A file or script that works with an original must go on working, so such a value is taken for what
it is there, with a warning. What breaks there too, or would mean something else here, stays an
error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_NEVER = 2**31 - 1
"""Seconds that no process lives."""
_IGNORED_MTU = 1400
"""The MTU of a session whose ``mtu`` was refused by kcp-go."""
_IGNORED_WINDOW = 32
"""The same for windows."""
_LARGEST_GO_GROUP = 256
"""Packets; ours is 255, so a group of 256 is an error here."""
_LONGEST_GO_INTEGER = 63
"""Bits."""


def as_kcptun(name: str, value: object) -> int | None:
    """What kcptun makes of an option's value; None: nothing that we could do as well."""
    take = _TAKEN.get(name)
    if take is None or isinstance(value, bool) or not isinstance(value, int):
        return None
    return take(value) if value.bit_length() <= _LONGEST_GO_INTEGER else None


def as_blinksocks(name: str, value: object) -> bool | None:
    """What blinksocks makes of an option's value; None: nothing that its owner can have meant."""
    return bool(value) if name == "tls_cert_self_signed" and value != "false" else None


def as_kcptun_group(datashard: int, parityshard: int) -> tuple[int, int]:
    """The group of packets that is corrected: none if the Go library cannot make one as large."""
    is_possible = datashard + parityshard <= _LARGEST_GO_GROUP
    return (datashard, parityshard) if is_possible else (0, 0)


def _shards(value: int) -> int | None:
    return 0 if value < 0 or value > _LARGEST_GO_GROUP else None


def _not_negative(value: int) -> int | None:
    return 0 if value < 0 else None


def _window(value: int) -> int:
    return _IGNORED_WINDOW if value < 1 else 65535


def _switch(value: int) -> int:
    return int(value > 0)


def _interval(value: int) -> int:
    return 100 if value < 0 else min(max(value, 10), 5000)


_TAKEN: Mapping[str, Callable[[int], int | None]] = {
    "mtu": lambda _value: _IGNORED_MTU,
    "sndwnd": _window,
    "rcvwnd": _window,
    "dscp": lambda value: value & 63,
    "datashard": _shards,
    "parityshard": _shards,
    "ratelimit": _not_negative,
    "closewait": _not_negative,
    "snmpperiod": _not_negative,
    "autoexpire": _not_negative,
    "scavengettl": lambda value: _NEVER if value < 0 else None,
    "sockbuf": lambda value: 1 if value < 1 else None,
    "nodelay": _switch,
    "nc": _switch,
    "interval": _interval,
    "resend": lambda value: 0 if value < 0 else 65535,
}
"""Asked about values that are out of range alone; the keys are names of options."""
