from __future__ import annotations

import asyncio
import socket
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.unit.kcp.support import descriptors, open_descriptors
from tests.unit.waiting import until

from blinktun.errors import TransportError
from blinktun.net import unix
from blinktun.net.dial import reset
from blinktun.net.unix import UnixListener, dial_unix

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "k.sock"


@contextmanager
def listening(path: Path) -> Iterator[asyncio.Queue[socket.socket]]:
    accepted: asyncio.Queue[socket.socket] = asyncio.Queue()
    listener = UnixListener(path, accepted.put_nowait)
    try:
        yield accepted
    finally:
        listener.close()
        while not accepted.empty():
            accepted.get_nowait().close()


@contextmanager
def deaf(path: Path) -> Iterator[socket.socket]:
    """A listener whose queue is full."""
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as waiting:
        listener.bind(str(path))
        listener.listen(0)
        waiting.connect(str(path))
        yield listener


async def test_what_is_dialled_is_accepted(path: Path) -> None:
    with listening(path) as accepted:
        near = await dial_unix(path)
        far = await accepted.get()
        assert near.gettimeout() == 0
        far.sendall(b"hello")
        assert await asyncio.get_running_loop().sock_recv(near, 10) == b"hello"
        near.close()
        far.close()
    assert not path.exists()


async def test_the_abstract_namespace_has_no_file(
    monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    monkeypatch.chdir(path.parent)
    name = Path(f"@blinktun-{id(path)}")
    with listening(name) as accepted:
        (await dial_unix(name)).close()
        (await accepted.get()).close()
        assert not name.exists()
        with pytest.raises(TransportError, match=f"cannot listen on UNIX socket {name}: .*in use"):
            UnixListener(name, socket.socket.close)


async def test_the_file_of_a_process_that_is_gone_is_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(path))
        old.listen()
    with listening(path) as accepted:
        (await dial_unix(path)).close()
        (await accepted.get()).close()


async def test_a_listener_that_lives_is_left_alone(path: Path) -> None:
    with listening(path) as accepted:
        with pytest.raises(TransportError, match=f"cannot listen on UNIX socket {path}: .*in use"):
            UnixListener(path, socket.socket.close)
        (await dial_unix(path)).close()
        (await accepted.get()).close()


async def test_a_listener_that_is_busy_is_left_alone(path: Path) -> None:
    with deaf(path), pytest.raises(TransportError, match="in use"):
        UnixListener(path, socket.socket.close)


async def test_a_file_that_is_no_socket_is_left_alone(path: Path) -> None:
    path.write_text("dear")
    with pytest.raises(TransportError, match="no socket"):
        UnixListener(path, socket.socket.close)
    assert path.read_text() == "dear"


async def test_a_folder_that_does_not_exist_is_named(path: Path) -> None:
    where = path / "deeper"
    with pytest.raises(TransportError, match=f"cannot listen on UNIX socket {where}: No such file"):
        UnixListener(where, socket.socket.close)


async def test_a_file_that_has_become_anothers_stays(path: Path) -> None:
    with listening(path):
        path.unlink()
        with listening(path):
            pass
        path.write_text("dear")
    assert path.read_text() == "dear"


@pytest.mark.parametrize("there", [False, True])
async def test_a_dial_that_nobody_takes_is_named(path: Path, *, there: bool) -> None:
    if there:
        with socket.socket(socket.AF_UNIX) as old:
            old.bind(str(path))
    with pytest.raises(TransportError) as caught:
        await dial_unix(path)
    assert caught.value.peer == str(path)
    assert ("refused" if there else "No such file") in caught.value.reason


async def test_a_dial_waits_for_a_full_queue(path: Path) -> None:
    with deaf(path) as listener:
        dialling = asyncio.create_task(dial_unix(path))
        await asyncio.sleep(0.05)
        assert not dialling.done()
        taken = [listener.accept()[0]]
        near = await dialling
        taken.append(listener.accept()[0])
        for connection in (near, *taken):
            connection.close()


async def test_a_full_queue_is_not_waited_for_for_ever(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unix, "DIAL_TIMEOUT", 0.05)
    with deaf(path), pytest.raises(TransportError, match="it does not accept: timed out"):
        await dial_unix(path)


async def test_a_cancelled_dial_closes_its_socket(path: Path) -> None:
    with deaf(path):
        before = open_descriptors()
        dialling = asyncio.create_task(dial_unix(path))
        await until(lambda: descriptors() > before)
        dialling.cancel()
        await asyncio.wait([dialling])
        assert dialling.cancelled()
        assert descriptors() == before


async def test_reset_is_seen_as_a_reset_by_who_still_sends(path: Path) -> None:
    with listening(path) as accepted:
        near = await dial_unix(path)
        near.send(b"unread")
        reset(await accepted.get())
        with pytest.raises(ConnectionResetError):
            await asyncio.get_running_loop().sock_recv(near, 1)
        near.close()
