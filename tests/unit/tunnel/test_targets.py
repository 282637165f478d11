from __future__ import annotations

import pytest

from blinktun.address import Address
from blinktun.tunnel.targets import DATAGRAMS, is_interactive


@pytest.mark.parametrize("port", [53, 853])
def test_name_servers_are_waited_for(port: int) -> None:
    assert is_interactive(Address("192.0.2.53", port))
    assert is_interactive(Address("dns.example", port))


def test_so_are_datagrams() -> None:
    assert is_interactive(DATAGRAMS)


def test_others_are_as_they_behave() -> None:
    assert not is_interactive(Address("192.0.2.53", 443))
    assert not is_interactive(Address("web.example", DATAGRAMS.port))
