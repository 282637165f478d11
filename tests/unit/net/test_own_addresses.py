from __future__ import annotations

import ipaddress
import socket

import pytest

from blinktun.net import own_addresses
from blinktun.net.own_addresses import is_own


def _outward() -> str:
    """The address that datagrams to the documentation network leave from, if there is a route."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("203.0.113.1", 9))
        except OSError:
            return "127.0.0.2"
        return str(probe.getsockname()[0])


@pytest.fixture(params=["netlink", "bind"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "bind":
        monkeypatch.delattr(socket, "AF_NETLINK", raising=False)


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("text", ["127.0.0.1", "127.3.2.1", _outward()])
def test_own_addresses(text: str) -> None:
    assert is_own(ipaddress.ip_address(text))


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("text", ["203.0.113.1", "2001:db8::1", "198.51.100.7"])
def test_addresses_of_others(text: str) -> None:
    assert not is_own(ipaddress.ip_address(text))


def test_no_answer_of_the_kernel_is_no_own_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_ip: object) -> bool:
        raise OSError("no sockets")

    monkeypatch.setattr(own_addresses, "_is_routed_here", fail)
    monkeypatch.setattr(own_addresses, "_can_bind", fail)
    assert not is_own(ipaddress.ip_address("127.0.0.1"))
