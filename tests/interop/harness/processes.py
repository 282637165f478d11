"""Programs under test: started, awaited, read and ended."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.interop.harness.ports import is_listening, is_listening_at

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.interop.harness.ports import Protocol

started: list[Program] = []
"""Every program of the current test, for the report of a failure."""


class Program:
    """One program: `async with` starts it, waits until it listens, and ends it.

    It listens on a port, or on the UNIX socket of a path.

    It can be killed and started again; its log goes on in the same file.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str | Path],
        folder: Path,
        *,
        listens: tuple[Protocol, int] | Path,
    ) -> None:
        self.name = name
        self._path = listens if isinstance(listens, Path) else None
        self.protocol: Protocol
        self.protocol, self.port = ("tcp", 0) if isinstance(listens, Path) else listens
        self._argv = [str(word) for word in argv]
        self._folder = folder
        self._log_path = folder / f"{name}-{self.port}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._killed = False
        started.append(self)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.kill()

    async def start(self, within: float = 15.0) -> None:
        """Start and wait until the port is open.

        Raises:
            AssertionError: the program ended or stayed silent; the text holds its log.
        """
        self._killed = False
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                # A killed test run must not leave programs behind.
                ["setpriv", "--pdeathsig", "KILL", "--", *self._argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                env=_environment(),
            )
        await self._until(lambda: self.is_listening, within, "listen")

    async def wait_for_log(self, text: str, within: float = 5.0) -> None:
        """Wait until the log contains `text`."""
        await self._until(lambda: text in self.log, within, f"say {text!r}")

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._running.terminate()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._running.send_signal(number)

    def kill(self) -> None:
        """End it at once, as by `kill -9`; nothing happens if it has ended already."""
        if self._process is None:
            return
        if (self._process.poll() or 0) < 0 and not self._killed:
            with self._log_path.open("a") as log:
                log.write(f"(signal {-self._process.returncode} ended it, and not by the test)\n")
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._killed = True

    async def exit_code(self, within: float) -> int:
        """Wait for the end and return the exit status (negative: the signal)."""
        process = self._running
        async with asyncio.timeout(within):
            while (code := process.poll()) is None:
                await asyncio.sleep(0.01)
        return code

    @property
    def is_listening(self) -> bool:
        """Whether its port or path is open."""
        if self._path is not None:
            return is_listening_at(self._path)
        return is_listening(self.port, self.protocol)

    @property
    def log(self) -> str:
        """What it has printed so far, both streams."""
        return self._log_path.read_text(errors="replace") if self._log_path.exists() else ""

    @property
    def pid(self) -> int:
        """The process id."""
        return self._running.pid

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, f"{self.name} was never started"
        return self._process

    async def _until(self, done: Callable[[], bool], within: float, deed: str) -> None:
        deadline = asyncio.get_running_loop().time() + within
        while not done():
            code = self._running.poll()
            assert code is None, f"{self} ended with {code} before it could {deed}:\n{self.log}"
            late = asyncio.get_running_loop().time() > deadline
            assert not late, f"{self} did not {deed} within {within} s:\n{self.log}"
            await asyncio.sleep(0.01)

    def __str__(self) -> str:
        return f"{self.name} ({' '.join(self._argv)})"


async def output_of(*argv: str | Path, sends: bytes = b"", within: float = 60.0) -> bytes:
    """What a program prints that ends by itself; killed if that takes longer than `within` seconds.

    Raises:
        AssertionError: its exit status is not 0.
        TimeoutError: it had to be killed.
    """
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.PIPE if sends else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(within):
            said, complaint = await process.communicate(sends or None)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, (argv, complaint.decode(errors="replace"), said[-500:])
    return said


def _environment() -> Mapping[str, str]:
    # kcptun reads the key from KCPTUN_KEY; nothing of the caller's may leak into a test.
    # PYTHONPATH says which tree of ours is tested.
    # QLOGDIR says where sessions write down what they do.
    passed = {"PATH", "HOME", "LANG", "PYTHONPATH", "STATE_DIRECTORY", "QLOGDIR"}
    return {name: value for name, value in os.environ.items() if name in passed}
