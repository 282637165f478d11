from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.unit.kcp.support import BIG, SETTINGS, Peers, echo, peers, read_all
from tests.unit.waiting import PATIENCE, until

from blinktun import DatagramClass, StreamClass, kcp
from blinktun.config.options_kcptun import CRYPTS
from blinktun.errors import TransportError
from blinktun.kcp import stream as stream_module

if TYPE_CHECKING:
    from blinktun.config.model import KcpSettings

VERSIONS = [replace(SETTINGS, smuxver=1), SETTINGS]
both_versions = pytest.mark.parametrize("settings", VERSIONS, ids=["smux1", "smux2"])

OTHER_SETTINGS = [
    replace(SETTINGS, nocomp=True, datashard=0, parityshard=0),
    replace(SETTINGS, datashard=3, parityshard=1, mtu=576),
    *(replace(SETTINGS, crypt=crypt, nocomp=True, sndwnd=1024, rcvwnd=1024) for crypt in CRYPTS),
]


@pytest.mark.parametrize(
    "settings", [*VERSIONS, *OTHER_SETTINGS], ids=lambda s: f"{s.crypt}-{s.mtu}-{s.smuxver}"
)
async def test_bytes_arrive_whatever_the_settings(settings: KcpSettings) -> None:
    async with peers(settings) as both:
        near = both.near.open_stream()
        answering = asyncio.create_task(_echo_once(both))
        writing = asyncio.create_task(_write_all(near))
        assert await read_all(near) == BIG
        await asyncio.gather(answering, writing)


async def _write_all(near: kcp.Stream) -> None:
    await near.write(BIG)
    near.finish()


async def _echo_once(both: Peers) -> None:
    async with await both.accept() as far:
        await echo(far)


@both_versions
async def test_many_streams_side_by_side(settings: KcpSettings) -> None:
    async with peers(settings) as both:

        async def one(number: int) -> None:
            data = number.to_bytes(4, "big") * 5000
            async with both.near.open_stream() as stream:
                await stream.write(data)
                stream.finish()
                assert await read_all(stream) == data

        async with asyncio.TaskGroup() as group:
            for number in range(100):
                group.create_task(one(number))
                group.create_task(_echo_once(both))


@both_versions
async def test_each_direction_ends_on_its_own(settings: KcpSettings) -> None:
    async with peers(settings) as both:
        near, far = await both.stream()
        near.finish()
        near.finish()
        assert await far.read() == b""
        assert await far.read() == b""
        await far.write(b"still here")
        assert await near.read() == b"still here"
        far.finish()
        assert await near.read() == b""
        assert await near.read() == b""
        with pytest.raises(TransportError):
            await near.write(b"too late")


async def test_the_other_direction_may_end_first() -> None:
    async with peers() as both:
        near, far = await both.stream()
        far.finish()
        assert await near.read() == b""
        await near.write(b"more")
        near.finish()
        assert await read_all(far) == b"more"


async def test_a_stream_leaves_its_session_when_both_directions_are_over() -> None:
    async with peers() as both:
        for first in ("near", "far"):
            near, far = await both.stream()
            assert (len(both.near._owned), len(both.far._owned)) == (1, 1)
            one, other = (near, far) if first == "near" else (far, near)
            one.finish()
            assert await other.read() == b""
            other.finish()
            assert await one.read() == b""
            assert (both.near._owned, both.far._owned) == ({}, {})
        near, far = await both.stream()
        near.abort()
        with pytest.raises(TransportError):
            await far.read()
        assert (both.near._owned, both.far._owned) == ({}, {})


async def test_read_takes_no_more_than_asked_for() -> None:
    async with peers() as both:
        near, far = await both.stream()
        await near.write(b"abcdef")
        near.finish()
        assert [await far.read(4), await far.read(4), await far.read(4)] == [b"abcd", b"ef", b""]


async def test_any_buffer_can_be_written() -> None:
    async with peers() as both:
        near, far = await both.stream()
        for data in (bytearray(b"a"), memoryview(b"xbx")[1:2], b"", b"c"):
            await near.write(data)
        near.finish()
        assert await read_all(far) == b"abc"


