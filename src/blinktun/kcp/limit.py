"""Why the rate of a session is what it is, in words, and what one can do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blinktun._core import LimitKind
from blinktun.config.rates import rate_text
from blinktun.kcp.socket_buffer import size_text

if TYPE_CHECKING:
    from blinktun._core import Limit

_POLICER_QUEUE = 0.02
"""Seconds: a link that loses with a shorter queue drops what is too fast, and queues nothing."""

_WORDS = {
    LimitKind.APPLICATION: (
        "sending is limited by the application: it has nothing more to send",
        None,
    ),
    LimitKind.PEER_APPLICATION: (
        "sending is limited by the peer's application: it reads no faster",
        None,
    ),
    LimitKind.PEER_WINDOW: (
        "sending is limited by the peer's window{window}",
        "raise rcvwnd at the peer, or memory if its mode is auto",
    ),
    LimitKind.SEND_WINDOW: (
        "sending is limited by sndwnd here{window}",
        "raise sndwnd here",
    ),
    LimitKind.STREAM_WINDOW: (
        "sending is limited by the peer's window for streams{window}",
        "raise streambuf at the peer",
    ),
    LimitKind.RECEIVE_WINDOW: (
        "receiving is limited by rcvwnd here{window}",
        "raise rcvwnd here",
    ),
    LimitKind.MEMORY: (
        "receiving is limited by memory here, which leaves this session a window{window}",
        "raise memory here",
    ),
    LimitKind.CONGESTION_WINDOW: (
        "sending is limited by the congestion window{window}; with nc 0 each loss shrinks it",
        "set nc 1, or mode auto",
    ),
    LimitKind.RATE_LIMIT: (
        "sending is limited by ratelimit: {rate}",
        None,
    ),
    LimitKind.HINT: (
        "sending is limited by the rate set here (up at a client, down at a server): {rate}",
        None,
    ),
    LimitKind.SEARCHING: (
        "sending is not limited yet: the session still finds out what the link carries",
        None,
    ),
    LimitKind.LINK: (
        "sending is limited by the link: it carries {rate}",
        None,
    ),
    LimitKind.QUEUE: (
        "sending is limited by the link: it carries {rate}, and data waits in a queue for {queue}",
        None,
    ),
    LimitKind.LOSS: (
        "sending is limited by loss that grows with the rate: {dropper} lets {rate} pass",
        "up at a client, or down at a server, set just below that rate avoids the loss",
    ),
    LimitKind.LOSS_RECOVERY: (
        "sending is limited by losses that are not repaired yet: {repeated} of what leaves repeats",
        "set mode auto at both ends",
    ),
    LimitKind.SILENCE: (
        "sending is limited by the path: nothing comes back from the peer",
        None,
    ),
    LimitKind.MACHINE: (
        "sending is limited by this machine: its UDP socket takes no more",
        "raise sockbuf here, unless the processor is busy",
    ),
}
"""For each kind its sentence, and what to change; None: nobody can change it, or somebody asked
for it."""


def explain(limit: Limit) -> str:
    """One sentence, without a full stop: what holds a session back.

    Args:
        limit: Of its `SessionStats`: ``limit`` or ``receiving_limit``.
    """
    sentence, _ = _WORDS[limit.kind]
    queue = limit.queue or 0.0
    return sentence.format(
        window=_window(limit),
        rate=rate_text(limit.rate if limit.allows is None else limit.allows),
        queue=_millis(queue),
        dropper="a policer" if queue < _POLICER_QUEUE else "a queue that is full",
        repeated=f"{limit.repeated:.0%}",
    )


def remedy(limit: Limit) -> str | None:
    """What to change if that is not wanted; None if there is nothing to change."""
    _, fix = _WORDS[limit.kind]
    return fix


def _window(limit: Limit) -> str:
    """Its size, the rate that it allows, and the round trip for which that is so."""
    text = ""
    if limit.segments is not None:
        text = f" of {limit.segments} segments"
    elif limit.window is not None:
        text = f" of {size_text(limit.window)}"
    if limit.allows is not None and limit.rtt is not None:
        text += f": {rate_text(limit.allows)} at this round trip of {_millis(limit.rtt)}"
    return text


def _millis(seconds: float) -> str:
    millis = seconds * 1000
    return f"{millis:.0f} ms" if millis >= 10 else f"{millis:.2g} ms"
