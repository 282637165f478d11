from __future__ import annotations

import errno
import logging

import pytest

from blinktun.address import Address
from blinktun.config.model import Credentials
from blinktun.effects import ConnectTo, Forward
from blinktun.errors import LocalError, RemoteError, TransportError
from blinktun.proxies.detect import Detect, Speaks
from blinktun.proxies.forward import FixedForward
from blinktun.proxies.refusal import Refusal
from blinktun.relay.relay import Traffic
from blinktun.testing.scripted import ScriptedStream
from blinktun.tunnel.application import Application, refusal_of

TARGET = Address("127.0.0.1", 80)
SOCKS4 = b"\x04\x01\x00\x50\x7f\x00\x00\x01\x00"


def _application(*script: bytes, ends: bool = True) -> tuple[Application, ScriptedStream]:
    stream = ScriptedStream(script, ends=ends)
    return Application(stream, Detect(), Traffic()), stream


async def test_what_an_application_wants() -> None:
    app, stream = _application(b"\x05\x01\x00", b"\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50")
    assert await app.negotiate() == ConnectTo(TARGET)
    assert stream.sent == b"\x05\x00"
    fixed = Application(ScriptedStream(), FixedForward(TARGET), Traffic())
    assert await fixed.negotiate() == ConnectTo(TARGET)


async def test_who_is_rejected_leaves_or_never_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blinktun.tunnel.application.HANDSHAKE_TIMEOUT", 0.01)
    with pytest.raises(RemoteError, match="HTTP, but this port speaks SOCKS"):
        await _application(b"x")[0].negotiate()
    with pytest.raises(TransportError, match="left"):
        await _application(SOCKS4[:3])[0].negotiate()
    with pytest.raises(TransportError, match="no request"):
        await _application(ends=False)[0].negotiate()
    with pytest.raises(LocalError):
        await _application()[0].perform([Forward(b"")])


async def test_who_leaves_after_a_refusal_was_refused() -> None:
    request = b"GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n"
    stream = ScriptedStream([request])
    handshake = Detect(Credentials("u", "p"), speaks=Speaks.BOTH)
    assert handshake.complaint == ""
    with pytest.raises(RemoteError, match="wrong or no credentials"):
        await Application(stream, handshake, Traffic()).negotiate()
    assert stream.sent.startswith(b"HTTP/1.1 407 ")


async def test_first_bytes_come_in_time_or_not() -> None:
    assert await _application(b"x")[0].first_bytes(1) == b"x"
    assert await _application(ends=False)[0].first_bytes(0.01) == b""


def test_every_tunnel_leaves_a_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    app, _ = _application()
    app.lead_to(TARGET)
    app.record.traffic.add(up=1)
    app.record.log_end("enough")
    app.lead_to(Address("b", 2))
    app.lead_to(Address("c", 3))
    app.record.log_end("done")
    app.record.log_end("again")
    lines = [record.getMessage() for record in caplog.records]
    assert [line.split(",")[0] for line in lines] == [
        f"script -> {TARGET}: 1 bytes up", "script -> b:2: 0 bytes up", "script -> c:3: 0 bytes up"
    ]  # fmt: skip
    assert [line.split(", ")[-1] for line in lines] == ["enough", "closed", "done"]


def test_abort_is_for_both_sides() -> None:
    app, stream = _application()
    app.abort()
    assert stream.aborted
    app.tunnel = tunnel = ScriptedStream()
    app.abort()
    assert tunnel.aborted


@pytest.mark.parametrize(
    ("cause", "refusal"),
    [
        (ConnectionRefusedError(), Refusal.CONNECTION_REFUSED),
        (TimeoutError(), Refusal.TIMED_OUT),
        (OSError(errno.ENETUNREACH, ""), Refusal.HOST_UNREACHABLE),
        (OSError(errno.EHOSTUNREACH, ""), Refusal.HOST_UNREACHABLE),
        (OSError(errno.EPIPE, ""), Refusal.FAILED),
        (None, Refusal.FAILED),
    ],
)
def test_reasons(cause: Exception | None, refusal: Refusal) -> None:
    error = TransportError("x")
    error.__cause__ = cause
    assert refusal_of(error) is refusal