async def test_cancelling_read_loses_nothing() -> None:
    async with peers() as both:
        near, far = await both.stream()
        reading = asyncio.create_task(far.read())
        await asyncio.sleep(0)
        reading.cancel()
        await asyncio.wait([reading])
        await near.write(b"kept")
        assert await far.read() == b"kept"


# --- back-pressure ------------------------------------------------------------------------------

SMALL = replace(SETTINGS, smuxver=1, smuxbuf=65536, streambuf=65536)


@pytest.mark.parametrize(
    ("settings", "bound"),
    [
        # Unsent, the window of smux 2 and its slack.
        (replace(SETTINGS, streambuf=65536), 600_000),
        # Unsent, all of smux 1's buffer, and what KCP holds in both windows.
        (
            replace(SETTINGS, smuxver=1, smuxbuf=65536, streambuf=65536),
            256 * 1024 + 65536 + 640 * 1350,
        ),
    ],
    ids=["smux2", "smux1"],
)
async def test_a_writer_waits_for_the_reader(settings: KcpSettings, bound: int) -> None:
    async with peers(replace(settings, nocomp=True)) as both:
        near, far = await both.stream()
        written = 0

        async def write() -> None:
            nonlocal written
            for _ in range(64):
                await near.write(bytes(65536))
                written += 65536
            near.finish()

        writing = asyncio.create_task(write())
        _, waiting = await asyncio.wait([writing], timeout=0.3)
        assert waiting
        assert written <= bound
        assert len(await read_all(far)) == 64 * 65536
        await writing


async def test_a_slow_stream_does_not_stop_another() -> None:
    async with peers() as both:
        slow, _unread = await both.stream()
        writing = asyncio.create_task(slow.write(4 * BIG))
        near, far = await both.stream()
        await near.write(b"quick")
        assert await far.read() == b"quick"
        assert not writing.done()
        slow.abort()
        with pytest.raises(TransportError):
            await writing


async def test_breaking_a_slow_stream_off_frees_the_others() -> None:
    # smux 1 has one buffer for all streams: behind an unread one everything waits.
    async with peers(replace(SMALL, nocomp=True)) as both:
        slow, unread = await both.stream()
        writing = asyncio.create_task(slow.write(4 * BIG))
        await asyncio.wait([writing], timeout=0.1)
        near = both.near.open_stream()
        await near.write(b"quick")
        unread.abort()
        async with asyncio.timeout(PATIENCE):
            assert await (await both.accept()).read() == b"quick"
            with pytest.raises(TransportError):
                await writing


# --- ends other than clean ----------------------------------------------------------------------


@both_versions
async def test_a_reset_reaches_reader_and_writer(settings: KcpSettings) -> None:
    async with peers(settings) as both:
        near, far = await both.stream()
        reading = asyncio.create_task(far.read())
        writing = asyncio.create_task(far.write(10 * BIG))
        await asyncio.wait([writing], timeout=0.05)
        near.abort()
        near.abort()
        for task in (reading, writing):
            with pytest.raises(TransportError, match="reset by the other end"):
                await task
        with pytest.raises(TransportError, match="aborted here"):
            await near.read()
        with pytest.raises(TransportError, match="aborted here"):
            await near.write(b"")


async def test_abort_wakes_our_own_reader_and_writer() -> None:
    async with peers() as both:
        near, _far = await both.stream()
        reading = asyncio.create_task(near.read())
        writing = asyncio.create_task(near.write(10 * BIG))
        await asyncio.wait([writing], timeout=0.05)
        near.abort()
        for task in (reading, writing):
            with pytest.raises(TransportError, match="aborted here"):
                await task


async def test_the_end_of_the_session_reaches_reader_and_writer() -> None:
    async with peers() as both:
        near, _far = await both.stream()
        reading = asyncio.create_task(near.read())
        writing = asyncio.create_task(near.write(10 * BIG))
        await asyncio.wait([writing], timeout=0.05)
        both.near.close()
        for task in (reading, writing):
            with pytest.raises(TransportError) as caught:
                await task
            assert caught.value.reason == "closed here"
            assert caught.value.peer == str(both.server.address)
        for call in (near.finish, near.abort):
            call()


