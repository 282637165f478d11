from __future__ import annotations

import asyncio
import socket
import threading
from typing import TYPE_CHECKING

import pytest
from tests.unit.waiting import until

from blinktun.net import system_names as room
from blinktun.net.system_names import ask_system, ask_system_now, is_multicast_name, knows_more

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("line", "multicast", "more"),
    [
        ("hosts: files dns", set[str](), set[str]()),
        (
            "hosts:\tfiles mdns4_minimal [NOTFOUND=return] dns # a desktop",
            {"printer.local", "Printer.LOCAL."},
            set[str](),
        ),
        ("passwd: nis\nhosts: files resolve [!UNAVAIL=return] dns", set[str](), {"container"}),
        ("hosts: files nis dns", set[str](), {"container", "www.example", "printer.local"}),
        ("passwd: files nis", set[str](), set[str]()),
    ],
)
def test_the_systems_sources_say_who_is_asked(
    line: str,
    multicast: set[str],
    more: set[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    path = tmp_path / "nsswitch.conf"
    monkeypatch.setattr(room, "_NSSWITCH", path)
    names = {"container", "www.example", "printer.local", "Printer.LOCAL."}
    assert not any(is_multicast_name(name) or knows_more(name) for name in names)  # no such file
    path.write_text(line)
    assert {name for name in names if is_multicast_name(name)} == multicast
    assert {name for name in names - multicast if knows_more(name)} - {"Printer.LOCAL."} == more


class Stuck:
    """Calls of ``getaddrinfo`` that end when they may."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go_on = threading.Event()
        self.begun = 0
        monkeypatch.setattr(socket, "getaddrinfo", self.getaddrinfo)

    def getaddrinfo(self, *_args: object, **_named: object) -> list[object]:
        self.begun += 1
        self.go_on.wait(10)
        return [
            (socket.AF_INET6, 1, 6, "", ("fe80::1%x", 0, 0, 7)),
            (2, 1, 6, "", ("192.0.2.1", 0)),
        ]


async def test_calls_that_hang_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = Stuck(monkeypatch)
    calls = [asyncio.create_task(ask_system(str(n))) for n in range(room._MAX_THREADS)]
    await until(lambda: stuck.begun == room._MAX_THREADS)
    with pytest.raises(OSError, match="too many names"):
        await ask_system("one more")
    stuck.go_on.set()
    assert await asyncio.gather(*calls) == [["fe80::1%7", "192.0.2.1"]] * room._MAX_THREADS


async def test_an_answer_that_nobody_waits_for_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = Stuck(monkeypatch)
    call = asyncio.create_task(ask_system("late.example"))
    await until(lambda: stuck.begun)
    call.cancel()
    await asyncio.wait([call])
    stuck.go_on.set()
    await until(lambda: not any(thread.name == "names" for thread in threading.enumerate()))


def test_at_start_there_is_a_deadline_too(monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = Stuck(monkeypatch)
    with pytest.raises(TimeoutError, match=r"no answer within 0\.05 s"):
        ask_system_now("late.example", 0.05)
    stuck.go_on.set()
    assert ask_system_now("some.example", 5) == ["fe80::1%7", "192.0.2.1"]


def test_no_such_name() -> None:
    with pytest.raises(OSError, match=r"\w"):
        ask_system_now("no-such-name.invalid", 10)
    with pytest.raises((OSError, ValueError), match=r"\w"):
        ask_system_now("x" * 300, 10)


async def test_a_system_without_threads_is_an_error_of_the_lookup(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def start(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    free = room._free._value
    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(OSError, match="no thread"):
        await ask_system("printer.local")
    assert room._free._value == free
