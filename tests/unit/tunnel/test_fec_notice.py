from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, cast

import pytest

from blinktun.config.model import KcpSettings
from blinktun.tunnel.fec_notice import FecNotice, fec_notice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blinktun import kcp


class Peer:
    def __init__(self, name: str) -> None:
        self.peer = name


def session(name: str = "192.0.2.1:4000") -> kcp.Session:
    return cast("kcp.Session", Peer(name))


@pytest.fixture(autouse=True)
def _warnings(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.WARNING, "blinktun.kcptun"):
        yield


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        ((10, 3), (4, 2), "uses datashard 4 parityshard 2, here datashard 10 parityshard 3: "),
        ((10, 3), (0, 0), "uses no FEC (datashard 0 parityshard 0), here datashard 10 "),
        ((10, 0), (4, 2), "uses datashard 4 parityshard 2, here no FEC "),
        ((10, 3), None, "uses other FEC numbers, here datashard 10 parityshard 3: "),
    ],
)
async def test_both_numbers_and_what_to_do(
    ours: tuple[int, int],
    theirs: tuple[int, int] | None,
    said: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    data, parity = ours
    FecNotice(KcpSettings(mode="manual", datashard=data, parityshard=parity))(session(), theirs)
    (line,) = caplog.messages
    assert line.startswith(f"192.0.2.1:4000 {said}")
    assert line.endswith("error correction towards it is off; set the same on both ends")


def test_with_mode_auto_nothing_is_said() -> None:
    assert fec_notice(KcpSettings()) is None
    assert isinstance(fec_notice(KcpSettings(mode="manual")), FecNotice)


async def test_one_line_a_minute_counts_the_others(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    notice = FecNotice(KcpSettings())
    for number in range(1000):
        notice(session(f"peer {number}"), (4, 2))
    assert len(caplog.messages) == 1
    monkeypatch.setattr(loop, "time", lambda: began + 61)
    notice(session("the next"), (4, 2))
    notice(session("one more"), (4, 2))
    assert len(caplog.messages) == 2
    assert caplog.messages[1].startswith("the next uses ")
    assert caplog.messages[1].endswith(" (999 more peers since the last such line)")