async def test_what_ended_cleanly_stays_clean() -> None:
    async with peers() as both:
        near, far = await both.stream()
        far.finish()
        assert await near.read() == b""
        both.near.close()
        await both.near.closed.wait()
        assert await near.read() == b""
        with pytest.raises(TransportError):
            await near.write(b"x")


async def test_a_reset_after_the_clean_end_stops_only_the_writer() -> None:
    async with peers() as both:
        near, far = await both.stream()
        far.finish()
        assert await near.read() == b""
        far.abort()
        await until(lambda: near.is_finished)
        assert await near.read() == b""
        with pytest.raises(TransportError, match="reset"):
            await near.write(b"nobody reads it")


# --- aclose and async with ----------------------------------------------------------------------


async def test_aclose_delivers_what_was_written_and_drops_what_comes() -> None:
    fitting = BIG[:200_000]  # into the first window, as nobody reads yet
    async with peers() as both:
        near, far = await both.stream()
        await near.write(fitting)
        closing = asyncio.create_task(near.aclose())
        await far.write(fitting)
        assert await read_all(far) == fitting
        far.finish()
        await closing
        await near.aclose()
        assert not both.near._owned


async def test_aclose_gives_up_a_peer_that_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "_LINGER", 0.05)
    async with peers() as both:
        near, far = await both.stream()
        await near.aclose()
        with pytest.raises(TransportError, match="reset"):
            await far.write(b"x" * 10_000_000)


async def test_cancelling_aclose_breaks_the_stream_off() -> None:
    async with peers() as both:
        near, far = await both.stream()
        closing = asyncio.create_task(near.aclose())
        assert await far.read() == b""
        closing.cancel()
        await asyncio.wait([closing])
        assert closing.cancelled()
        with pytest.raises(TransportError):
            await far.write(10 * BIG)


async def test_an_exception_inside_async_with_is_no_clean_end() -> None:
    async with peers() as both:
        near, far = await both.stream()
        with pytest.raises(ZeroDivisionError):
            async with near:
                raise ZeroDivisionError
        with pytest.raises(TransportError, match="reset by the other end"):
            await far.read()


async def test_the_core_says_what_it_does_not_know() -> None:
    async with peers() as both:
        near, _ = await both.stream()
        stranger = kcp.Stream(kcp.Driver.current(), (99, 99, 99), "nobody", lambda _key: None)
        with pytest.raises(TransportError, match="nobody: "):
            await stranger.read()
        with pytest.raises(TransportError, match="nobody: "):
            await stranger.write(b"x")
        async with asyncio.timeout(PATIENCE):
            await near.write(b"others go on")


@pytest.mark.parametrize("class_", StreamClass)
async def test_both_ends_know_the_class_of_a_stream(class_: StreamClass) -> None:
    async with peers() as both:
        near = both.near.open_stream(class_)
        assert near.class_ is class_
        await near.write(b"!")
        far = await both.accept()
        await until(lambda: far.class_ is class_)
        late, later = await both.stream()
        late.class_ = class_
        await until(lambda: later.class_ is class_)
        later.class_ = StreamClass.BULK
        await until(lambda: late.class_ is StreamClass.BULK)


async def test_the_class_of_a_stream_that_is_over_is_nobodys() -> None:
    async with peers() as both:
        near, _ = await both.stream()
        near.abort()
        near.class_ = StreamClass.BULK
        assert near.class_ is StreamClass.LEARNED


async def test_a_class_is_one_of_streams() -> None:
    async with peers() as both:
        near, _ = await both.stream()
        for wrong in (DatagramClass.PLAIN, "bulk", None):
            with pytest.raises(TypeError, match="StreamClass"):
                near.class_ = wrong  # type: ignore[assignment]
        with pytest.raises(TypeError, match="StreamClass"):
            both.near.open_stream("bulk")  # type: ignore[arg-type]
