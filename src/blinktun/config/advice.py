"""What ``check`` recommends to files whose sessions are tuned by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blinktun.config.model import BY_HAND

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blinktun.config.model import KcpSettings
    from blinktun.config.settings import Settings

_ROUND_TRIP = 0.1
"""Seconds, to show what a window means."""
_OF_MANUAL = {
    "nodelay": "0 and 1 choose between two floors of the retransmission timeout",
    "interval": "it adds to the retransmission timeout",
    "resend": "with nc 0, so many later segments are acknowledged before one is sent again",
    "nc": "0 has the congestion window of KCP, 1 finds the rate within the windows",
}


def advice_towards_auto(settings: Settings, kcp: KcpSettings, mode: str) -> tuple[str, ...]:
    """What to delete so that sessions tune themselves, and what each of it did.

    Args:
        settings: What was given.
        kcp: What that means.
        mode: The one that counts.
    """
    if kcp.is_auto:
        return ()
    given = [name for name in ("mode", *BY_HAND) if settings.given(name)]
    keys = ", ".join(settings.origin(name).key for name in given)
    return (
        f"mode auto finds these while sessions run, whatever the other end is: delete {keys}",
        *_meanings(given, kcp, mode),
    )


def _meanings(given: list[str], kcp: KcpSettings, mode: str) -> Iterator[str]:
    how = "" if "mode" in given else ", which counts beside settings by hand"
    numbers = f"nodelay {kcp.nodelay}, interval {kcp.interval}, resend {kcp.resend}, nc {kcp.nc}"
    after_loss = (
        "slow down after each loss" if kcp.nc == 0 else "find their rate within the windows"
    )
    yield f"mode {mode}{how}: {numbers}; sessions {after_loss}"
    for name, who in (("sndwnd", "this end"), ("rcvwnd", "the other end")):
        if name in given:
            segments = getattr(kcp, name)
            rate = segments * kcp.mtu * 8 / _ROUND_TRIP / 1e6
            yield (
                f"{name} {segments}: {who} sends {rate:.3g} Mbit/s at most at a round trip of"
                f" {_ROUND_TRIP * 1000:.0f} ms"
            )
    for name, meaning in _OF_MANUAL.items():
        if name in given:
            none = f"no effect, as mode {mode} sets it"
            yield f"{name} {getattr(kcp, name)}: {meaning if mode == 'manual' else none}"
    data, parity = kcp.datashard, kcp.parityshard
    how = "" if {"datashard", "parityshard"} & set(given) else " (the default by hand)"
    if data and parity:
        cost = f"{parity / data:.0%} more datagrams, whether any are lost or not"
        yield f"datashard {data}, parityshard {parity}{how}: {cost}"
    elif not how:
        yield f"datashard {data}, parityshard {parity}: no parity, as with mode auto"
