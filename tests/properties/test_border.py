"""Whatever the core and the library are called with: documented exceptions, and always an end."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from dataclasses import fields, replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import blinktun
from blinktun import _core, kcp
from blinktun.config.document import Document
from blinktun.config.kcptun import kcptun_from_document
from blinktun.errors import BlinktunError, ConfigError, InternalError
from blinktun.kcp.core_config import core_config

pytestmark = pytest.mark.timeout(240, method="thread")
"""A call that never returns holds the interpreter: this ends it, and says where it was."""

DOCUMENTED = (TypeError, OverflowError, ValueError, OSError)
"""What the core may raise, beside `InternalError`, which would be a bug."""

SETTINGS = blinktun.KcpSettings(key="a border", mode="manual")
CONFIG = core_config(SETTINGS)
NO_DESCRIPTORS = (-(2**31), -2, -1, 999_999, 2**31 - 1, 2**31, -(2**63), 2**64)
LENGTHS = st.sampled_from((0, 1, 2, 255, 65535, 65536, 2**31, 2**32, 2**63, 2**64, -1, -(2**63)))
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), LENGTHS, st.floats(), st.text(max_size=8),
    st.binary(max_size=8), st.tuples(LENGTHS, LENGTHS), st.tuples(LENGTHS, LENGTHS, LENGTHS),
    st.lists(st.integers(), max_size=3),
)  # fmt: skip


class Core:
    """A reactor with a session and a stream."""

    def __init__(self) -> None:
        self.reactor = _core.Reactor()
        self.session = self.reactor.dial("127.0.0.1", 9, CONFIG)
        self.stream = self.reactor.open_stream(self.session)
        self.flow = self.reactor.open_flow(self.session, b"", _core.DatagramClass.PLAIN)


def likely(name: str, core: Core) -> st.SearchStrategy[Any]:
    """A value that makes sense for a parameter of this name."""
    values: dict[str, list[Any]] = {
        "host": ["127.0.0.1", "::1", "0.0.0.0", "fe80::1%1", "", "no address"],
        "port": [0, 1, 65535, 65536],
        "config": [CONFIG],
        "session": [core.session],
        "stream": [core.stream],
        "flow": [core.flow],
        "label": [b"", b"x" * 255, b"x" * 256],
        "class_": [*_core.DatagramClass, *_core.StreamClass],
        "datagram_port": [0, 1, 2**64 - 1],
        "endpoint": [core.session[0]],
        "openings": [_core.OpeningMemory()],
        "local": ["127.0.0.1", ("127.0.0.1", 0), ("", 0)],
        "descriptor": list(NO_DESCRIPTORS),
        "token": [0, 2**64 - 1],
        "connecting": [True, False],
        "idle": [0.0, 1e300, -1.0, float("nan"), float("inf")],
        "max_bytes": [0, 1, 2**64 - 1],
        "bound": [0, 1, 2**64 - 1],
        "data": [b"", b"x" * 70_000],
    }
    return st.sampled_from(values[name])


METHODS = {
    name: tuple(inspect.signature(method).parameters)[1:]
    for name, method in vars(_core.Reactor).items()
    if not name.startswith("_") and name != "fail_for_tests"
}


def test_every_method_is_called_here() -> None:
    assert {"dial", "relay", "turn", "adopt", "expire_peers", "stats"} <= set(METHODS)


@given(st.data())
@settings(max_examples=300)
def test_the_core_raises_what_is_documented(data: st.DataObject) -> None:
    core = Core()
    for _ in range(data.draw(st.integers(1, 6))):
        name = data.draw(st.sampled_from(sorted(METHODS)))
        arguments = [
            # An odd number could be the descriptor of somebody else.
            data.draw(likely(it, core) if it == "descriptor" else st.one_of(likely(it, core), ODD))
            for it in METHODS[name]
        ]
        with contextlib.suppress(*DOCUMENTED):
            getattr(core.reactor, name)(*arguments)
        core.reactor.turn()


VALID: dict[str, Any] = {
    "crypt": "aes", "mtu": 1350, "sndwnd": 128, "rcvwnd": 512, "ratelimit": 0,
    "datashard": 10, "parityshard": 3, "nodelay": 0, "interval": 30, "resend": 2, "nc": 1,
    "nocomp": False, "smuxver": 1, "session_buffer": 4194304, "framesize": 8192,
    "stream_buffer": 2097152, "acknodelay": False, "is_auto": False, "searches_mtu": False,
    "up_rate": None, "down_rate": 1000000, "overhead_share": 0.2,
    "keepalive": 10.0, "closewait": 0.0, "sockbuf": 65536, "dscp": 0, "datagrams": True,
    "follows": True,
}  # fmt: skip
BESIDE: dict[str, Any] = {"pass_": bytes(32), "pads": None}


def config_of(odd: dict[str, Any]) -> _core.Config:
    """Valid settings, except for some."""
    beside = {name: odd.get(name, value) for name, value in BESIDE.items()}
    return _core.Config(SimpleNamespace(**{**VALID, **odd}), **beside)


@given(st.dictionaries(st.sampled_from(sorted(VALID | BESIDE)), ODD, min_size=1, max_size=3))
@settings(max_examples=300)
def test_settings_that_the_core_takes_work(odd: dict[str, Any]) -> None:
    try:
        config = config_of(odd)
    except DOCUMENTED:
        return
    reactor = _core.Reactor()
    with contextlib.suppress(OSError):
        session = reactor.dial("127.0.0.1", 9, config)
        stream = reactor.open_stream(session)
        reactor.write(stream, bytes(100_000))
        reactor.finish(stream)
    reactor.turn()


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), 1e300])
@pytest.mark.parametrize("name", ["keepalive", "closewait"])
def test_times_that_are_none_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        config_of({name: value})


@given(st.one_of(st.binary(max_size=40), ODD), ODD, ODD)
def test_keys_and_pads(key: Any, count: Any, revision: Any) -> None:
    with contextlib.suppress(*DOCUMENTED):
        assert len(_core.derive_key(key)) == 32
    for one in (revision, "B"):
        with contextlib.suppress(*DOCUMENTED):
            _core.Pads(key, count % 100 if isinstance(count, int) else count, one)


# --- the library --------------------------------------------------------------------------------

KEYS = {
    field.name: field.name.replace("_", "-")
    for field in fields(blinktun.KcpSettings)
    if field.name not in {"datagrams", "follows"}  # a file says udp and workers
}
JSON = st.one_of(
    st.none(), st.booleans(), st.integers(), LENGTHS, st.floats(allow_nan=False),
    st.text(max_size=8), st.lists(st.integers(), max_size=2),
)  # fmt: skip


def is_refused_in_a_file(key: str, value: object) -> bool:
    """Whether a file cannot have the value, or has it only for the sake of the original."""
    values = {"listen": ":1", "target": "127.0.0.1:2", "mode": "manual", key: value}
    try:
        role = kcptun_from_document(Document("kcptun.json", values), None, {})
    except ConfigError:
        return True
    return any("as in the original" in text or "as in kcptun" in text for text in role.warnings)


@given(st.sampled_from(sorted(KEYS)), JSON)
@settings(max_examples=500)
def test_what_a_file_cannot_say_the_library_does_not_take(field: str, value: Any) -> None:
    settings_ = replace(SETTINGS, **{field: value})
    if value is not None and is_refused_in_a_file(KEYS[field], value):
        with pytest.raises(ConfigError) as caught:
            core_config(settings_)
        assert (caught.value.source, bool(caught.value.key and caught.value.fix)) == (
            "KcpSettings",
            True,
        )
    elif value is not None or field in {"smuxver", "smuxbuf", "streambuf"}:
        core_config(settings_)
    else:
        with pytest.raises(ConfigError, match=f"^KcpSettings: {field} = .*: is not"):
            core_config(settings_)


@given(st.sampled_from(("datagrams", "follows")), JSON)
def test_datagrams_and_moves_are_wanted_or_not(field: str, value: Any) -> None:
    settings_ = replace(SETTINGS, **{field: value})
    if isinstance(value, bool):
        core_config(settings_)
    else:
        with pytest.raises(ConfigError, match=f"^KcpSettings: {field} = .*: is not true"):
            core_config(settings_)


ADDRESSES = st.one_of(ODD, st.sampled_from(("127.0.0.1:9", ":0", "[::1]:1", "127.0.0.1", ":70000")))
LIBRARY = (BlinktunError, TypeError, ValueError, OverflowError)


@given(ADDRESSES, st.one_of(st.just(SETTINGS), ODD), st.lists(ODD, min_size=4, max_size=4))
@settings(max_examples=60)
def test_the_library_raises_what_is_documented(address: Any, kcp_settings: Any, odd: Any) -> None:
    async def call() -> None:
        session = None
        with contextlib.suppress(*LIBRARY):
            session = await blinktun.connect(address, kcp_settings)
        if session is None:
            session = await blinktun.connect("127.0.0.1:9", SETTINGS)
        stream = session.open_stream()
        for act in (stream.read, stream.write):
            with contextlib.suppress(*LIBRARY, TimeoutError):
                await asyncio.wait_for(act(odd[0]), 0.01)
        for key in (stream.key, odd[1]):
            with contextlib.suppress(*LIBRARY):
                session.relay(key, odd[2], print)
        with contextlib.suppress(*LIBRARY):
            session.reset(odd[1])
        stream.abort()
        with contextlib.suppress(*LIBRARY):
            await session.aclose(odd[3])
        session.close()
        await session.closed.wait()
        with contextlib.suppress(*LIBRARY):
            session.open_stream()
        with contextlib.suppress(*LIBRARY):
            async with await blinktun.serve(odd[0], address, kcp_settings):
                pass

    asyncio.run(asyncio.wait_for(call(), 30))


async def test_a_failure_of_the_core_ends_its_sessions_and_is_an_exception_of_ours() -> None:
    driver = kcp.Driver.current()
    session = await blinktun.connect("127.0.0.1:9", SETTINGS)
    stream = session.open_stream()
    reading = asyncio.create_task(stream.read())
    await asyncio.sleep(0)
    with pytest.raises(InternalError, match="as a test wants it"):
        driver.core.fail_for_tests()
    with pytest.raises(InternalError, match="failed before"):
        driver.core.stats()
    driver.wake()
    with pytest.raises(blinktun.TransportError, match="failed before"):
        await asyncio.wait_for(reading, 10)
    await asyncio.wait_for(session.closed.wait(), 10)
    async with await blinktun.connect("127.0.0.1:9", SETTINGS) as another:
        assert kcp.Driver.current() is not driver
        another.open_stream().abort()
