"""Who is measured: tunnels, and the kernel's TCP without one."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.interop.harness import peers
from tests.interop.harness.boxes import flags, kcptun_command
from tests.interop.harness.processes import Program

from benchmarks.links.progress import round_trip

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from tests.interop.harness.boxes import Kcptun, KcptunRole, Options
    from tests.interop.harness.ports import Protocol

    from benchmarks.model import Side
    from blinktun.lab import Host, Lab, Link

    Tunnel = Callable[[Lab, Path], AbstractAsyncContextManager[str]]

SOURCE, NEAR, FAR = 9000, 12948, 29900
"""Ports: of the source, of a tunnel's client and of its server. Every host has all of its own."""

QUIC = peers.ROOT / "target" / "quic" / "release" / "quic-tunnel"

KEY: Options = {"key": "x"}
"""Ours without settings."""


@dataclass(frozen=True)
class Contender:
    """A way for a connection from the client to the source.

    Attributes:
        about: What it is, in a line.
        tunnel: Runs it on both hosts during a block; yields where the client connects.
        congestion: What the kernel's TCP does, if that goes over the link itself.
    """

    about: str
    tunnel: Tunnel
    congestion: str | None = None


class Resident(Program):
    """A program on a host of a lab."""

    def __init__(
        self, host: Host, argv: Sequence[str | Path], folder: Path, listens: tuple[Protocol, int]
    ) -> None:
        self._host = host
        self._shown = " ".join(map(str, argv))
        name = f"{host.namespace.partition('-')[2]}-{listens[1]}"
        super().__init__(name, host.command(*argv), folder, listens=listens)

    @property
    def is_listening(self) -> bool:
        """Whether its port is open there."""
        with self._host.inside():
            return super().is_listening

    def __str__(self) -> str:
        return f"{self.name} ({self._shown})"


def by_hand(link: Link) -> Options:
    """What a careful user of the Go program would set for a link.

    The windows are 1.35 times what the link holds, with some room for what waits.
    """
    first = link.down[0]
    trip = round_trip(link) + first.jitter / 2 + 0.02
    window = max(64, int((first.rate or 0) * trip / 1350 * 1.35))
    return KEY | {
        "mode": "fast2",
        "sndwnd": window,
        "rcvwnd": max(window, 512),
        "datashard": 10,
        "parityshard": 3,
        "quiet": True,
    }


def _kcptun(client: Kcptun, server: Kcptun, settings: Callable[[Kcptun, Link], Options]) -> Tunnel:
    @asynccontextmanager
    async def run(lab: Lab, folder: Path) -> AsyncIterator[str]:
        def program(
            host: Host, impl: Kcptun, role: KcptunRole, own: Options, listens: tuple[Protocol, int]
        ) -> Resident:
            argv = [*kcptun_command(impl, role), *flags(own | settings(impl, lab.link))]
            return Resident(host, argv, folder, listens)

        far: Options = {"l": f":{FAR}", "t": f"127.0.0.1:{SOURCE}"}
        near: Options = {"l": f"127.0.0.1:{NEAR}", "r": f"{lab.server.ipv4}:{FAR}"}
        async with (
            program(lab.server, server, "server", far, ("udp", FAR)),
            program(lab.client, client, "client", near, ("tcp", NEAR)),
        ):
            yield f"127.0.0.1:{NEAR}"

    return run


def _quinn(congestion: str) -> Tunnel:
    @asynccontextmanager
    async def run(lab: Lab, folder: Path) -> AsyncIterator[str]:
        if not QUIC.exists():
            raise peers.MissingPeerError(str(QUIC), f"make {QUIC.relative_to(peers.ROOT)}")
        certificate, server = folder / "certificate", f"{lab.server.ipv4}:{FAR}"
        near = f"127.0.0.1:{NEAR}"
        far: list[str | Path] = [
            QUIC,
            "server",
            server,
            f"127.0.0.1:{SOURCE}",
            certificate,
            congestion,
        ]
        client: list[str | Path] = [QUIC, "client", near, server, certificate, congestion]
        async with (
            Resident(lab.server, far, folder, ("udp", FAR)),
            Resident(lab.client, client, folder, ("tcp", NEAR)),
        ):
            yield near

    return run


@asynccontextmanager
async def _direct(lab: Lab, _: Path) -> AsyncIterator[str]:
    yield f"{lab.server.ipv4}:{SOURCE}"


def _alone(_: Kcptun, __: Link) -> Options:
    return KEY | {"quiet": True}


def _tuned(_: Kcptun, link: Link) -> Options:
    return by_hand(link) | {"nocomp": True}


def _mixed(impl: Kcptun, link: Link) -> Options:
    # Both ends compress, or neither does: nothing is said about that here.
    return _alone(impl, link) if impl == "ours" else by_hand(link)


CONTENDERS: dict[Side, Contender] = {
    "ours": Contender(
        "blinktun at both ends, no setting but the key", _kcptun("ours", "ours", _alone)
    ),
    "hand": Contender(
        "blinktun at both ends, with the settings of Go tuned by hand",
        _kcptun("ours", "ours", _tuned),
    ),
    "mixed": Contender(
        "a blinktun server without settings, a Go client tuned by hand",
        _kcptun("theirs", "ours", _mixed),
    ),
    "go": Contender(
        "Go at both ends, tuned by hand for the link: windows of 1.35 times what it holds,"
        " FEC 10+3, fast2, no compression",
        _kcptun("theirs", "theirs", _tuned),
    ),
    "quinn-bbr": Contender("a small QUIC tunnel on quinn, with its BBR", _quinn("bbr")),
    "quinn-cubic": Contender("the same with its cubic", _quinn("cubic")),
    "bbr": Contender("TCP of the kernel without a tunnel, BBR at both ends", _direct, "bbr"),
    "cubic": Contender("the same with cubic", _direct, "cubic"),
}
"""By their sides, in the order of tables."""
