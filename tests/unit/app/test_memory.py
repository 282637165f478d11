from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from blinktun.address import Address
from blinktun.app import memory as app_memory
from blinktun.app.memory import MOST, session_memory
from blinktun.config.model import KcptunServer, PortRange

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import resource
from blinktun.app.memory import keep_freed_memory
keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    bytearray(700_000)
before = faults()
for _ in range(1000):
    bytearray(700_000)
print(faults() - before)
"""


def _server(memory: int | None) -> KcptunServer:
    target = Address("127.0.0.1", 1)
    return KcptunServer(listen=PortRange("", 1, 1), target=target, memory=memory)


def test_a_process_keeps_to_the_least_that_a_role_says() -> None:
    servers = [_server(memory) for memory in (None, 64 << 20, 32 << 20)]
    assert session_memory(servers) == 32 << 20


@pytest.mark.parametrize(
    ("machine", "memory"),
    [(512 << 20, 128 << 20), (8 << 30, MOST), (None, MOST)],
)
def test_else_to_a_quarter_of_the_machine(
    machine: int | None, memory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sysconf(name: str) -> int:
        if machine is None:
            raise ValueError(name)
        return {"SC_PHYS_PAGES": machine // 4096, "SC_PAGE_SIZE": 4096}[name]

    monkeypatch.setattr(os, "sysconf", sysconf)
    monkeypatch.setattr(app_memory, "_cgroup_limits", tuple)
    assert session_memory([_server(None)]) == memory


@pytest.mark.parametrize(
    ("leaf", "slice_", "memory"),
    [
        ("max", "max", MOST),
        ("max", str(400 << 20), 100 << 20),
        (str(200 << 20), str(400 << 20), 50 << 20),
        (str(200 << 20), None, 50 << 20),
    ],
)
def test_a_container_or_a_unit_may_allow_less(
    leaf: str, slice_: str | None, memory: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = tmp_path / "groups" / "system.slice" / "blinktun.service"
    unit.mkdir(parents=True)
    (unit / "memory.max").write_text(leaf + "\n")
    if slice_ is not None:
        (unit.parent / "memory.max").write_text(slice_ + "\n")
    (tmp_path / "cgroup").write_text("4:memory:/elsewhere\n0::/system.slice/blinktun.service\n")
    monkeypatch.setattr(app_memory, "_GROUPS", tmp_path / "groups")
    monkeypatch.setattr(app_memory, "_OWN_GROUP", tmp_path / "cgroup")
    monkeypatch.setattr(app_memory, "_machine_memory", lambda: 64 << 30)
    assert session_memory([_server(None)]) == memory


def test_large_chunks_come_and_go_without_page_faults() -> None:
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True
    )
    # Without it: 170 faults for each of the 1000 chunks.
    assert int(result.stdout) < 2000
