"""Sessions that tune themselves find the MTU of their path, and notice when it falls."""

from __future__ import annotations

import itertools
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from tests.interop.harness import traffic
from tests.netns.programs import direct, kcptun_client, kcptun_server, target_on

from blinktun.kcp.core_config import TRACE_VARIABLE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.interop.harness.boxes import Kcptun, Options
    from tests.netns.bed import Bed
    from tests.netns.machine import Machine

OPTIONS: Options = {"crypt": "aes", "smuxver": 1}
BY_HAND: Options = OPTIONS | {"mode": "fast3", "datashard": 0, "parityshard": 0}
SIZE, WITHIN = 8_000_000, 30.0
"""Bytes that go to the target and back, and the seconds that they may take."""


class Narrow:
    """A client and a server behind a router each; what lies between the routers can become narrow.

    Attributes:
        remotes: The addresses of the server.
    """

    remotes = ("10.0.3.2", "[2001:db8:3::2]")

    def __init__(self, bed: Bed) -> None:
        self.client, self.server = bed.machine("client"), bed.machine("server")
        self.routers = bed.router("left"), bed.router("right")
        left, right = self.routers
        row = (self.client, left, right, self.server)
        for number, (one, other) in enumerate(itertools.pairwise(row), 1):
            bed.cable(one, other)
            one.address(other.name, f"10.0.{number}.1/24", f"2001:db8:{number}::1/64")
            other.address(one.name, f"10.0.{number}.2/24", f"2001:db8:{number}::2/64")
        self.client.gateway("10.0.1.2", "2001:db8:1::2")
        left.gateway("10.0.2.2", "2001:db8:2::2")
        right.gateway("10.0.2.1", "2001:db8:2::1")
        self.server.gateway("10.0.3.1", "2001:db8:3::1")

    def fall(self) -> None:
        """From now on 1280 bytes pass between the routers."""
        left, right = self.routers
        left.mtu("right", 1280)
        right.mtu("left", 1280)

    def hide_icmp(self) -> None:
        """The routers say nothing."""
        for router in self.routers:
            router.hide_icmp()


@pytest.fixture
def narrow(bed: Bed) -> Narrow:
    """A path of 1500 bytes that can become narrow."""
    return Narrow(bed)


@pytest.fixture
def traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the traces of all programs of the test."""
    folder = tmp_path / "traces"
    monkeypatch.setenv(TRACE_VARIABLE, str(folder))
    return folder


def events(traces: Path, role: str, name: str) -> Iterator[dict[str, Any]]:
    """What happened in the sessions of a role."""
    for path in sorted(traces.glob(f"*{role}*")):
        for record in path.read_text().split("\x1e"):
            if f'"{name}"' in record and record.endswith("\n"):
                yield json.loads(record)["data"]


def found(traces: Path, role: str) -> int:
    """The MTU that the sessions of a role have in the end."""
    changes = events(traces, role, "recovery:mtu_updated")
    return [1200, *(int(event["new"]) for event in changes)][-1]


def reasons(traces: Path, role: str) -> set[str]:
    """Why it has changed."""
    return {event["reason"] for event in events(traces, role, "recovery:mtu_updated")}


@asynccontextmanager
async def tunnel(
    client: Machine,
    server: Machine,
    remote: str,
    folder: Path,
    impls: tuple[tuple[Kcptun, Options], tuple[Kcptun, Options]] = (("ours", {}), ("ours", {})),
) -> AsyncIterator[None]:
    """A client and a server, each with its options, with a target on the server's machine."""
    (near_impl, near_options), (far_impl, far_options) = impls
    async with target_on(server) as target:
        options = OPTIONS | far_options
        far = kcptun_server(server, far_impl, folder, target=target.port, options=options)
        options = OPTIONS | near_options
        near = kcptun_client(client, near_impl, folder, remote=remote, options=options)
        async with far, near:
            yield


@pytest.mark.parametrize("remote", Narrow.remotes)
async def test_a_path_of_1500_bytes_is_used(
    remote: str, narrow: Narrow, tmp_path: Path, traces: Path
) -> None:
    async with tunnel(narrow.client, narrow.server, remote, tmp_path):
        await traffic.echo(direct(narrow.client), SIZE, within=WITHIN)
    most = 1452 if ":" in remote else 1472
    assert [found(traces, role) for role in ("client", "server")] == [most, most]


