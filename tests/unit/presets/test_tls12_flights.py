from __future__ import annotations

import json
from pathlib import Path

import pytest

from blinktun.errors import RemoteError
from blinktun.presets.base import PresetContext, Role
from blinktun.presets.tls12_flights import (
    client_finished,
    client_hello,
    finished_size,
    flight_size,
    hello_size,
    server_flight,
)
from blinktun.testing.randomness import Counting, Recorded

VECTORS = json.loads(
    (Path(__file__).parents[2] / "vectors/blinksocks/obfs-tls1.2-ticket.json").read_text("utf-8")
)
HELLO = bytes.fromhex(VECTORS["client_hello"])
FLIGHT = bytes.fromhex(VECTORS["server_flight_from_blinksocks"])
NAME = b"www.bing.com"


def _context(*drawn: bytes) -> PresetContext:
    return PresetContext(Role.CLIENT, "", Recorded(drawn), lambda: float(VECTORS["now"]))


def _size(value: int) -> bytes:
    return value.to_bytes(2, "big")


def test_the_recorded_client_hello() -> None:
    at = HELLO.index(b"\x00\x17\x00\x00\x00\x23") + 6
    size = int.from_bytes(HELLO[at : at + 2], "big")
    # The draws: its ticket, then what both hellos begin with.
    context = _context(_size(size - 200), HELLO[at + 2 : at + 2 + size], HELLO[15:43], HELLO[44:76])
    assert client_hello(NAME, context) == HELLO


def test_the_recorded_server_flight() -> None:
    ticket = FLIGHT.index(bytes.fromhex("000004b0")) + 6
    size = int.from_bytes(FLIGHT[ticket - 2 : ticket], "big")
    finished = FLIGHT[ticket + size + 6 + 5 :]
    context = _context(
        *(FLIGHT[15:43], FLIGHT[44:76], _size(size - 200), FLIGHT[ticket : ticket + size]),
        *(_size(len(finished) - 32), finished),
    )
    assert server_flight(context) == FLIGHT


def test_the_recorded_end() -> None:
    wire = bytes.fromhex(VECTORS["client_second_flight"]["wire"])
    assert client_finished(_context(wire[11:43])) == wire[:43]
    assert finished_size(wire) == 43
    assert finished_size(wire[:42]) is None


@pytest.mark.parametrize("name", [b"a", b"x" * 255])
def test_hellos_are_told_complete(name: bytes) -> None:
    hello = client_hello(name, PresetContext(Role.CLIENT, "", Counting()))
    assert hello_size(hello + b"more") == len(hello)
    assert all(hello_size(hello[:size]) is None for size in range(len(hello)))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"G", "does not begin"),
        (b"\x16\x03\x03", "does not begin"),
        (b"\x16\x03\x01\x00\xc2", "of 199 bytes"),
        (b"\x16\x03\x01\x40\x01", "of 16390 bytes"),
    ],
)
def test_no_hello(data: bytes, reason: str) -> None:
    with pytest.raises(RemoteError, match=reason):
        hello_size(data)


def test_flights_are_told_complete() -> None:
    assert flight_size(FLIGHT) == flight_size(FLIGHT + b"\x17\x03\x03") == len(FLIGHT)
    assert all(flight_size(FLIGHT[:size]) is None for size in range(len(FLIGHT)))


@pytest.mark.parametrize(
    "data",
    [b"HTTP/1.1 400", b"\x15\x03\x03\x00\x02\x02\x28", b"\x16\x03\x03\xff\xff", FLIGHT[:94] * 400],
)
def test_no_flight(data: bytes) -> None:
    with pytest.raises(RemoteError, match="not one of ours"):
        flight_size(data)
