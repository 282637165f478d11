"""The pages of ``pprof``: what this process is doing, for whoever asks on the same machine.

Go's profiles are of Go's runtime; these are of Python's, in Python's forms, under Go's addresses
where there is a counterpart. No page shows the command line, which may hold the key.
"""

from __future__ import annotations

import asyncio
import collections
import cProfile
import io
import linecache
import marshal
import pstats
import sys
import threading
import time
import traceback
import tracemalloc
from typing import TYPE_CHECKING

from blinktun.reports.http_server import Answer
from blinktun.reports.process import process_facts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from types import FrameType

    from blinktun.reports.http_server import Request

LONGEST = 60
"""Seconds that a profile may take; more would say no more."""
MOST_TASKS = 1000
"""Tasks whose stacks are looked at: the event loop stands still meanwhile."""

_SECONDS = {"profile": 30, "heap": 5}
"""What is taken if the request says nothing; 30 is Go's."""
_LINES = 60
_FORMATS = ("text", "prof")

INDEX = """\
blinktun: profiles of this process

/debug/pprof/profile?seconds=30         time of the event loop's thread by function, as text
/debug/pprof/profile?format=prof        the same as a file: python -m pstats FILE, snakeviz FILE
/debug/pprof/heap?seconds=5             Python memory that was taken meanwhile and not given back
/debug/pprof/tasks                      asyncio tasks with their stacks, equal ones together
/debug/pprof/threads                    threads with their stacks
/debug/vars                             counters and facts of the process, as JSON

seconds is 1..60; one profile runs at a time. Both profiles slow Python down while they run.

Go's tools cannot read these, and what Go has for its runtime has no counterpart here: instead of
goroutine ask for tasks, instead of allocs for heap; block, mutex and trace do not exist; cmdline
is left out, for it may hold the key.

The Rust core is one line in the profile, Reactor.turn, with all its time. Its inside is shown by
perf record -g -p PID, or py-spy record --native -p PID.
"""


class Profiles:
    """Answers the requests of ``pprof``.

    Args:
        facts: What `/debug/vars` says beside the facts of the process.
    """

    def __init__(self, facts: Callable[[], Mapping[str, object]]) -> None:
        self._facts = facts
        self._began = time.monotonic()
        self._busy = False
        self._pages: Mapping[str, Callable[[Request], Awaitable[Answer]]] = {
            "": self._index,
            "/debug/pprof": self._index,
            "/debug/pprof/profile": self._profile,
            "/debug/pprof/heap": self._heap,
            "/debug/pprof/tasks": self._tasks,
            "/debug/pprof/threads": self._threads,
            "/debug/vars": self._vars,
        }

    async def answer(self, request: Request) -> Answer:
        """The page of a path."""
        page = self._pages.get(request.path.rstrip("/"))
        return await page(request) if page else Answer.text(f"no such page\n\n{INDEX}", 404)

    async def _index(self, _request: Request) -> Answer:
        return Answer.text(INDEX)

    async def _profile(self, request: Request) -> Answer:
        return await self._timed("profile", request, _cpu_profile)

    async def _heap(self, request: Request) -> Answer:
        return await self._timed("heap", request, _heap)

    async def _tasks(self, _request: Request) -> Answer:
        return Answer.text(_tasks())

    async def _threads(self, _request: Request) -> Answer:
        return Answer.text(_threads())

    async def _vars(self, _request: Request) -> Answer:
        return Answer.json({**process_facts(self._began), **self._facts()})

    async def _timed(
        self, name: str, request: Request, take: Callable[[int, str], Awaitable[Answer]]
    ) -> Answer:
        """A profile that takes time, unless another is being taken."""
        text = request.query.get("seconds", str(_SECONDS[name]))
        seconds = int(text) if text.isascii() and text.isdecimal() and len(text) < 4 else 0
        if not 1 <= seconds <= LONGEST:
            return Answer.text(f"seconds is not 1..{LONGEST}", 400)
        form = request.query.get("format", _FORMATS[0])
        if form not in _FORMATS:
            return Answer.text(f"format is not one of {', '.join(_FORMATS)}", 400)
        if self._busy:
            return Answer.text("another profile is being taken", 409)
        self._busy = True
        try:
            return await take(seconds, form)
        finally:
            self._busy = False


async def _cpu_profile(seconds: int, form: str) -> Answer:
    profile = cProfile.Profile()
    try:
        profile.enable()
    except ValueError:  # from Python 3.12 on there can be one only
        return Answer.text("another profiler is at work in this process", 409)
    try:
        await asyncio.sleep(seconds)
    finally:
        profile.disable()
    profile.create_stats()
    if form == "prof":
        return Answer(marshal.dumps(profile.stats), content_type="application/octet-stream")
    text = io.StringIO()
    pstats.Stats(profile, stream=text).sort_stats("tottime").print_stats(_LINES)
    return Answer.text(f"{seconds} s of the event loop's thread\n{text.getvalue()}")


async def _heap(seconds: int, _form: str) -> Answer:
    others = tracemalloc.is_tracing()
    if not others:
        tracemalloc.start()
    try:
        await asyncio.sleep(seconds)
        now, peak = tracemalloc.get_traced_memory()
        lines = tracemalloc.take_snapshot().statistics("lineno")
    finally:
        if not others:
            tracemalloc.stop()
    head = f"{seconds} s: {now} bytes taken and kept, {peak} at most; the Rust core is not seen\n"
    return Answer.text(head + "".join(f"{_place(line)}\n" for line in lines[:_LINES]))


def _place(line: tracemalloc.Statistic) -> str:
    frame = line.traceback[0]
    source = linecache.getline(frame.filename, frame.lineno).strip()
    where = f"{frame.filename}:{frame.lineno}"
    return f"{line.size:>12} bytes {line.count:>8} blocks  {where}  {source}"


def _tasks() -> str:
    tasks = asyncio.all_tasks()
    looked_at = list(tasks)[:MOST_TASKS]
    stacks = collections.Counter(_stack_of(task) for task in looked_at)
    left_out = f", of which {len(looked_at)} are shown" if len(looked_at) < len(tasks) else ""
    blocks = (f"{count} @\n{stack}" for stack, count in stacks.most_common())
    return f"{len(tasks)} tasks{left_out}\n\n" + "\n".join(blocks)


def _stack_of(task: asyncio.Task[object]) -> str:
    name = getattr(task.get_coro(), "__qualname__", "?")
    return f"{name}\n{_shown(task.get_stack())}"


def _threads() -> str:
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    blocks = []
    for ident, frame in sys._current_frames().items():
        stack = "".join(traceback.format_stack(frame))
        blocks.append(f"{names.get(ident, 'unknown')} ({ident})\n{stack}")
    return f"{len(blocks)} threads\n\n" + "\n".join(blocks)


def _shown(frames: Iterable[FrameType]) -> str:
    lines = (
        f"  {frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_qualname}\n"
        for frame in frames
    )
    return "".join(lines)