@pytest.mark.parametrize("is_hidden", [False, True])
@pytest.mark.parametrize("remote", Narrow.remotes)
async def test_a_path_of_1280_bytes_from_the_start(
    remote: str, is_hidden: bool, narrow: Narrow, tmp_path: Path, traces: Path
) -> None:
    narrow.fall()
    if is_hidden:
        narrow.hide_icmp()
    async with tunnel(narrow.client, narrow.server, remote, tmp_path):
        await traffic.echo(direct(narrow.client), SIZE, within=WITHIN)
    most = 1232 if ":" in remote else 1252
    for role in ("client", "server"):
        assert 1200 <= found(traces, role) <= most
        assert reasons(traces, role) <= {"probe"}


@pytest.mark.parametrize("is_hidden", [False, True])
@pytest.mark.parametrize("remote", Narrow.remotes)
async def test_a_path_that_falls_to_1280_bytes(
    remote: str, is_hidden: bool, narrow: Narrow, tmp_path: Path, traces: Path
) -> None:
    if is_hidden:
        narrow.hide_icmp()
    async with tunnel(narrow.client, narrow.server, remote, tmp_path):
        await traffic.changing_echo(direct(narrow.client), SIZE, narrow.fall, within=WITHIN)
    assert "black_hole" in reasons(traces, "client")
    assert found(traces, "client") <= (1232 if ":" in remote else 1252)


@pytest.mark.parametrize("remote", Narrow.remotes)
async def test_an_interface_of_ours_that_falls_to_1280_bytes(
    remote: str, narrow: Narrow, tmp_path: Path, traces: Path
) -> None:
    def fall() -> None:
        narrow.client.mtu("left", 1280)

    # The interface drops what comes and is longer, and nobody cuts that: so the server's segments
    # that are on their way must be cut again, which only independent ones can be.
    ours: tuple[Kcptun, Options] = ("ours", {"smuxver": 2})
    async with tunnel(narrow.client, narrow.server, remote, tmp_path, (ours, ours)):
        await traffic.changing_echo(direct(narrow.client), SIZE, fall, within=WITHIN)
    most = 1232 if ":" in remote else 1252
    refused = list(events(traces, "client", "recovery:datagram_refused"))
    assert refused
    assert all(event["known_mtu"] == most < event["length"] for event in refused)
    assert found(traces, "client") == most
    assert "black_hole" not in reasons(traces, "client")


async def test_datagrams_disguised_as_tcp_have_longer_headers(
    narrow: Narrow, tmp_path: Path, traces: Path
) -> None:
    both: tuple[Kcptun, Options] = ("ours", {"tcp": True})
    async with tunnel(narrow.client, narrow.server, Narrow.remotes[0], tmp_path, (both, both)):
        await traffic.echo(direct(narrow.client), SIZE, within=WITHIN)
    assert found(traces, "client") == found(traces, "server") == 1500 - 20 - 32


@pytest.mark.parametrize("theirs", ["theirs", "modern"])
async def test_programs_of_go_at_the_other_end(
    theirs: Kcptun, narrow: Narrow, tmp_path: Path, traces: Path
) -> None:
    sides: tuple[tuple[Kcptun, Options], tuple[Kcptun, Options]] = (
        ("ours", {}),
        (theirs, BY_HAND),
    )
    async with tunnel(narrow.client, narrow.server, Narrow.remotes[0], tmp_path, sides):
        await traffic.echo(direct(narrow.client), SIZE, within=WITHIN)
        assert found(traces, "client") == 1472
        await traffic.changing_echo(direct(narrow.client), SIZE, narrow.fall, within=WITHIN)
    assert found(traces, "client") <= 1252


async def test_a_given_mtu_stays(bed: Bed, tmp_path: Path, traces: Path) -> None:
    machine = bed.machine("alone")
    given: tuple[Kcptun, Options] = ("ours", {"mtu": 1300})
    async with tunnel(machine, machine, "127.0.0.1", tmp_path, (given, given)):
        await traffic.echo(direct(machine), SIZE, within=WITHIN)
    assert not list(events(traces, "client", "recovery:mtu_updated"))
