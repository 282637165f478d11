from __future__ import annotations

import asyncio
import json
import marshal
import pstats
import time
from typing import TYPE_CHECKING

import pytest
from tests.unit.waiting import until

from blinktun.reports import profile as module
from blinktun.reports.http_server import Answer, Request
from blinktun.reports.profile import Profiles

if TYPE_CHECKING:
    from pathlib import Path

KEPT: list[bytearray] = []


async def get(path: str, profiles: Profiles | None = None, **query: str) -> Answer:
    profiles = profiles or Profiles(lambda: {"sessions": 3})
    return await profiles.answer(Request(path, query))


async def busy_for_a_while(until: float) -> None:
    while time.monotonic() < until:
        sum(range(2000))
        await asyncio.sleep(0)


@pytest.mark.parametrize("path", ["/", "", "/debug/pprof", "/debug/pprof/"])
async def test_the_index_names_every_page(path: str) -> None:
    answer = await get(path)
    assert answer.status == 200
    for page in ("profile", "heap", "tasks", "threads"):
        assert f"/debug/pprof/{page}" in answer.body.decode()


@pytest.mark.parametrize("path", ["/debug/pprof/cmdline", "/x", "/debug/pprof/../vars"])
async def test_what_is_not_there_is_answered_with_the_index(path: str) -> None:
    answer = await get(path)
    assert answer.status == 404
    assert b"/debug/vars" in answer.body


async def test_a_profile_as_text() -> None:
    work = asyncio.create_task(busy_for_a_while(time.monotonic() + 0.9))
    answer = await get("/debug/pprof/profile", seconds="1")
    await work
    assert answer.status == 200
    assert b"busy_for_a_while" in answer.body
    assert b"tottime" in answer.body


async def test_a_profile_as_a_file(tmp_path: Path) -> None:
    work = asyncio.create_task(busy_for_a_while(time.monotonic() + 0.9))
    answer = await get("/debug/pprof/profile", seconds="1", format="prof")
    await work
    assert marshal.loads(answer.body)
    (tmp_path / "p").write_bytes(answer.body)
    names = {name for _, _, name in pstats.Stats(str(tmp_path / "p")).stats}  # type: ignore[attr-defined]
    assert "busy_for_a_while" in names


async def test_a_profile_is_off_when_its_reader_left() -> None:
    profiles = Profiles(dict)
    task = asyncio.create_task(get("/debug/pprof/profile", profiles, seconds="60"))
    await until(lambda: profiles._busy)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (await get("/debug/pprof/profile", profiles, seconds="1")).status == 200


@pytest.mark.parametrize("page", ["profile", "heap"])
@pytest.mark.parametrize("seconds", ["0", "61", "-1", "x", "", "1.5", "\u0661", "9" * 5000])
async def test_seconds_have_bounds(page: str, seconds: str) -> None:
    assert (await get(f"/debug/pprof/{page}", seconds=seconds)).status == 400


async def test_a_format_that_is_unknown() -> None:
    assert (await get("/debug/pprof/profile", seconds="1", format="svg")).status == 400


async def test_one_profile_at_a_time() -> None:
    profiles = Profiles(dict)
    first = asyncio.create_task(get("/debug/pprof/heap", profiles, seconds="1"))
    await until(lambda: profiles._busy)
    assert (await get("/debug/pprof/profile", profiles, seconds="1")).status == 409
    assert (await first).status == 200


async def test_the_heap_shows_what_was_kept() -> None:
    loop = asyncio.get_running_loop()
    loop.call_later(0.3, lambda: KEPT.append(bytearray(7_000_000)))
    answer = await get("/debug/pprof/heap", seconds="1")
    KEPT.clear()
    assert b"bytearray(7_000_000)" in answer.body
    assert b"test_profile.py" in answer.body


async def test_equal_tasks_stand_together(monkeypatch: pytest.MonkeyPatch) -> None:
    async def waiting_here() -> None:
        await asyncio.Event().wait()

    tasks = [asyncio.create_task(waiting_here()) for _ in range(5)]
    await asyncio.sleep(0)
    text = (await get("/debug/pprof/tasks")).body.decode()
    assert "6 tasks" in text
    assert "5 @\n" in text
    assert "waiting_here" in text
    monkeypatch.setattr(module, "MOST_TASKS", 2)
    assert "6 tasks, of which 2 are shown" in (await get("/debug/pprof/tasks")).body.decode()
    for task in tasks:
        task.cancel()


async def test_threads() -> None:
    text = (await get("/debug/pprof/threads")).body.decode()
    assert "MainThread" in text
    assert "_threads" in text


async def test_variables_are_json() -> None:
    answer = await get("/debug/vars")
    values = json.loads(answer.body)
    assert answer.content_type == "application/json"
    assert values["sessions"] == 3
    assert values["rss_bytes"] > 1_000_000
