from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from blinktun import kcp
from blinktun.config.model import KcpSettings
from blinktun.kcp.driver import Driver

if TYPE_CHECKING:
    import pytest

TOO_MUCH = KcpSettings(sockbuf=(1 << 31) - 1)
"""More than Linux gives anybody."""


async def ignore(stream: kcp.Stream) -> None:
    """A handler of streams."""


async def test_a_queue_that_is_too_short_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    async with await kcp.serve(ignore, "127.0.0.1:0", TOO_MUCH) as server:
        session = await kcp.connect(server.address, TOO_MUCH)
        await session.aclose()
        granted = Driver.current().core.socket_buffer(server._udp or 0)
    assert granted < TOO_MUCH.sockbuf
    said = [record.getMessage() for record in caplog.records if "sockbuf" in record.getMessage()]
    assert len(said) == 1
    assert said[0].startswith("sockbuf: asked 2048 MiB, granted ")
    assert "net.core.rmem_max=2147483647" in said[0]
    assert said[0].endswith(f"set sockbuf to {granted}")


async def test_a_client_is_told_too(caplog: pytest.LogCaptureFixture) -> None:
    session = await kcp.connect("127.0.0.1:9", TOO_MUCH)
    await session.aclose(0)
    assert "sockbuf: asked 2048 MiB" in caplog.text


async def test_a_queue_as_asked_for_needs_no_word(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with await kcp.serve(ignore, "127.0.0.1:0", KcpSettings(sockbuf=65536)) as server:
        assert Driver.current().core.socket_buffer(server._udp or 0) == 65536
    assert "sockbuf" not in caplog.text
