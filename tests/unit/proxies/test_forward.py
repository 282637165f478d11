from __future__ import annotations

import pytest

from blinktun.address import Address
from blinktun.effects import ConnectTo
from blinktun.proxies.forward import FixedForward
from blinktun.proxies.refusal import Refusal


def test_connects_before_a_byte_is_said() -> None:
    handshake = FixedForward(Address("example.com", 22))
    assert handshake.start() == [ConnectTo(Address("example.com", 22))]
    assert handshake.granted() == handshake.refused(Refusal.FAILED) == handshake.take_early() == b""


def test_has_no_handshake() -> None:
    with pytest.raises(AssertionError, match="4 bytes"):
        FixedForward(Address("example.com", 22)).receive(b"SSH-")
