from __future__ import annotations

import socket
from contextlib import closing

import pytest
from tests.unit.waiting import until

from blinktun.net import changes
from blinktun.net.changes import NetworkWatch, source_address


def test_datagrams_to_this_machine_leave_from_it() -> None:
    assert source_address("127.0.0.1") == "127.0.0.1"
    assert source_address("::1") == "::1"


@pytest.mark.parametrize("host", ["255.255.255.255", "fe80::1", "no address"])
def test_where_no_way_leads_there_is_no_source(host: str) -> None:
    assert source_address(host) is None


class Missed:
    """A machine whose sleep a test decides."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 1000.0
        monkeypatch.setattr(changes, "_missed", lambda: self.seconds)


async def test_it_looks_again_and_again_until_it_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(socket, "AF_NETLINK", raising=False)
    monkeypatch.setattr(changes, "_LOOK", 0.001)
    looks, slept = [0], list[float]()
    missed = Missed(monkeypatch)

    def count() -> None:
        looks[0] += 1

    watch = NetworkWatch(count, slept.append)
    with closing(watch):
        await until(lambda: looks[0] > 3)
        missed.seconds += 1.0  # somebody has set the clock
        before = looks[0]
        await until(lambda: looks[0] > before + 3)
        assert slept == []
        missed.seconds += 600.0
        await until(lambda: slept)
        before = looks[0]
        await until(lambda: looks[0] > before + 3)
    assert slept == [600.0]
    assert watch._timer.cancelled()


@pytest.mark.skipif(not hasattr(socket, "AF_NETLINK"), reason="the system has no netlink")
async def test_what_the_kernel_says_is_looked_at_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, kernels = socket.socketpair(type=socket.SOCK_DGRAM)
    ours.setblocking(False)
    monkeypatch.setattr(changes, "_route_socket", lambda: ours)
    monkeypatch.setattr(changes, "_LOOK", 1e6)
    looks = [0]

    def count() -> None:
        looks[0] += 1

    with kernels, closing(NetworkWatch(count, lambda _slept: None)):
        for expected in (1, 2, 3):
            kernels.send(b"a route")
            await until(lambda expected=expected: looks[0] == expected)  # type: ignore[misc]
    assert ours.fileno() == -1


@pytest.mark.skipif(not hasattr(socket, "AF_NETLINK"), reason="the system has no netlink")
def test_the_kernel_is_asked_to_say_it() -> None:
    made = changes._route_socket()
    assert made
    with made:
        _, groups = made.getsockname()
        assert groups == changes._ROUTE_GROUPS
