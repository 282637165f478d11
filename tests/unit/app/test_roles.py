from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from blinktun.address import Address
from blinktun.app import make_role, start_all, stop_all
from blinktun.config.model import (
    BlinksocksClient,
    BlinksocksServer,
    Inbound,
    KcpLink,
    KcpSettings,
    KcptunClient,
    KcptunServer,
    PortRange,
    PresetSpec,
    ServerLink,
)
from blinktun.errors import ConfigError, TransportError
from blinktun.tunnel.blinksocks_client import BlinksocksClientRole
from blinktun.tunnel.blinksocks_server import BlinksocksServerRole
from blinktun.tunnel.kcptun_client import KcptunClientRole
from blinktun.tunnel.kcptun_server import KcptunServerRole

if TYPE_CHECKING:
    from blinktun.config.model import RoleConfig

HERE = Address("127.0.0.1", 0)
UDP = PortRange("127.0.0.1", 0, 0)
LINK = ServerLink("tcp", HERE, "key", (PresetSpec("ss-base"),))
CONFIGS: list[tuple[RoleConfig, type]] = [
    (KcptunClient(HERE, UDP), KcptunClientRole),
    (KcptunServer(UDP, HERE), KcptunServerRole),
    (BlinksocksClient(Inbound.SOCKS, HERE, LINK), BlinksocksClientRole),
    (BlinksocksServer(LINK), BlinksocksServerRole),
]


@pytest.mark.parametrize(("config", "kind"), CONFIGS, ids=lambda value: type(value).__name__)
async def test_every_configuration_becomes_its_role(config: RoleConfig, kind: type) -> None:
    role = make_role(config)
    assert type(role) is kind
    assert not role.addresses
    assert role.traffic == (0, 0)
    await start_all([role])
    (address,) = role.addresses
    assert address.port != 0
    await stop_all([role], 0)


def test_a_configuration_that_cannot_work_makes_no_role() -> None:
    wrong_link = replace(LINK, presets=(PresetSpec("no-such-preset"),))
    broken: list[RoleConfig] = [
        KcptunClient(HERE, UDP, KcpLink(KcpSettings(mtu=10))),
        KcptunServer(UDP, HERE, KcpSettings(sndwnd=0)),
        BlinksocksServer(wrong_link),
    ]
    for config in broken:
        with pytest.raises(ConfigError):
            make_role(config)


class FakeRole:
    """Writes down what happens to it."""

    addresses = ()
    traffic = (0, 0)

    def __init__(self, name: str, story: list[str], failure: BaseException | None = None) -> None:
        self._name = name
        self._story = story
        self._failure = failure

    async def start(self) -> None:
        if self._failure:
            raise self._failure
        self._story.append(f"{self._name} starts")

    async def stop(self, grace: float = 0.0) -> None:
        await asyncio.sleep(0)
        self._story.append(f"{self._name} stops in {grace}")


class Unstoppable(FakeRole):
    async def stop(self, grace: float = 0.0) -> None:
        raise ZeroDivisionError


@pytest.mark.parametrize("failure", [TransportError("in use"), ZeroDivisionError()])
async def test_if_one_cannot_start_none_goes_on(failure: Exception) -> None:
    story: list[str] = []
    roles = [FakeRole("a", story), FakeRole("b", story, failure), FakeRole("c", story)]
    with pytest.raises(type(failure)):
        await start_all(roles)
    assert story == ["a starts", "a stops in 0"]


async def test_one_that_cannot_stop_does_not_keep_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    story: list[str] = []
    await stop_all([Unstoppable("a", story), FakeRole("b", story)], 3)
    assert story == ["b stops in 3"]
    (record,) = caplog.records
    assert record.exc_info
    assert record.exc_info[0] is ZeroDivisionError
