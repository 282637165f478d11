"""One scenario between one client and one server."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.interop.harness import peers
from tests.interop.harness.boxes import Link, bs_client, bs_server
from tests.interop.scenarios.mock import ANSWER, mock
from tests.interop.scenarios.table import MISSING, PORT, SCENARIOS

from blinktun.address import Address
from blinktun.testing.loopback import Datagrams

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.interop.scenarios.table import App, Missing, Pair, Scenario

_WITHIN = 20.0
_WITHIN_IF_MISSING = 3.0
_APPS: Mapping[App, tuple[str, ...]] = {
    "http": ("--proxy", "http://127.0.0.1:{}"),
    "https": ("--proxy", "https://localhost:{}", "--proxy-insecure"),
    "connect": ("--proxytunnel", "--proxy", "http://127.0.0.1:{}"),
    "socks4": ("--socks4", "127.0.0.1:{}"),
    "socks4a": ("--socks4a", "127.0.0.1:{}"),
    "socks5": ("--socks5", "127.0.0.1:{}"),
    "socks5h": ("--socks5-hostname", "127.0.0.1:{}"),
    "direct": ("--noproxy", "*"),
}
_SERVICES: Mapping[App, str] = {
    "http": "http",
    "connect": "http",
    "https": "https",
    "socks4": "socks4",
    "socks4a": "socks4a",
}
"""What a client offers to them; to others SOCKS."""


@dataclass(frozen=True)
class Outcome:
    """What came of one scenario between two programs.

    Attributes:
        number: Of the scenario.
        pair: Client and server.
        error: What was wrong, or empty.
        missing: Why it was not tried with ours: the original fails with itself.
    """

    number: int
    pair: Pair
    error: str = ""
    missing: Missing | None = None


async def try_scenario(number: int, folder: Path) -> list[Outcome]:
    """Play a scenario in all its pairings at once."""
    async with mock() as target, asyncio.TaskGroup() as group:
        tasks = []
        for pair in SCENARIOS[number].pairs:
            own = folder / f"{number}-{'-'.join(pair)}"
            own.mkdir()
            tasks.append(group.create_task(_try(number, pair, target, own)))
        return [await task for task in tasks]


async def _try(number: int, pair: Pair, target: int, folder: Path) -> Outcome:
    """Play it; of what an original lacks it is only seen that it fails with itself."""
    missing = _missing(number, pair)
    if missing and "ours" in pair:
        return Outcome(number, pair, missing=missing)
    try:
        within = _WITHIN_IF_MISSING if missing else _WITHIN
        await play(SCENARIOS[number], pair, target, folder, within)
    except AssertionError as error:
        return Outcome(number, pair, "" if missing else str(error) or repr(error), missing)
    return Outcome(number, pair, "works, though it is listed as missing" if missing else "")


def _missing(number: int, pair: Pair) -> Missing | None:
    roles = zip(("client", "server"), pair, strict=True)
    found = ((MISSING.get((number, who)), role) for role, who in roles)
    return next((lack for lack, role in found if lack and lack.only in {"", role}), None)


async def play(
    scenario: Scenario, pair: Pair, target: int, folder: Path, within: float = _WITHIN
) -> None:
    """Play a scenario once; each check has so many seconds.

    Raises:
        AssertionError: a program did not start, or a check failed.
    """
    for name, text in scenario.files.items():
        (folder / name).write_text(text.replace(PORT, str(target)))
    link = Link(
        scenario.presets_between(pair),
        key=scenario.key,
        mux=scenario.mux,
        transport=scenario.transport,
        path=scenario.path,
        client=scenario.client,
        server=_with_port(scenario.server, target),
    )
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(bs_server(pair[1], folder, link))
        port = link.port
        if scenario.app != "direct":
            scheme = _SERVICES.get(scenario.app, "socks5")
            near = bs_client(pair[0], folder, link, scheme=scheme, login=scenario.login)
            await stack.enter_async_context(near)
            port = near.port
        tries = 1 if "ours" in pair else scenario.tries_alone
        asks = 2 if pair[1] == "3.3.0" else 1
        application = _Application(scenario, port, target, within, tries, asks)
        await application.check_tcp()
        if "2.5.3" not in pair:  # which knows no UDP
            await application.check_udp()


@dataclass(frozen=True)
class _Application:
    """What asks a target through the port of a client, or that of a server itself."""

    scenario: Scenario
    port: int
    target: int
    within: float
    tries: int
    asks: int
    """How often one may ask by datagram: 3.3.0 does not answer a port that it has seen before, and
    a client gets its ports from the system, some of them again."""

    async def check_tcp(self) -> None:
        scenario = self.scenario
        for _ in range(scenario.tcp):
            said = await self._ask()
            assert (said == ANSWER) == scenario.delivered, f"curl got {said[:100]!r}"
        if scenario.wrong:
            said = await self._curl(self.target, scenario.wrong)
            assert said != ANSWER, "a wrong login was let in"
        if scenario.serves_others:
            async with mock() as other:
                said = await self._curl(other, scenario.login)
                assert said == ANSWER, f"another target is not served: {said[:100]!r}"

    async def check_udp(self) -> None:
        for _ in range(self.scenario.udp):
            answers = [await self._ask_by_datagram()]
            while answers[-1] is None and len(answers) < self.asks:
                answers.append(await self._ask_by_datagram())
            assert answers[-1] == ANSWER, f"the answers to a datagram are {answers!r:.100}"

    async def _ask_by_datagram(self) -> bytes | None:
        """What the target answers, None if nothing came."""
        app = await Datagrams.associate(Address("127.0.0.1", self.port))
        try:
            app.send(Address("127.0.0.1", self.target), b"")
            return (await app.receive(self.within))[1]
        except TimeoutError:
            return None
        finally:
            app.close()

    async def _ask(self) -> bytes:
        """What the target answers, or what came in its place at the last try."""
        for _ in range(self.tries):
            said = await self._curl(self.target, self.scenario.login)
            if said == ANSWER:
                break
        return said

    async def _curl(self, target: int, login: str) -> bytes:
        """What curl prints when it asks that target."""
        app = self.scenario.app
        options = [word.format(self.port) for word in _APPS[app]]
        if login and not app.startswith("socks4"):  # whose applications have no passwords
            options += ["--proxy-user", login]
        process = await asyncio.create_subprocess_exec(
            *(peers.system("curl"), "--silent", "--noproxy", "", "--max-time", str(self.within)),
            *(*options, f"http://127.0.0.1:{self.port if app == 'direct' else target}/"),
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await process.communicate()
        return said


def _with_port(keys: Mapping[str, Any], port: int) -> dict[str, Any]:
    filled: dict[str, Any] = json.loads(json.dumps(dict(keys)).replace(PORT, str(port)))
    return filled
